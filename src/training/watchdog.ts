/**
 * Looks at every loss, gradient and weight for a NaN or an infinity, before damage is done: training stops within
 * one step and names what went wrong where. All norms of a step travel to the host in one transfer.
 */
import { type Batch, rowsOf, type StepPosition } from "../base/batches.ts";
import { DivergenceError } from "../base/errors.ts";
import { toHost } from "../backends/tensors.ts";
import { runSquaredNorms } from "../backends/update_contract.ts";
import { tf } from "../deps/tfjs.ts";

/** Which batch is being processed: where it stands, its rows, and what is known about them. */
export type BatchPosition = StepPosition & Batch & {
  /** What a person calls a row. */
  readonly describe?: (row: number) => string;
  /** What was in force, so that a message advises only what is not on already. */
  readonly update?: UpdateSettings;
};

/** How weights are being updated. */
export interface UpdateSettings {
  /** Step size. */
  readonly learningRate: number;
  /** Largest joint gradient norm; absent without clipping. */
  readonly clipNorm?: number;
  /** Updates made before this batch. */
  readonly made: number;
}

/**
 * Σ g² of every tensor, in the map's order.
 *
 * @param tensors Of any shapes; not disposed.
 * @returns As many numbers as there are tensors.
 */
export async function squaredNorms(tensors: ReadonlyMap<string, tf.Tensor>): Promise<Float64Array> {
  if (tensors.size === 0) return new Float64Array(0);
  const stacked = runSquaredNorms([...tensors.values()]) ??
    tf.tidy(() =>
      tf.concat([...tensors.values()].map((tensor) => tf.reshape(tf.sum(tf.square(tensor)), [1])))
    );
  try {
    return Float64Array.from(await toHost(stacked));
  } finally {
    stacked.dispose();
  }
}

/**
 * Stops training when a loss term is not finite.
 *
 * @param losses Terms by name, e.g. `{ loss, loss1, loss2, lossZ }`; the first bad one is named.
 * @throws {DivergenceError}
 */
export function checkLosses(
  losses: Readonly<Record<string, number>>,
  position: BatchPosition,
): void {
  for (const [name, value] of Object.entries(losses)) {
    if (!Number.isFinite(value)) throw diverged(name, value, position);
  }
}

/**
 * Stops training when a tensor holds a NaN or an infinity, or values whose squares overflow.
 *
 * @param tensors Gradients or weights by name; not disposed.
 * @param position Which batch.
 * @param options `what`: `"gradient"` (default) or `"weight"`, for the message.
 * @returns The squared norms, for clipping and logging.
 * @throws {DivergenceError} naming the first bad tensor.
 */
export async function checkTensors(
  tensors: ReadonlyMap<string, tf.Tensor>,
  position: BatchPosition,
  { what = "gradient" }: { readonly what?: "gradient" | "weight" } = {},
): Promise<Float64Array> {
  const norms = await squaredNorms(tensors);
  const bad = norms.findIndex((norm) => !Number.isFinite(norm));
  if (bad >= 0) throw diverged(`${what} of ${[...tensors.keys()][bad]}`, norms[bad], position);
  return norms;
}

function diverged(tensor: string, value: number, position: BatchPosition) {
  const { epoch, batch } = position;
  return new DivergenceError(
    `Training diverged: ${tensor} is ${value} in epoch ${epoch + 1}, batch ${batch + 1} (${
      namesOf(position)
    }), needs finite numbers; ${advice(position)}`,
    { epoch, batch, tensor, rows: [...rowsOf(position)] },
  );
}

/** E.g. `"subjects 4, 7"` or `"sub-03 run-2, sub-05 run-1"`. */
function namesOf(position: BatchPosition): string {
  const rows = rowsOf(position);
  if (position.describe) return rows.map(position.describe).join(", ");
  return `${"rows" in position ? "rows" : "subjects"} ${rows.join(", ")}`;
}

function advice({ update, ...position }: BatchPosition): string {
  const suspects = "rows" in position ? "the data of these rows" : "these subjects' scans";
  if (update?.made === 0) {
    return `no weight was changed yet, so check ${suspects} and the weights of the loss terms`;
  }
  const rate = update === undefined
    ? ""
    : ` (it was ${Number(update.learningRate.toPrecision(3))})`;
  const clip = update?.clipNorm === undefined ? ", clip gradients" : "";
  return `lower the learning rate${rate}${clip}, or check ${suspects}`;
}
