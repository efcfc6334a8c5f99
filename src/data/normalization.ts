/**
 * Bringing intensities into the range a model works in, and back.
 *
 * A `Normalization` is the method, as it is stored with the weights; a `SubjectScaling` is what the method
 * comes to for one subject. The default is the original's: minimum and maximum of each subject to −1 and 1
 * (spec 2.3).
 */
import { ConfigError } from "../base/errors.ts";

/** How volumes are normalised; plain JSON. */
export type Normalization =
  /** Each subject's extrema to −1 and 1. */
  | { readonly kind: "min-max" }
  /** Each subject to mean 0 and standard deviation 1. */
  | { readonly kind: "z-score" }
  /** All subjects with mean and standard deviation of the training subjects. */
  | { readonly kind: "train-z-score"; readonly mean: number; readonly std: number }
  /** Values as they are. */
  | { readonly kind: "none" };

/** Names of the methods. */
export type NormalizationKind = Normalization["kind"];

/** The numbers that normalise one subject. */
export type SubjectScaling =
  | { readonly kind: "min-max"; readonly min: number; readonly max: number }
  | { readonly kind: "z-score"; readonly mean: number; readonly std: number }
  | { readonly kind: "none" };

/**
 * Normalises values in place.
 *
 * min-max: v ← 2·((v − min)/span − 0.5) with span = max − min, or 1 where that is 0; every operation is
 * rounded to float32 in this order, as the original does (spec 2.3). z-score: v ← (v − mean)/std, std 1
 * where it is 0, rounded once.
 *
 * @param values Any number of voxels of the subject. @param scaling From `fitScaling` or the stored run.
 * @returns `values`.
 */
export function applyScaling(values: Float32Array, scaling: SubjectScaling): Float32Array {
  if (scaling.kind === "min-max") {
    const min = Math.fround(scaling.min);
    const span = spanOf(scaling);
    for (let i = 0; i < values.length; i++) {
      const unit = Math.fround(Math.fround(values[i] - min) / span);
      values[i] = 2 * Math.fround(unit - 0.5);
    }
  } else if (scaling.kind === "z-score") {
    const { mean } = scaling;
    const std = scaling.std || 1;
    for (let i = 0; i < values.length; i++) values[i] = (values[i] - mean) / std;
  }
  return values;
}

/**
 * Brings normalised values back in place: v = (0.5·y + 0.5)·span + min, or y·std + mean, rounded once.
 *
 * @param values Any number of voxels of the subject. @param scaling What normalised them.
 * @returns `values`.
 */
export function invertScaling(values: Float32Array, scaling: SubjectScaling): Float32Array {
  if (scaling.kind === "min-max") {
    const min = Math.fround(scaling.min);
    const span = spanOf(scaling);
    for (let i = 0; i < values.length; i++) values[i] = (0.5 * values[i] + 0.5) * span + min;
  } else if (scaling.kind === "z-score") {
    const { mean } = scaling;
    const std = scaling.std || 1;
    for (let i = 0; i < values.length; i++) values[i] = values[i] * std + mean;
  }
  return values;
}

/** max − min in float32; 1 for a constant subject, which then becomes −1 everywhere. */
function spanOf(scaling: { readonly min: number; readonly max: number }): number {
  return Math.fround(Math.fround(scaling.max) - Math.fround(scaling.min)) || 1;
}

/**
 * Reads a stored method.
 *
 * @param value Parsed JSON.
 * @throws {ConfigError} when it describes no method.
 */
export function parseNormalization(value: unknown): Normalization {
  const record = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const { kind, mean, std } = record;
  if (kind === "min-max" || kind === "z-score" || kind === "none") return { kind };
  const isNumber = (n: unknown): n is number => typeof n === "number" && Number.isFinite(n);
  if (kind === "train-z-score" && isNumber(mean) && isNumber(std) && std > 0) {
    return { kind, mean, std };
  }
  throw new ConfigError(
    "normalization",
    `Cannot use the normalisation ${JSON.stringify(value)}: needs kind "min-max", "z-score", ` +
      `"train-z-score" (with mean and std > 0) or "none"`,
  );
}

/**
 * Makes sure that weights meet data normalised as those they were trained on.
 *
 * @param stored The method stored with the weights. @param used The one about to be used.
 * @throws {ConfigError} when they differ.
 */
export function checkNormalization(stored: Normalization, used: Normalization): void {
  const a = describeNormalization(stored);
  const b = describeNormalization(used);
  if (a !== b) {
    throw new ConfigError(
      "normalization",
      `Cannot use these weights on this data: found data normalised by ${b}, needs ${a}; build the ` +
        `loader with the normalisation stored in the run`,
    );
  }
}

/** One line for people: `"min-max per subject"`. */
export function describeNormalization(normalization: Normalization): string {
  switch (normalization.kind) {
    case "min-max":
      return "min-max per subject";
    case "z-score":
      return "z-score per subject";
    case "train-z-score":
      return `z-score with mean ${normalization.mean} and standard deviation ${normalization.std}`;
    case "none":
      return "nothing (raw values)";
  }
}
