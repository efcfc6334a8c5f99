/** The normalisation kernels of the contract, on `wasm/norm`. */
import type { tf } from "../../../deps/tfjs.ts";
import { KERNEL, type NormAttributes } from "../../kernel_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Mirror of NormParams. */
const LAYOUT = new ParameterLayout({
  x: "int",
  dy: "int",
  y: "int",
  gamma: "int",
  beta: "int",
  mean: "int",
  variance: "int",
  scale: "int",
  dGamma: "int",
  dBeta: "int",
  b: "int",
  d: "int",
  workspace: "int",
  groups: "int",
  rows: "int",
  channels: "int",
  channelGroups: "int",
  fixed: "int",
  epsilon: "float",
  slope: "float",
});

const forward: Kernel = ({ inputs, attrs, backend }: KernelCall<NormAttributes>) => {
  const { x, gamma, beta } = inputs;
  const { sampleGroups, channelGroups } = attrs;
  const y = backend.output(x.shape);
  const statistics = inputs.mean === undefined
    ? [backend.output([sampleGroups, channelGroups]), backend.output([sampleGroups, channelGroups])]
    : [aliased(backend, inputs.mean), aliased(backend, inputs.variance)];
  const [mean, variance] = statistics;
  if (sizeOf(x.shape) > 0) {
    const parameters = {
      ...geometry(x, attrs),
      ...coefficients(backend, x, attrs),
      x: backend.addressOf(x),
      y: y.address,
      gamma: backend.addressOf(gamma),
      beta: backend.addressOf(beta),
      mean: mean.address,
      variance: variance.address,
    };
    if (inputs.mean === undefined && isLayerNorm(parameters)) {
      backend.launch("f32_layer_norm", LAYOUT, parameters);
    } else {
      if (inputs.mean === undefined) backend.launch("f32_norm_statistics", LAYOUT, parameters);
      backend.launch("f32_norm_scale", LAYOUT, parameters);
      backend.launch("f32_norm_apply", LAYOUT, parameters);
    }
  }
  return [y.info, mean.info, variance.info];
};

const gradient: Kernel = (
  { inputs, attrs, backend }: KernelCall<NormAttributes & { fixedStatistics: boolean }>,
) => {
  const { x, gamma } = inputs;
  const channels = x.shape[x.shape.length - 1];
  const dx = backend.output(x.shape);
  const dGamma = backend.output([channels]);
  const dBeta = backend.output([channels]);
  if (sizeOf(x.shape) === 0) {
    backend.runtime.memory.floatView(dGamma.address, channels).fill(0);
    backend.runtime.memory.floatView(dBeta.address, channels).fill(0);
    return [dx.info, dGamma.info, dBeta.info];
  }
  const parameters = {
    ...geometry(x, attrs),
    ...coefficients(backend, x, attrs),
    x: backend.addressOf(x),
    dy: backend.addressOf(inputs.dy),
    y: dx.address,
    gamma: backend.addressOf(gamma),
    beta: backend.addressOf(inputs.beta),
    mean: backend.addressOf(inputs.mean),
    variance: backend.addressOf(inputs.variance),
    dGamma: dGamma.address,
    dBeta: dBeta.address,
    fixed: attrs.fixedStatistics ? 1 : 0,
  };
  if (!attrs.fixedStatistics && isLayerNorm(parameters)) {
    backend.launch("f32_layer_norm_gradient", LAYOUT, parameters);
  } else {
    backend.launch("f32_norm_scale", LAYOUT, parameters);
    backend.launch("f32_norm_gradient_sums", LAYOUT, parameters);
    backend.launch("f32_norm_gradient_apply", LAYOUT, parameters);
  }
  return [dx.info, dGamma.info, dBeta.info];
};

/** Kernels of this file by contract name. */
export const NORM_KERNELS: KernelTable = {
  [KERNEL.normActivation]: forward,
  [KERNEL.normActivationGradient]: gradient,
};

function geometry(x: tf.TensorInfo, attributes: NormAttributes) {
  const channels = x.shape[x.shape.length - 1];
  return {
    groups: attributes.sampleGroups,
    rows: sizeOf(x.shape) / Math.max(1, channels * attributes.sampleGroups),
    channels,
    channelGroups: attributes.channelGroups,
    epsilon: attributes.epsilon,
    slope: attributes.slope,
  };
}

/** Whether every row of channels is a block of its own, with no activation behind: `wasm/norm/layer.cpp`. */
function isLayerNorm({ rows, channelGroups, slope }: ReturnType<typeof geometry>): boolean {
  return rows === 1 && channelGroups === 1 && slope === 1;
}

/** Room for the `[S, C]` coefficients, which live as long as the kernel. */
function coefficients(backend: WasmBackend, x: tf.TensorInfo, attributes: NormAttributes) {
  const bytes = attributes.sampleGroups * x.shape[x.shape.length - 1] * 4;
  const scale = backend.temporary(3 * bytes, "the coefficients of a normalisation");
  return { scale, b: scale + bytes, d: scale + 2 * bytes };
}

function aliased(backend: WasmBackend, info: tf.TensorInfo) {
  return { info: backend.alias(info), address: backend.addressOf(info) };
}
