/** What features know about targets: a linear probe, cross-validated by group. */
import type { NdArray } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { fitRidge } from "../linalg/ridge_regression.ts";
import { classifyAcrossFolds } from "./classification.ts";

/** A probe's result. */
export interface ProbeResult {
  /** Classes told apart by logistic regression, or numbers by ridge regression. */
  readonly kind: "classes" | "numbers";
  /** Balanced accuracy, or R² over all held-out rows. */
  readonly score: number;
  /** What guessing comes to: 1/classes, or 0. */
  readonly chance: number;
  /** Rows with a target. */
  readonly rows: number;
  /** Folds: every group held out once, at most ten at a time. */
  readonly folds: number;
  /** Names of the classes. */
  readonly classes?: readonly string[];
  /** Of the classes, rows told rightly. */
  readonly right?: number;
}

/** What a probe is asked about. */
export interface ProbeOptions {
  /** Of each row; rows with `""` are left out. Numbers of more than ten values are regressed on. */
  readonly targets: readonly string[];
  /** What is never divided between fitting and testing. */
  readonly groups: readonly string[];
  /** Of the inner folds. Default 0. */
  readonly seed?: number;
}

/** Folds at most. */
const MOST_FOLDS = 10;
/** Values from which numbers are no classes. */
const MOST_CLASSES = 10;

/**
 * Probes features.
 *
 * @param features `[N, D]`.
 * @param options See {@link ProbeOptions}.
 * @throws {ShapeError} when there are not as many targets and groups as rows.
 * @throws {ConfigError} when fewer than two groups or values have targets.
 */
export async function probeFeatures(
  { data, shape: [count, width] }: NdArray,
  { targets, groups, seed = 0 }: ProbeOptions,
): Promise<ProbeResult> {
  if (targets.length !== count || groups.length !== count) {
    throw new ShapeError(
      `Cannot probe: found ${targets.length} targets and ${groups.length} groups, needs one for each of ${count} rows`,
      [targets.length, groups.length],
      `${count} of each`,
    );
  }
  const kept = [...targets.keys()].filter((row) => targets[row] !== "");
  const features = new Float64Array(kept.length * width);
  kept.forEach((row, i) => features.set(data.subarray(row * width, (row + 1) * width), i * width));
  const labels = kept.map((row) => targets[row]);
  const folds = foldsOf(kept.map((row) => groups[row]));
  const values = new Set(labels);
  if (folds.length < 2 || values.size < 2) {
    throw new ConfigError(
      "target",
      `Cannot probe: the targets have ${values.size} values in ${folds.length} groups, needs at least 2 of both`,
    );
  }
  const isNumber = labels.every((label) => Number.isFinite(Number(label)));
  const facts = { rows: kept.length, folds: folds.length };
  if (isNumber && values.size > MOST_CLASSES) {
    return {
      kind: "numbers",
      ...facts,
      chance: 0,
      score: regress(features, labels, { width, folds }),
    };
  }
  const { balancedAccuracy, confusion, classes } = await classifyAcrossFolds(
    folds.map((fold) => ({ ...fold, features })),
    { labels, groups: kept.map((row) => groups[row]), seed, permutations: 0, bootstraps: 0 },
  );
  return {
    kind: "classes",
    ...facts,
    chance: 1 / classes.length,
    score: balancedAccuracy.value,
    classes,
    right: confusion.reduce((sum, row, k) => sum + row[k], 0),
  };
}

interface Fold {
  readonly train: readonly number[];
  readonly test: readonly number[];
}

/** Every group is tested once. */
function foldsOf(groups: readonly string[]): Fold[] {
  const names = [...new Set(groups)];
  const count = Math.min(MOST_FOLDS, names.length);
  const foldOf = new Map(names.map((name, i) => [name, i % count]));
  return Array.from({ length: count }, (_, fold) => ({
    train: [...groups.keys()].filter((row) => foldOf.get(groups[row]) !== fold),
    test: [...groups.keys()].filter((row) => foldOf.get(groups[row]) === fold),
  }));
}

/** R² of ridge regression on standardised features; the penalty is a tenth of the rows. */
function regress(
  features: Float64Array,
  labels: readonly string[],
  { width, folds }: { readonly width: number; readonly folds: readonly Fold[] },
): number {
  const targets = labels.map(Number);
  let [residual, total] = [0, 0];
  for (const { train, test } of folds) {
    const moments = Array.from({ length: width }, (_, d) => {
      const column = train.map((row) => features[row * width + d]);
      const mean = column.reduce((a, b) => a + b, 0) / train.length;
      const variance = column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / train.length;
      return { mean, deviation: Math.sqrt(variance) || 1 };
    });
    const standard = (rows: readonly number[]) =>
      Float64Array.from(
        rows.flatMap((row) =>
          moments.map(({ mean, deviation }, d) => (features[row * width + d] - mean) / deviation)
        ),
      );
    const { weights, intercept } = fitRidge(standard(train), {
      columns: width,
      targets: Float64Array.from(train, (row) => targets[row]),
      penalty: train.length / 10,
    });
    const mean = train.reduce((sum, row) => sum + targets[row], 0) / train.length;
    const asked = standard(test);
    test.forEach((row, i) => {
      let guess = intercept[0];
      for (let d = 0; d < width; d++) guess += weights[d] * asked[i * width + d];
      residual += (targets[row] - guess) ** 2;
      total += (targets[row] - mean) ** 2;
    });
  }
  return 1 - residual / total;
}
