/** Ties one latent value to one attribute through differences of pairs [streamlines §6]. */
import { toScalar } from "../../backends/tensors.ts";
import { ShapeError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { runDifferentiable } from "../../ops/differentiable.ts";

/** Formulas. */
export type AttributeFormula = "raw-signed" | "raw-abs" | "sign-tanh";

/** Options of {@link attributeRegularisation}. */
export interface AttributeRegularisationOptions {
  /** Default `"sign-tanh"`. */
  readonly formula?: AttributeFormula;
  /** Factor on latent differences in `"sign-tanh"`; default 1. */
  readonly delta?: number;
}

/**
 * The mean over all N² pairs of |D_r − D_a|, of ||D_r| − |D_a||, or of |tanh(delta·D_r) − sign(D_a)|, D_r and D_a being
 * the differences of latents and attributes. Differentiable in the latents. One pair alone gives 0; a tie has sign 0.
 *
 * @param z Latent values, `[N]`.
 * @param attribute Attribute values, `[N]`; a constant.
 * @param options See {@link AttributeRegularisationOptions}.
 * @returns `[]`.
 * @throws {ShapeError} when the two have different lengths.
 */
export function attributeRegularisation(
  z: tf.Tensor,
  attribute: tf.Tensor,
  options: AttributeRegularisationOptions = {},
): tf.Tensor {
  const { formula = "sign-tanh", delta = 1 } = options;
  if (z.size !== attribute.size) {
    throw new ShapeError(
      `Cannot regularise by an attribute: found ${attribute.size} values for ${z.size} latents, needs as many`,
      attribute.shape,
      `[${z.size}]`,
    );
  }
  const latent = pairDifferences(z);
  const known = pairDifferences(attribute);
  switch (formula) {
    case "raw-signed":
      return tf.mean(tf.abs(tf.sub(latent, known)));
    case "raw-abs":
      return tf.mean(tf.abs(tf.sub(tf.abs(latent), tf.abs(known))));
    case "sign-tanh":
      return tf.mean(signMisfit(tf.mul(latent, toScalar(delta)), tf.sign(known)));
  }
}

/**
 * |tanh(u) − s|: 2σ(−2su) where s is ±1, |tanh(u)| where it is 0. Written so, neither it nor its derivative
 * −4sσ(−2su)σ(2su) is rounded away where tanh is nearly ±1.
 */
function signMisfit(u: tf.Tensor, s: tf.Tensor): tf.Tensor {
  return runDifferentiable([u], {
    forward([input], save) {
      save([input, s]);
      const two = toScalar(2);
      const apart = tf.mul(tf.sigmoid(tf.neg(tf.mul(tf.mul(s, input), two))), two);
      return tf.where(tf.equal(s, 0), tf.abs(tf.tanh(input)), apart);
    },
    gradient(dy, [input, sign]) {
      const v = tf.mul(tf.mul(sign, input), toScalar(2));
      const product = tf.mul(tf.sigmoid(v), tf.sigmoid(tf.neg(v)));
      const apart = tf.neg(tf.mul(tf.mul(sign, product), toScalar(4)));
      const tied = tf.mul(tf.sign(input), tf.sub(toScalar(1), tf.square(tf.tanh(input))));
      return [tf.mul(dy, tf.where(tf.equal(sign, 0), tied, apart))];
    },
  });
}

/** v_i − v_j, `[N, N]`. */
function pairDifferences(values: tf.Tensor): tf.Tensor {
  const n = values.size;
  return tf.sub(tf.reshape(values, [n, 1]), tf.reshape(values, [1, n]));
}
