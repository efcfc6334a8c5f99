/** The exponential that the variational models clip [streamlines §4.2]. */
import { toScalar } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { runDifferentiable } from "../../ops/differentiable.ts";

/** Largest value: that of the original. */
const MOST = 1e10;

/**
 * min(eˣ, 10¹⁰), with derivative eˣ below and 0 from there on. The argument is clipped, so that no x gives an overflow or a
 * derivative of NaN, as clipping the result does beyond x = 88.7.
 *
 * @param x float32, any shape.
 */
export function safeExp(x: tf.Tensor): tf.Tensor {
  const limit = Math.log(MOST);
  return runDifferentiable([x], {
    forward([input], save) {
      const y = tf.exp(tf.minimum(input, toScalar(limit)));
      save([y, tf.cast(tf.less(input, toScalar(limit)), "float32")]);
      return y;
    },
    gradient: (dy, [y, open]) => [tf.mul(dy, tf.mul(y, open))],
  });
}
