/** The maps of tap_contract.ts on the host: TensorFlow has no kernel that they could be composed of at their speed. */
import { tf } from "../../deps/tfjs.ts";
import { tapMaximum, tapMaximumGradient, tapSum } from "../scalar/taps.ts";
import type { TapMap } from "../tap_contract.ts";

/**
 * Σ of weighted taps (`runTapSum`).
 *
 * @param inputs `x`.
 * @param map The taps.
 */
export function sumOfTaps({ x }: { x: tf.Tensor }, map: TapMap): tf.Tensor {
  const y = emptyResult(map);
  tapSum(y, valuesOf(x), map);
  return tf.tensor(y, [...map.outputShape]);
}

/**
 * The largest taps and which they were (`runTapMaximum`).
 *
 * @param inputs `x`.
 * @param map The taps.
 */
export function largestTaps({ x }: { x: tf.Tensor }, map: TapMap): tf.Tensor[] {
  const [y, winner] = [emptyResult(map), emptyResult(map)];
  tapMaximum({ y, winner }, valuesOf(x), map);
  return [tf.tensor(y, [...map.outputShape]), tf.tensor(winner, [...map.outputShape])];
}

/**
 * Gradient of {@link largestTaps}.
 *
 * @param inputs dy as `x`, and `winner`.
 * @param map Transposed.
 */
export function largestTapsGradient(
  { x, winner }: { x: tf.Tensor; winner: tf.Tensor },
  map: TapMap,
): tf.Tensor {
  const dx = emptyResult(map);
  tapMaximumGradient(dx, { dy: valuesOf(x), winner: valuesOf(winner) }, map);
  return tf.tensor(dx, [...map.outputShape]);
}

function emptyResult(map: TapMap): Float32Array {
  return new Float32Array(map.outputShape.reduce((product, n) => product * n, 1));
}

function valuesOf(x: tf.Tensor): Float32Array {
  return x.dataSync<"float32">();
}
