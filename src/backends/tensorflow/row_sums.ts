/**
 * Sums along an axis, nested: TensorFlow adds along an outer axis one after the other in float32, which over
 * 10⁵ rows costs three digits. Here runs of at most 96 rows are added, then the sums of runs, and so on.
 */
import { tf } from "../../deps/tfjs.ts";

const LONGEST_RUN = 96;
const SHORTEST_RUN = 16;
/** Length of a run where the number of rows has no divisor in between; what is left over is added apart. */
const PLAIN_RUN = 64;

/**
 * Sums over the rows of each group.
 *
 * @param x `[groups, rows, columns]`, rows may be 0.
 * @returns `[groups, columns]`.
 */
export function sumRows(x: tf.Tensor3D): tf.Tensor2D {
  const [groups, rows, columns] = x.shape;
  if (rows === 0) return tf.zeros([groups, columns]);
  if (rows <= LONGEST_RUN) return tf.sum(x, 1);
  const run = runLength(rows);
  if (run !== null) return sumRows(sumRuns(x, rows / run, run));
  const runs = Math.floor(rows / PLAIN_RUN);
  const whole = runs * PLAIN_RUN;
  const main = sumRuns(tf.slice(x, [0, 0, 0], [groups, whole, columns]), runs, PLAIN_RUN);
  const rest = tf.sum(tf.slice(x, [0, whole, 0], [groups, rows - whole, columns]), 1);
  return tf.add(sumRows(main), rest);
}

function sumRuns(x: tf.Tensor3D, runs: number, length: number): tf.Tensor3D {
  const [groups, , columns] = x.shape;
  return tf.sum(tf.reshape(x, [groups, runs, length, columns]), 2);
}

/** The longest divisor of `rows` that makes a good run, or null. */
function runLength(rows: number): number | null {
  for (let length = LONGEST_RUN; length >= SHORTEST_RUN; length--) {
    if (rows % length === 0) return length;
  }
  return null;
}
