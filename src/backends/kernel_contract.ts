/**
 * The kernels every engine provides beside the stock TensorFlow.js ones: names, inputs, attributes,
 * results. Operations (src/ops) call these functions; engines (src/backends/<engine>) register kernels
 * under the names. Nothing here computes.
 *
 * Layout: channels last. A volume tensor is `[N, Z, Y, X, C]` (NIfTI memory order, x fastest among the
 * voxels); `N = G·B` when G frames of B subjects are processed together, frame-major (n = g·B + b), so
 * that the samples of one frame are contiguous. All tensors are dtype "float32" to TensorFlow.js; the
 * reference engine stores float64 behind the same name.
 */
import type { tf } from "../deps/tfjs.ts";
import { runKernel } from "./kernel_calls.ts";

/** Three numbers, one per spatial axis, in tensor order `[Z, Y, X]`. */
export type Triple = readonly [z: number, y: number, x: number];

/** Names under which engines register their kernels (TensorFlow.js splits at `_`, so none occurs). */
export const KERNEL = {
  conv3d: "RecvaeConv3d",
  conv3dInputGradient: "RecvaeConv3dInputGradient",
  conv3dFilterGradient: "RecvaeConv3dFilterGradient",
  normActivation: "RecvaeNormActivation",
  normActivationGradient: "RecvaeNormActivationGradient",
  tanhSquaredError: "RecvaeTanhSquaredError",
} as const;

/** Geometry of a convolution (dilation 1). Output length per axis: floor((n + 2·padding − kernel)/stride) + 1. */
export interface ConvAttributes {
  /** Step between outputs, each at least 1. */
  readonly stride: Triple;
  /** Zero padding on both sides of each axis. */
  readonly padding: Triple;
}

/**
 * Cross-correlation y[n,o,co] = bias[co] + Σ_{k,ci} filter[k,ci,co] · x[n, stride·o − padding + k, ci],
 * x = 0 outside. x `[N,Z,Y,X,Ci]`, filter `[kz,ky,kx,Ci,Co]`, bias `[Co]` or null → y `[N,Z',Y',X',Co]`.
 * N may be 0.
 */
export function runConv3d(
  x: tf.Tensor,
  filter: tf.Tensor,
  bias: tf.Tensor | null,
  attributes: ConvAttributes,
): tf.Tensor {
  return runKernel(KERNEL.conv3d, bias ? { x, filter, bias } : { x, filter }, { ...attributes })[0];
}

/**
 * Transpose of {@link runConv3d} in x; also the transposed convolution's forward pass.
 * dy `[N,Z',Y',X',Co]`, filter `[kz,ky,kx,Ci,Co]` → dx `[N, ...inputSize, Ci]`. `inputSize` decides
 * between the input sizes that share one output size (PyTorch's output_padding).
 */
export function runConv3dInputGradient(
  dy: tf.Tensor,
  filter: tf.Tensor,
  attributes: ConvAttributes & { readonly inputSize: Triple },
): tf.Tensor {
  return runKernel(KERNEL.conv3dInputGradient, { dy, filter }, { ...attributes })[0];
}

/**
 * Gradient of {@link runConv3d} in its filter: dw[k,ci,co] = Σ_{n,o} x[n, stride·o − padding + k, ci] · dy[n,o,co].
 * x `[N,Z,Y,X,Ci]`, dy `[N,Z',Y',X',Co]` → `[...kernel, Ci, Co]`.
 */
export function runConv3dFilterGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  attributes: ConvAttributes & { readonly kernel: Triple },
): tf.Tensor {
  return runKernel(KERNEL.conv3dFilterGradient, { x, dy }, { ...attributes })[0];
}

/**
 * Attributes of normalisation followed by LeakyReLU.
 *
 * Statistics are taken over blocks: the N samples fall into `sampleGroups` (S) contiguous runs of N/S
 * samples, the C channels into `channelGroups` (K) runs of C/K. Batch norm of G frames: S = G, K = C.
 * Group norm: S = N, K = number of channel groups.
 */
