/** The convolution kernels of the contract, on `wasm/conv3d.h`. */
import { ShapeError } from "../../../base/errors.ts";
import type { ConvAttributes, Triple } from "../../kernel_contract.ts";
import { KERNEL } from "../../kernel_contract.ts";
import { ParameterLayout } from "../parameters.ts";
import type { Kernel, KernelCall, KernelTable } from "./kernel.ts";

/** Mirror of Conv3dParams. */
const LAYOUT = new ParameterLayout({
  input: "int",
  filter: "int",
  output: "int",
  bias: "int",
  workspace: "int",
  n: "int",
  inZ: "int",
  inY: "int",
  inX: "int",
  inC: "int",
  outZ: "int",
  outY: "int",
  outX: "int",
  outC: "int",
  kernelZ: "int",
  kernelY: "int",
  kernelX: "int",
  strideZ: "int",
  strideY: "int",
  strideX: "int",
  padZ: "int",
  padY: "int",
  padX: "int",
  variant: "int",
});

const forward: Kernel = ({ inputs, attrs, backend }: KernelCall<ConvAttributes>) => {
  const { x, filter, bias } = inputs;
  const kernel = spatial(filter.shape, 0);
  const size = spatial(x.shape, 1);
  const [n, channels, outputChannels] = [x.shape[0], x.shape[4], filter.shape[4]];
  const outputSize = outputSizeOf(size, kernel, attrs);
  const y = backend.output([n, ...outputSize, outputChannels]);
  backend.launch("f32_conv3d_forward", LAYOUT, {
    ...geometry(attrs, { n, size, channels, outputSize, outputChannels, kernel }),
    input: backend.addressOf(x),
    filter: backend.addressOf(filter),
    output: y.address,
    bias: bias ? backend.addressOf(bias) : 0,
  });
  return y.info;
};

const inputGradient: Kernel = (
  { inputs, attrs, backend }: KernelCall<ConvAttributes & { inputSize: Triple }>,
) => {
  const { dy, filter } = inputs;
  const kernel = spatial(filter.shape, 0);
  const [n, channels, outputChannels] = [dy.shape[0], filter.shape[3], filter.shape[4]];
  const size = attrs.inputSize;
  const outputSize = requireOutput(dy.shape, outputSizeOf(size, kernel, attrs));
  const dx = backend.output([n, ...size, channels]);
  backend.launch("f32_conv3d_input_gradient", LAYOUT, {
    ...geometry(attrs, { n, size, channels, outputSize, outputChannels, kernel }),
    input: dx.address,
    filter: backend.addressOf(filter),
    output: backend.addressOf(dy),
  });
  return dx.info;
};

const filterGradient: Kernel = (
  { inputs, attrs, backend }: KernelCall<ConvAttributes & { kernel: Triple }>,
) => {
  const { x, dy } = inputs;
  const { kernel } = attrs;
  const size = spatial(x.shape, 1);
  const [n, channels, outputChannels] = [x.shape[0], x.shape[4], dy.shape[4]];
  const outputSize = requireOutput(dy.shape, outputSizeOf(size, kernel, attrs));
  const dw = backend.output([...kernel, channels, outputChannels]);
  backend.launch("f32_conv3d_filter_gradient", LAYOUT, {
    ...geometry(attrs, { n, size, channels, outputSize, outputChannels, kernel }),
    input: backend.addressOf(x),
    filter: dw.address,
    output: backend.addressOf(dy),
  });
  return dw.info;
};

/** Kernels of this file by contract name. */
export const CONVOLUTION_KERNELS: KernelTable = {
  [KERNEL.conv3d]: forward,
  [KERNEL.conv3dInputGradient]: inputGradient,
  [KERNEL.conv3dFilterGradient]: filterGradient,
};

interface Sizes {
  readonly n: number;
  readonly size: Triple;
  readonly channels: number;
  readonly outputSize: Triple;
  readonly outputChannels: number;
  readonly kernel: Triple;
}

function geometry({ stride, padding }: ConvAttributes, sizes: Sizes) {
  const { n, size, channels, outputSize, outputChannels, kernel } = sizes;
  return {
    n,
    inZ: size[0],
    inY: size[1],
    inX: size[2],
    inC: channels,
    outZ: outputSize[0],
    outY: outputSize[1],
    outX: outputSize[2],
    outC: outputChannels,
    kernelZ: kernel[0],
    kernelY: kernel[1],
    kernelX: kernel[2],
    strideZ: stride[0],
    strideY: stride[1],
    strideX: stride[2],
    padZ: padding[0],
    padY: padding[1],
    padX: padding[2],
  };
}

/** floor((n + 2·padding − kernel)/stride) + 1 per axis, not below 0. */
function outputSizeOf(size: Triple, kernel: Triple, { stride, padding }: ConvAttributes): Triple {
  const axis = (a: 0 | 1 | 2) =>
    Math.max(0, Math.floor((size[a] + 2 * padding[a] - kernel[a]) / stride[a]) + 1);
  return [axis(0), axis(1), axis(2)];
}

function requireOutput(shape: readonly number[], needed: Triple): Triple {
  if (needed.some((length, a) => length !== shape[a + 1])) {
    throw new ShapeError(
      `Differentiating a convolution: dy has spatial size [${
        shape.slice(1, 4)
      }], needs [${needed}]`,
      shape,
      `[${needed}]`,
    );
  }
  return needed;
}

function spatial(shape: readonly number[], at: number): Triple {
  return [shape[at], shape[at + 1], shape[at + 2]];
}
