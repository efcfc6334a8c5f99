/**
 * TensorFlow.js' own conv3d and its two gradients in float64, on the same scalar loops as ours but with
 * the padding rules of TensorFlow.js ("valid", "same"; possibly more on one side).
 */
import { ConfigError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { type AxisGeometry, forwardTaps, transposedTaps } from "../scalar/axis_taps.ts";
import { filterGradient } from "../scalar/filter_gradient.ts";
import { gatherConvolution, packFilter } from "../scalar/gather_convolution.ts";
import type { Call, KernelTable } from "./kernel_table.ts";
import { sizeOf } from "./views.ts";

/** The stock 3-D convolution kernels. */
export const CONVOLUTIONS: KernelTable = {
  Conv3D: (call) => {
    const { inputs: { x, filter } } = call;
    const { axes, info } = geometry(call, x.shape, filter.shape);
    return gathered(call, {
      source: x,
      shape: info.outShape,
      taps: [forwardTaps(axes[0]), forwardTaps(axes[1]), forwardTaps(axes[2])],
      transposed: false,
    });
  },
  Conv3DBackpropInputV2: (call) => {
    const { inputs: { dy, filter }, attrs } = call;
    const { axes, info } = geometry(call, attrs.inputShape, filter.shape);
    return gathered(call, {
      source: dy,
      shape: info.inShape,
      taps: [transposedTaps(axes[0]), transposedTaps(axes[1]), transposedTaps(axes[2])],
      transposed: true,
    });
  },
  Conv3DBackpropFilterV2: (call) => {
    const { inputs: { x, dy }, attrs, backend } = call;
    const { axes } = geometry(call, x.shape, attrs.filterShape);
    const sums = filterGradient(backend.floats(x), backend.floats(dy), {
      samples: x.shape[0],
      axes,
      inputChannels: x.shape[4],
      outputChannels: dy.shape[4],
    });
    return backend.output(sums, attrs.filterShape, x.dtype);
  },
};

type Axes = readonly [AxisGeometry, AxisGeometry, AxisGeometry];

function geometry(call: Call, inputShape: number[], filterShape: number[]) {
  const { strides, pad, dilations = 1 } = call.attrs;
  const info = tf.backend_util.computeConv3DInfo(
    inputShape as [number, number, number, number, number],
    filterShape as [number, number, number, number, number],
    strides,
    dilations,
    pad,
  );
  if (info.dilationDepth !== 1 || info.dilationHeight !== 1 || info.dilationWidth !== 1) {
    throw new ConfigError("dilations", "Convolving: dilation is above 1, needs 1 on this engine");
  }
  const { padInfo } = info;
  const axes: Axes = [
    {
      input: info.inDepth,
      kernel: info.filterDepth,
      stride: info.strideDepth,
      padding: padInfo.front,
      output: info.outDepth,
    },
    {
      input: info.inHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      padding: padInfo.top,
      output: info.outHeight,
    },
    {
      input: info.inWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      padding: padInfo.left,
      output: info.outWidth,
    },
  ];
  return { axes, info };
}

interface GatherTask {
  readonly source: tf.TensorInfo;
  readonly shape: readonly number[];
  readonly taps: Parameters<typeof gatherConvolution>[2]["plan"]["taps"];
  readonly transposed: boolean;
}

function gathered({ inputs: { filter }, backend }: Call, task: GatherTask): tf.TensorInfo {
  const { source, shape, taps, transposed } = task;
  const kernel = [filter.shape[0], filter.shape[1], filter.shape[2]] as const;
  const [sourceChannels, outputChannels] = [source.shape[4], shape[4]];
  const out = new Float64Array(sizeOf(shape));
  gatherConvolution(out, backend.floats(source), {
    plan: {
      samples: source.shape[0],
      taps,
      sourceSize: [source.shape[1], source.shape[2], source.shape[3]],
      sourceChannels,
      outputChannels,
      kernel,
    },
    weights: packFilter(backend.floats(filter), {
      taps: sizeOf(kernel),
      source: sourceChannels,
      output: outputChannels,
      transposed,
    }),
    bias: null,
  });
  return backend.output(out, shape, source.dtype);
}