export interface NormAttributes {
  /** S; divides N. */
  readonly sampleGroups: number;
  /** K; divides C. */
  readonly channelGroups: number;
  /** Added to the variance. */
  readonly epsilon: number;
  /** LeakyReLU: v if v > 0, else slope·v (slope also at exactly 0). 1 means no activation. */
  readonly slope: number;
}

/** Result of {@link runNormActivation}. */
export interface NormResult {
  /** Same shape as x. */
  readonly y: tf.Tensor;
  /** `[S, K]`: mean of each block (two-pass). */
  readonly mean: tf.Tensor;
  /** `[S, K]`: biased variance Σ(x−m)²/n of each block (two-pass). */
  readonly variance: tf.Tensor;
}

/**
 * y = leaky(gamma·(x − mean)/√(variance + epsilon) + beta) with the block statistics of x.
 * x `[N, ...voxels, C]`, gamma and beta `[C]`. N may be 0; statistics of blocks without values are unspecified.
 */
export function runNormActivation(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  attributes: NormAttributes,
): NormResult {
  const [y, mean, variance] = runKernel(KERNEL.normActivation, { x, gamma, beta }, {
    ...attributes,
  });
  return { y, mean, variance };
}

/**
 * The same with given statistics (evaluation mode). mean and variance `[1, C]`, `sampleGroups` 1,
 * `channelGroups` C.
 */
export function runNormActivationFixed(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  attributes: NormAttributes,
): tf.Tensor {
  const [y, m, v] = runKernel(KERNEL.normActivation, { x, gamma, beta, mean, variance }, {
    ...attributes,
  });
  m.dispose();
  v.dispose();
  return y;
}

/** Result of {@link runNormActivationGradient}. */
export interface NormGradient {
  /** Same shape as x. */
  readonly dx: tf.Tensor;
  /** `[C]`, summed over all groups. */
  readonly dGamma: tf.Tensor;
  /** `[C]`, summed over all groups. */
  readonly dBeta: tf.Tensor;
}

/**
 * Gradient of {@link runNormActivation}. With g = dy·leaky′: per block
 * dx = (gamma/√(variance+epsilon))·(g − mean(g) − x̂·mean(g·x̂)) for K = C (general K: the means run over
 * gamma·g); dGamma = Σ g·x̂; dBeta = Σ g. With `fixedStatistics` mean and variance are constants:
 * dx = gamma/√(variance+epsilon)·g.
 */
export function runNormActivationGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
): NormGradient {
  const [dx, dGamma, dBeta] = runKernel(
    KERNEL.normActivationGradient,
    { dy, x, gamma, beta, mean, variance },
    { ...attributes },
  );
  return { dx, dGamma, dBeta };
}

/** Result of {@link runTanhSquaredError}. */
export interface SquaredErrorResult {
  /** `[sampleGroups]`: Σ weight·(target − tanh(a))² of each run of samples; accumulated wider than float32. */
  readonly sums: tf.Tensor;
  /** Same shape as a: derivativeScale · d(Σ sums)/da = derivativeScale·(−2)·weight·(target − r)·(1 − r²), r = tanh(a). */
  readonly derivative: tf.Tensor;
}

/**
 * Fused reconstruction error behind a tanh. a and target `[N, ...]` of equal size;
 * weight `[...]` per voxel (one sample's size, a mask) or null.
 */
export function runTanhSquaredError(
  a: tf.Tensor,
  target: tf.Tensor,
  weight: tf.Tensor | null,
  attributes: { readonly sampleGroups: number; readonly derivativeScale: number },
): SquaredErrorResult {
  const [sums, derivative] = runKernel(
    KERNEL.tanhSquaredError,
    weight ? { a, target, weight } : { a, target },
    { ...attributes },
  );
  return { sums, derivative };
}
