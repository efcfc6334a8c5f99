/**
 * Registers the scalar kernels under the names of kernel_contract.ts for a TensorFlow.js backend whose
 * tensors are plain host arrays. Checks sizes once more where a wrong one would read out of bounds.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { ShapeError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import {
  ACTIVATION_KERNEL,
  type ActivationAttributes,
  type DropoutAttributes,
  type SoftmaxAttributes,
} from "../activation_contract.ts";
import { KERNEL, type NormAttributes, type Triple } from "../kernel_contract.ts";
import {
  ACTIVATION_FUNCTIONS,
  dropValues,
  softmaxRows,
  softmaxRowsGradient,
} from "./activations.ts";
import { TAP_KERNEL, type TapMap } from "../tap_contract.ts";
import { type AxisGeometry, forwardTaps, outputLength, transposedTaps } from "./axis_taps.ts";
import { filterGradient } from "./filter_gradient.ts";
import { gatherConvolution, type GatherPlan, packFilter } from "./gather_convolution.ts";
import { blockStatistics, normalise, normaliseGradient, type NormPlan } from "./norm_activation.ts";
import { tanhSquaredError } from "./tanh_squared_error.ts";
import { tapMaximum, tapMaximumGradient, tapSum } from "./taps.ts";

/** How the kernels reach the storage of one TensorFlow.js backend. */
export interface HostStorage {
  /** Values of a tensor; not changed by the kernels. */
  read(tensor: tf.TensorInfo): FloatArray;
  /** A zeroed array of the engine's own precision. */
  allocate(length: number): FloatArray;
  /** A tensor that takes over `values`. */
  wrap(values: FloatArray, shape: readonly number[]): tf.TensorInfo;
}

type Inputs = Readonly<Record<string, tf.TensorInfo>>;
type Kernel = (inputs: Inputs, attributes: never, storage: HostStorage) => tf.TensorInfo[];

const KERNELS: Readonly<Record<string, Kernel>> = {
  [KERNEL.conv3d]: conv3d,
  [KERNEL.conv3dInputGradient]: conv3dInputGradient,
  [KERNEL.conv3dFilterGradient]: conv3dFilterGradient,
  [KERNEL.normActivation]: normActivation,
  [KERNEL.normActivationGradient]: normActivationGradient,
  [KERNEL.tanhSquaredError]: squaredError,
  [ACTIVATION_KERNEL.activation]: activation,
  [ACTIVATION_KERNEL.activationGradient]: activationGradient,
  [ACTIVATION_KERNEL.softmax]: softmax,
  [ACTIVATION_KERNEL.softmaxGradient]: softmaxGradient,
  [ACTIVATION_KERNEL.dropout]: dropout,
  [TAP_KERNEL.sum]: sumOfTaps,
  [TAP_KERNEL.maximum]: largestTaps,
  [TAP_KERNEL.maximumGradient]: largestTapsGradient,
};

/**
 * Registers the kernels, unless they are registered already.
 *
 * @param backendName Name of the TensorFlow.js backend.
 * @param storageOf Gives the storage of the backend instance a kernel is called on.
 */
export function registerScalarKernels(
  backendName: string,
  storageOf: (backend: unknown) => HostStorage,
): void {
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    if (tf.getKernel(kernelName, backendName) != null) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, backend, attrs }) => {
        const results = kernel(inputs as Inputs, attrs as never, storageOf(backend));
        return results.length === 1 ? results[0] : results;
      },
    });
  }
}

interface Geometry {
  readonly stride: Triple;
  readonly padding: Triple;
}

type Axes = readonly [AxisGeometry, AxisGeometry, AxisGeometry];

function conv3d(inputs: Inputs, attributes: Geometry, storage: HostStorage): tf.TensorInfo[] {
  const { x, filter, bias } = inputs;
  const kernel = spatial(filter.shape, 0);
  const size = spatial(x.shape, 1);
  const axes = axesOf(size, kernel, attributes);
  const [samples, inputChannels, outputChannels] = [x.shape[0], x.shape[4], filter.shape[4]];
  const plan: GatherPlan = {
    samples,
    taps: [forwardTaps(axes[0]), forwardTaps(axes[1]), forwardTaps(axes[2])],
    sourceSize: size,
    sourceChannels: inputChannels,
    outputChannels,
    kernel,
  };
  const shape = [samples, ...axes.map((axis) => axis.output), outputChannels];
  const out = storage.allocate(product(shape));
  gatherConvolution(out, storage.read(x), {
    plan,
    weights: packFilter(storage.read(filter), {
      taps: product(kernel),
      source: inputChannels,
      output: outputChannels,
      transposed: false,
    }),
    bias: bias ? storage.read(bias) : null,
  });
  return [storage.wrap(out, shape)];
}

