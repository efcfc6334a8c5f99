/** Predictions of several volumes, one after the other. */
import { RandomStream } from "../../base/random.ts";
import type { ParcelRun } from "../../data/parcellated/parcel_run.ts";
import { predictAutoregression } from "../../linalg/autoregression.ts";
import type { SequenceModel } from "../../models/brain_sequence/model.ts";

/**
 * Continues a run.
 *
 * @param model Trained with objective `every`.
 * @param run What is known.
 * @param options `steps`: volumes to predict; `length`: most volumes that the network sees; seconds between volumes.
 * @returns `[steps, N]`, z-scored as the run is.
 */
export async function forecastRun(
  model: SequenceModel,
  { values, volumes, parcels: N }: ParcelRun,
  { steps, length, repetitionTime }: {
    readonly steps: number;
    readonly length: number;
    readonly repetitionTime: number;
  },
): Promise<Float32Array> {
  const known = new Float32Array((volumes + steps) * N);
  known.set(values);
  const base = model.base;
  const factor = base ? base.scale * base.share : 1;
  for (let end = volumes; end < volumes + steps; end++) {
    const seen = Math.min(length, end);
    const inputs = known.slice((end - seen) * N, end * N);
    const batch = {
      rows: [0],
      inputs,
      shape: [1, seen, N] as const,
      times: Float32Array.from({ length: seen }, (_, t) => t * repetitionTime),
      lengths: Int32Array.of(seen),
    };
    const { values: outputs } = await model.predict(batch, RandomStream.fromSeed(0));
    const next = outputs.subarray((seen - 1) * N, seen * N);
    const from = Math.max(0, end - (base?.order ?? 0));
    const window = { values: known.slice(from * N, (end + 1) * N), length: end + 1 - from };
    const linear = base ? predictAutoregression(base, window) : null;
    for (let n = 0; n < N; n++) {
      const carried = linear ? linear[(end - from) * N + n] : 0;
      known[end * N + n] = carried + factor * next[n];
    }
  }
  return known.slice(volumes * N);
}
