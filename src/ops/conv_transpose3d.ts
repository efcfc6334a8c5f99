/**
 * Transposed 3-D convolution and its gradients [recurrent-vae §3.2]. It is the input gradient of the convolution
 * it inverts, so its filter is that convolution's: `[kz, ky, kx, out, in]`; and its own gradients are that
 * convolution and that convolution's filter gradient.
 */
import {
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
  type Triple,
} from "../backends/kernel_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { conv3dBiasGradient } from "./conv3d.ts";
import {
  type ConvGeometry,
  convOutputSize,
  convTransposeOutputSize,
  kernelSize,
  resolveGeometry,
  spatialSize,
  triple,
} from "./convolution_shapes.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** Options of {@link convTranspose3d}. */
export interface ConvTranspose3dOptions extends ConvGeometry {
  /** `[out]`, added to every output voxel; none by default. */
  readonly bias?: tf.Tensor | null;
  /** Output size `[Z, Y, X]`; decides among the sizes that the convolution maps to x's. */
  readonly outputSize?: Triple;
  /** PyTorch's way to say the same, below the stride; default 0. Ignored when `outputSize` is given. */
  readonly outputPadding?: number | Triple;
}

/**
 * y[n, stride·i − padding + k, out] += filter[k,out,in] · x[n,i,in] for all i and k inside the output.
 * Differentiable in x, filter and bias.
 *
 * @param x `[N, Z', Y', X', in]` float32; N may be 0.
 * @param filter `[kz, ky, kx, out, in]`.
 * @param options Bias, geometry, output size.
 * @returns `[N, Z, Y, X, out]`.
 * @throws {ShapeError} when the convolution would not map the output size to x's size.
 * @throws {ConfigError} for a bad stride, padding or output padding.
 *
 * @example A level of the decoder: 45×54×45 voxels become 91×109×91.
 * ```ts ignore
 * const y = convTranspose3d(x, filter, { stride: 2, padding: 1, outputSize: [91, 109, 91] });
 * ```
 */
export function convTranspose3d(
  x: tf.Tensor,
  filter: tf.Tensor,
  options: ConvTranspose3dOptions = {},
): tf.Tensor {
  const doing = "Transposed convolution";
  const geometry = resolveGeometry(options);
  requireShape(doing, "filter", {
    shape: filter.shape,
    pattern: [-1, -1, -1, -1, -1],
    words: "[kz, ky, kx, out, in]",
  });
  const kernel = kernelSize(filter);
  const outputSize = options.outputSize
    ? triple("outputSize", options.outputSize, 1)
    : convTransposeOutputSize(spatialSize(x), kernel, options);
  requireShape(doing, "x", {
    shape: x.shape,
    pattern: [-1, ...convOutputSize(outputSize, kernel, geometry), filter.shape[4]!],
    words: "[N, Z', Y', X', in]",
  });
  const bias = options.bias ?? null;
  if (bias) {
    requireShape(doing, "bias", {
      shape: bias.shape,
      pattern: [filter.shape[3]!],
      words: "[out]",
    });
  }
  return runDifferentiable(bias ? [x, filter, bias] : [x, filter], {
    forward([input, weights, offset], save) {
      save([input, weights]);
      const y = runConv3dInputGradient(input, weights, { ...geometry, inputSize: outputSize });
      return offset ? tf.add(y, offset) : y;
    },
    gradient(dy, [input, weights]) {
      const dx = convTranspose3dInputGradient(dy, weights, geometry);
      const dFilter = convTranspose3dFilterGradient(input, dy, { ...geometry, kernel });
      return bias ? [dx, dFilter, conv3dBiasGradient(dy)] : [dx, dFilter];
    },
  });
}

/**
 * Gradient of {@link convTranspose3d} in x: the convolution itself.
 *
 * @param dy `[N, Z, Y, X, out]`.
 * @param filter `[kz, ky, kx, out, in]`.
 * @param options Geometry.
 * @returns `[N, Z', Y', X', in]`.
 * @throws {ShapeError} when dy and filter do not fit.
 */
export function convTranspose3dInputGradient(
  dy: tf.Tensor,
  filter: tf.Tensor,
  options: ConvGeometry = {},
): tf.Tensor {
  const geometry = resolveGeometry(options);
  requireShape("Differentiating a transposed convolution in its input", "dy", {
    shape: dy.shape,
    pattern: [-1, -1, -1, -1, filter.shape[3] ?? -1],
    words: "[N, Z, Y, X, out]",
  });
  convOutputSize(spatialSize(dy), kernelSize(filter), geometry);
  return runConv3d(dy, filter, null, geometry);
}

/**
 * Gradient of {@link convTranspose3d} in its filter: the convolution's filter gradient with the roles of
 * input and output exchanged.
 *
 * @param x `[N, Z', Y', X', in]`.
 * @param dy `[N, Z, Y, X, out]`.
 * @param options Geometry and `kernel` `[kz, ky, kx]`.
 * @returns `[kz, ky, kx, out, in]`.
 * @throws {ShapeError} when x is not the size that the convolution gives for dy.
 */
export function convTranspose3dFilterGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  options: ConvGeometry & { readonly kernel: Triple },
): tf.Tensor {
  const geometry = resolveGeometry(options);
  const kernel = triple("kernel", options.kernel, 1);
  requireShape("Differentiating a transposed convolution in its filter", "x", {
    shape: x.shape,
    pattern: [dy.shape[0], ...convOutputSize(spatialSize(dy), kernel, geometry), -1],
    words: "[N, Z', Y', X', in]",
  });
  return runConv3dFilterGradient(dy, x, { ...geometry, kernel });
}