function conv3dInputGradient(
  inputs: Inputs,
  attributes: Geometry & { readonly inputSize: Triple },
  storage: HostStorage,
): tf.TensorInfo[] {
  const { dy, filter } = inputs;
  const kernel = spatial(filter.shape, 0);
  const axes = axesOf(attributes.inputSize, kernel, attributes);
  requireOutput(axes, dy.shape);
  const [samples, inputChannels, outputChannels] = [dy.shape[0], filter.shape[3], dy.shape[4]];
  const plan: GatherPlan = {
    samples,
    taps: [transposedTaps(axes[0]), transposedTaps(axes[1]), transposedTaps(axes[2])],
    sourceSize: spatial(dy.shape, 1),
    sourceChannels: outputChannels,
    outputChannels: inputChannels,
    kernel,
  };
  const shape = [samples, ...attributes.inputSize, inputChannels];
  const out = storage.allocate(product(shape));
  gatherConvolution(out, storage.read(dy), {
    plan,
    weights: packFilter(storage.read(filter), {
      taps: product(kernel),
      source: outputChannels,
      output: inputChannels,
      transposed: true,
    }),
    bias: null,
  });
  return [storage.wrap(out, shape)];
}

function conv3dFilterGradient(
  inputs: Inputs,
  attributes: Geometry & { readonly kernel: Triple },
  storage: HostStorage,
): tf.TensorInfo[] {
  const { x, dy } = inputs;
  const axes = axesOf(spatial(x.shape, 1), attributes.kernel, attributes);
  requireOutput(axes, dy.shape);
  const sums = filterGradient(storage.read(x), storage.read(dy), {
    samples: x.shape[0],
    axes,
    inputChannels: x.shape[4],
    outputChannels: dy.shape[4],
  });
  const shape = [...attributes.kernel, x.shape[4], dy.shape[4]];
  return [storage.wrap(narrow(sums, storage), shape)];
}

function normActivation(
  inputs: Inputs,
  attributes: NormAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const { x, gamma, beta, mean, variance } = inputs;
  const values = storage.read(x);
  const plan = normPlan(x.shape, attributes);
  const statistics = mean
    ? { mean: storage.read(mean), variance: storage.read(variance) }
    : blockStatistics(values, plan);
  const y = storage.allocate(values.length);
  normalise(y, values, {
    gamma: storage.read(gamma),
    beta: storage.read(beta),
    statistics,
    plan,
  });
  const shape = [plan.sampleGroups, plan.channelGroups];
  return [
    storage.wrap(y, x.shape),
    storage.wrap(narrow(statistics.mean, storage), shape),
    storage.wrap(narrow(statistics.variance, storage), shape),
  ];
}

function normActivationGradient(
  inputs: Inputs,
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
  storage: HostStorage,
): tf.TensorInfo[] {
  const { dy, x, gamma, beta, mean, variance } = inputs;
  const values = storage.read(x);
  const dx = storage.allocate(values.length);
  const { dGamma, dBeta } = normaliseGradient(dx, {
    dy: storage.read(dy),
    x: values,
    gamma: storage.read(gamma),
    beta: storage.read(beta),
    statistics: { mean: storage.read(mean), variance: storage.read(variance) },
    plan: normPlan(x.shape, attributes),
    fixedStatistics: attributes.fixedStatistics,
  });
  return [
    storage.wrap(dx, x.shape),
    storage.wrap(narrow(dGamma, storage), gamma.shape),
    storage.wrap(narrow(dBeta, storage), beta.shape),
  ];
}

function squaredError(
  inputs: Inputs,
  attributes: { readonly sampleGroups: number; readonly derivativeScale: number },
  storage: HostStorage,
): tf.TensorInfo[] {
  const { a, target, weight } = inputs;
  const values = storage.read(a);
  const derivative = storage.allocate(values.length);
  const sums = tanhSquaredError(derivative, {
    a: values,
    target: storage.read(target),
    weight: weight ? storage.read(weight) : null,
    samples: a.shape[0],
    ...attributes,
  });
  return [
    storage.wrap(narrow(sums, storage), [attributes.sampleGroups]),
    storage.wrap(derivative, a.shape),
  ];
}

