/** How samples become what a network works in: (x − offset)/scale, fitted to training samples alone. */
import type { NdArray } from "../base/arrays.ts";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { isRecord } from "../base/fields.ts";

/** Which. */
export type SampleScalingKind = "centre" | "z-score" | "unit" | "none";

/** Those names. */
export const SAMPLE_SCALINGS: readonly SampleScalingKind[] = ["centre", "z-score", "unit", "none"];

/** A fitted scaling. */
export interface SampleScaling {
  readonly kind: SampleScalingKind;
  /** One number, or one a value of a sample. */
  readonly offset: readonly number[];
  /** Likewise, above 0. */
  readonly scale: readonly number[];
}

/**
 * Fits a scaling: `"centre"` takes the mean sample off and divides by the standard deviation of what is left, one number for all;
 * `"z-score"` divides each value by its own (divisor n); `"unit"` maps the range to 0 … 1.
 *
 * @param rows Training samples `[N, …]`.
 * @param kind Which.
 * @throws {ConfigError} when nothing varies.
 */
export function fitSampleScaling({ data, shape }: NdArray, kind: SampleScalingKind): SampleScaling {
  const size = data.length / shape[0];
  if (kind === "none") return { kind, offset: [0], scale: [1] };
  if (kind === "unit") {
    let [low, high] = [Infinity, -Infinity];
    for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
    requireVaried(high - low);
    return { kind, offset: [low], scale: [high - low] };
  }
  const mean = new Float64Array(size);
  data.forEach((value, i) => mean[i % size] += value / shape[0]);
  const offset = Array.from(mean, Math.fround);
  const variance = new Float64Array(size);
  data.forEach((value, i) => variance[i % size] += (value - offset[i % size]) ** 2 / shape[0]);
  const overall = Math.sqrt(variance.reduce((sum, v) => sum + v, 0) / size);
  requireVaried(overall);
  if (kind === "centre") return { kind, offset, scale: [Math.fround(overall)] };
  // What never varies stays at 0.
  return { kind, offset, scale: Array.from(variance, (v) => Math.fround(Math.sqrt(v)) || 1) };
}

/** (x − offset)/scale. */
export function scaleSamples(rows: NdArray, scaling: SampleScaling): NdArray<Float32Array> {
  return mapped(rows, scaling, (value, offset, scale) => (value - offset) / scale);
}

/** x·scale + offset. */
export function unscaleSamples(rows: NdArray, scaling: SampleScaling): NdArray<Float32Array> {
  return mapped(rows, scaling, (value, offset, scale) => value * scale + offset);
}

/**
 * Reads a scaling back.
 *
 * @param json Content of normalisation.json.
 * @param folder Of the run, for the message.
 * @throws {CheckpointError} when it is missing or damaged.
 */
export function parseSampleScaling(json: unknown, folder: string): SampleScaling {
  const numbers = (list: unknown) => Array.isArray(list) && list.every(Number.isFinite);
  if (
    isRecord(json) && SAMPLE_SCALINGS.includes(json.kind as SampleScalingKind) &&
    numbers(json.offset) && numbers(json.scale)
  ) return json as unknown as SampleScaling;
  throw new CheckpointError(
    folder,
    `Cannot use the run "${folder}": its normalisation.json is missing or damaged, needs the one saved with the weights`,
  );
}

function mapped(
  { data, shape }: NdArray,
  { offset, scale }: SampleScaling,
  change: (value: number, offset: number, scale: number) => number,
): NdArray<Float32Array> {
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    values[i] = change(data[i], offset[i % offset.length], scale[i % scale.length]);
  }
  return { data: values, shape };
}

function requireVaried(range: number): void {
  if (range > 0) return;
  throw new ConfigError(
    "scaling",
    "Cannot scale the samples: all training samples are equal, needs some that differ",
  );
}
