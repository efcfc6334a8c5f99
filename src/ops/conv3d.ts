/**
 * 3-D convolution (cross-correlation, channels last) and its gradients [recurrent-vae §3.2]. Also serves 2-D and
 * 1-D data as volumes with axes of length 1.
 */
import {
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
  type Triple,
} from "../backends/kernel_contract.ts";
import { tf } from "../deps/tfjs.ts";
import {
  type ConvGeometry,
  convOutputSize,
  kernelSize,
  resolveGeometry,
  spatialSize,
  triple,
} from "./convolution_shapes.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** Options of {@link conv3d}. */
export interface Conv3dOptions extends ConvGeometry {
  /** `[Co]`, added to every output voxel; none by default. */
  readonly bias?: tf.Tensor | null;
}

/**
 * y[n,o,co] = bias[co] + Σ_{k,ci} filter[k,ci,co] · x[n, stride·o − padding + k, ci], zeros outside.
 * Differentiable in x, filter and bias.
 *
 * @param x `[N, Z, Y, X, Ci]` float32; N may be 0.
 * @param filter `[kz, ky, kx, Ci, Co]`.
 * @param options Bias, stride, padding.
 * @returns `[N, Z', Y', X', Co]`, each length floor((n + 2·padding − kernel)/stride) + 1.
 * @throws {ShapeError} when shapes do not fit together.
 * @throws {ConfigError} for a bad stride or padding.
 *
 * @example A level of the encoder: 91×109×91 voxels become 45×54×45.
 * ```ts ignore
 * const y = conv3d(x, filter, { bias, stride: 2, padding: 1 });
 * ```
 */
export function conv3d(x: tf.Tensor, filter: tf.Tensor, options: Conv3dOptions = {}): tf.Tensor {
  const geometry = resolveGeometry(options);
  checkVolumeAndFilter("Convolving", x, filter);
  convOutputSize(spatialSize(x), kernelSize(filter), geometry);
  const bias = options.bias ?? null;
  if (bias) checkBias("Convolving", bias, filter.shape[4]!);
  return runDifferentiable(bias ? [x, filter, bias] : [x, filter], {
    forward([input, weights, offset], save) {
      save([input, weights]);
      return runConv3d(input, weights, offset ?? null, geometry);
    },
    gradient(dy, [input, weights]) {
      const dx = conv3dInputGradient(dy, weights, { ...geometry, inputSize: spatialSize(input) });
      const dFilter = conv3dFilterGradient(input, dy, { ...geometry, kernel: kernelSize(weights) });
      return bias ? [dx, dFilter, conv3dBiasGradient(dy)] : [dx, dFilter];
    },
  });
}

/**
 * Gradient of {@link conv3d} in x: dx[n,i,ci] = Σ filter[k,ci,co] · dy[n,o,co] over stride·o − padding + k = i.
 *
 * @param dy `[N, Z', Y', X', Co]`.
 * @param filter `[kz, ky, kx, Ci, Co]`.
 * @param options Geometry of the convolution and `inputSize` `[Z, Y, X]` of x.
 * @returns `[N, Z, Y, X, Ci]`.
 * @throws {ShapeError} when dy is not the output size of that input.
 */
export function conv3dInputGradient(
  dy: tf.Tensor,
  filter: tf.Tensor,
  options: ConvGeometry & { readonly inputSize: Triple },
): tf.Tensor {
  const geometry = resolveGeometry(options);
  const inputSize = triple("inputSize", options.inputSize, 1);
  const doing = "Differentiating a convolution in its input";
  requireShape(doing, "filter", {
    shape: filter.shape,
    pattern: [-1, -1, -1, -1, -1],
    words: "[kz, ky, kx, Ci, Co]",
  });
  requireShape(doing, "dy", {
    shape: dy.shape,
    pattern: [-1, ...convOutputSize(inputSize, kernelSize(filter), geometry), filter.shape[4]!],
    words: "[N, Z', Y', X', Co]",
  });
  return runConv3dInputGradient(dy, filter, { ...geometry, inputSize });
}

/**
 * Gradient of {@link conv3d} in its filter: dw[k,ci,co] = Σ_{n,o} x[n, stride·o − padding + k, ci] · dy[n,o,co].
 *
 * @param x `[N, Z, Y, X, Ci]`.
 * @param dy `[N, Z', Y', X', Co]`.
 * @param options Geometry of the convolution and its `kernel` `[kz, ky, kx]`.
 * @returns `[kz, ky, kx, Ci, Co]`.
 * @throws {ShapeError} when dy is not the output size of x.
 */
export function conv3dFilterGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  options: ConvGeometry & { readonly kernel: Triple },
): tf.Tensor {
  const geometry = resolveGeometry(options);
  const kernel = triple("kernel", options.kernel, 1);
  const doing = "Differentiating a convolution in its filter";
  requireShape(doing, "x", {
    shape: x.shape,
    pattern: [-1, -1, -1, -1, -1],
    words: "[N, Z, Y, X, Ci]",
  });
  requireShape(doing, "dy", {
    shape: dy.shape,
    pattern: [x.shape[0], ...convOutputSize(spatialSize(x), kernel, geometry), -1],
    words: "[N, Z', Y', X', Co]",
  });
  return runConv3dFilterGradient(x, dy, { ...geometry, kernel });
}

/**
 * Gradient of {@link conv3d} in its bias: Σ dy over samples and voxels.
 *
 * @param dy `[N, Z', Y', X', Co]`.
 * @returns `[Co]`.
 */
export function conv3dBiasGradient(dy: tf.Tensor): tf.Tensor {
  const channels = dy.shape[dy.shape.length - 1];
  if (dy.size === 0) return tf.zeros([channels]);
  return tf.tidy(() => tf.sum(tf.reshape(dy, [dy.size / channels, channels]), 0));
}

/** Throws {@link ShapeError} unless x is a volume tensor that the filter's input channels fit. */
function checkVolumeAndFilter(doing: string, x: tf.Tensor, filter: tf.Tensor): void {
  requireShape(doing, "filter", {
    shape: filter.shape,
    pattern: [-1, -1, -1, -1, -1],
    words: "[kz, ky, kx, Ci, Co]",
  });
  requireShape(doing, "x", {
    shape: x.shape,
    pattern: [-1, -1, -1, -1, filter.shape[3]!],
    words: "[N, Z, Y, X, Ci]",
  });
}

/** Throws {@link ShapeError} unless the bias has one value per output channel. */
function checkBias(doing: string, bias: tf.Tensor, channels: number): void {
  requireShape(doing, "bias", { shape: bias.shape, pattern: [channels], words: "[Co]" });
}