function activation(
  { x }: Inputs,
  { activation, alpha }: ActivationAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const values = storage.read(x);
  const y = storage.allocate(values.length);
  const { value } = ACTIVATION_FUNCTIONS[activation];
  for (let i = 0; i < y.length; i++) y[i] = value(values[i], alpha);
  return [storage.wrap(y, x.shape)];
}

function activationGradient(
  { dy, x }: Inputs,
  { activation, alpha }: ActivationAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const [values, gradient] = [storage.read(x), storage.read(dy)];
  const dx = storage.allocate(values.length);
  const { slope } = ACTIVATION_FUNCTIONS[activation];
  for (let i = 0; i < dx.length; i++) dx[i] = gradient[i] * slope(values[i], alpha);
  return [storage.wrap(dx, x.shape)];
}

function softmax(
  { x }: Inputs,
  { logarithmic }: SoftmaxAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const values = storage.read(x);
  const y = storage.allocate(values.length);
  softmaxRows(y, values, { columns: x.shape[x.shape.length - 1], logarithmic });
  return [storage.wrap(y, x.shape)];
}

function softmaxGradient(
  { dy, y }: Inputs,
  { logarithmic }: SoftmaxAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const values = storage.read(y);
  const dx = storage.allocate(values.length);
  const columns = y.shape[y.shape.length - 1];
  softmaxRowsGradient(dx, { dy: storage.read(dy), y: values }, { columns, logarithmic });
  return [storage.wrap(dx, y.shape)];
}

function dropout(
  { x }: Inputs,
  attributes: DropoutAttributes,
  storage: HostStorage,
): tf.TensorInfo[] {
  const values = storage.read(x);
  const y = storage.allocate(values.length);
  dropValues(y, values, attributes);
  return [storage.wrap(y, x.shape)];
}

function sumOfTaps({ x }: Inputs, map: TapMap, storage: HostStorage): tf.TensorInfo[] {
  const y = storage.allocate(product(map.outputShape));
  tapSum(y, storage.read(x), map);
  return [storage.wrap(y, map.outputShape)];
}

function largestTaps({ x }: Inputs, map: TapMap, storage: HostStorage): tf.TensorInfo[] {
  const y = storage.allocate(product(map.outputShape));
  const winner = storage.allocate(y.length);
  tapMaximum({ y, winner }, storage.read(x), map);
  return [storage.wrap(y, map.outputShape), storage.wrap(winner, map.outputShape)];
}

function largestTapsGradient(
  { x, winner }: Inputs,
  map: TapMap,
  storage: HostStorage,
): tf.TensorInfo[] {
  const dx = storage.allocate(product(map.outputShape));
  tapMaximumGradient(dx, { dy: storage.read(x), winner: storage.read(winner) }, map);
  return [storage.wrap(dx, map.outputShape)];
}

function axesOf(size: Triple, kernel: Triple, { stride, padding }: Geometry): Axes {
  const axis = (a: 0 | 1 | 2): AxisGeometry => {
    const lengths = { input: size[a], kernel: kernel[a], stride: stride[a], padding: padding[a] };
    return { ...lengths, output: outputLength(lengths) };
  };
  return [axis(0), axis(1), axis(2)];
}

function requireOutput(axes: Axes, shape: readonly number[]): void {
  if (axes.some((axis, a) => axis.output !== shape[a + 1])) {
    const needed = `[${axes.map((axis) => axis.output)}]`;
    throw new ShapeError(
      `Differentiating a convolution: dy has spatial size [${shape.slice(1, 4)}], needs ${needed}`,
      shape,
      needed,
    );
  }
}

function normPlan(shape: readonly number[], attributes: NormAttributes): NormPlan {
  const channels = shape[shape.length - 1];
  return { ...attributes, channels, rows: product(shape.slice(0, -1)) };
}

function spatial(shape: readonly number[], at: number): Triple {
  return [shape[at], shape[at + 1], shape[at + 2]];
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((result, size) => result * size, 1);
}

/** A copy of `values` in the precision of the engine. */
function narrow(values: FloatArray, storage: HostStorage): FloatArray {
  const result = storage.allocate(values.length);
  result.set(values);
  return result;
}
