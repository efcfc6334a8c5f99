/** Rows of a table by number, and the gradient in the table. */
import { ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/**
 * y[…] = table[indices[…]]. Differentiable in the table: its gradient is oneHot(indices)ᵀ·dy, that is, the rows of dy
 * added up by index, which takes one pass over them.
 *
 * @param indices Any shape, int32, 0 … V − 1 each. On a GPU an index outside is not noticed.
 * @param table `[V, E]` float32.
 * @returns `[…, E]`.
 * @throws {ShapeError} when the table has other axes or the indices are not int32.
 * @throws {Error} for an index outside, on engines that compute on the host.
 */
export function embedding(indices: tf.Tensor, table: tf.Tensor): tf.Tensor {
  const doing = "Embedding";
  requireShape(doing, "table", { shape: table.shape, pattern: [-1, -1], words: "[V, E]" });
  if (indices.dtype !== "int32") {
    throw new ShapeError(
      `${doing}: indices are ${indices.dtype} of shape [${
        indices.shape.join(", ")
      }], needs int32; ` +
        'make them with tf.tensor(values, shape, "int32")',
      indices.shape,
      "int32 indices",
    );
  }
  const [rows, width] = table.shape;
  const listed = (numbers: tf.Tensor) => tf.reshape(numbers, [numbers.size]) as tf.Tensor1D;
  return runDifferentiable([table], {
    forward([entries], save) {
      save([indices]);
      return tf.reshape(tf.gather(entries, listed(indices)), [...indices.shape, width]);
    },
    gradient: (dy, [numbers]) => [
      tf.tidy(() =>
        tf.unsortedSegmentSum(tf.reshape(dy, [numbers.size, width]), listed(numbers), rows)
      ),
    ],
  });
}
