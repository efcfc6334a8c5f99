/**
 * Telling classes apart across folds: a regularised logistic regression is fitted to the training units of each fold, its
 * penalty chosen by folds inside them, and asked about the units that were held out. Nothing is fitted to those: neither
 * the scaling of the features, nor the penalty, nor, if the caller sees to it, what the features come from.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { groupedFolds } from "../base/grouped_folds.ts";
import { RandomStream } from "../base/random.ts";
import {
  fitLogistic,
  type LogisticFit,
  logisticProbabilities,
} from "../linalg/logistic_regression.ts";
import { rowSpace } from "../linalg/row_space.ts";
import { balancedAccuracy, confusionMatrix, orderedPairs } from "./class_scores.ts";
import { bootstrapInterval } from "./intervals.ts";
import { permutationPValue, permuteWithin } from "./permutations.ts";
import { standardise } from "./standardise.ts";

/** One fold: who is fitted to, who is asked about, and by which numbers. */
export interface ClassificationFold {
  /** Units to fit to. */
  readonly train: readonly number[];
  /** Units to test on; none of them is trained on, and each unit is tested in one fold at most. */
  readonly test: readonly number[];
  /** Features of all units `[units, C]` row-major, from what never saw the fold's test units. */
  readonly features: FloatArray;
}

/** Options of {@link classifyAcrossFolds}. */
export interface ClassificationOptions {
  /** Class of each unit. */
  readonly labels: readonly string[];
  /** What never straddles the inner folds; default every unit by itself. */
  readonly groups?: readonly string[];
  /** Labels are permuted among the units of a stratum; default: of the fold they are tested in. */
  readonly strata?: readonly (number | string)[];
  /** Penalties to choose from. Default 300, 30, 3, 0.3 on standardised features. */
  readonly penalties?: readonly number[];
  /** Folds within the training units by which the penalty is chosen. Default 3. */
  readonly innerFolds?: number;
  /** Permutations for the p-values; default 500, 0 for none. */
  readonly permutations?: number;
  /** Samples for the intervals; default 1000, 0 for none. */
  readonly bootstraps?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** A score, its 95 % interval over units, and how often chance does as well. */
export interface TestedScore {
  readonly value: number;
  /** By drawing units with replacement; null when not asked for. */
  readonly interval: readonly [number, number] | null;
  /** Null when not asked for. Of equal scores that one is larger which gave the true classes more probability. */
  readonly pValue: number | null;
}

/** How well classes are told apart. */
export interface Classification {
  /** In the order of the table. */
  readonly classes: readonly string[];
  /** `[K, K]`: row = true class, column = predicted. */
  readonly confusion: readonly (readonly number[])[];
  readonly balancedAccuracy: TestedScore;
  /**
   * Area under the ROC curve over the pairs within each fold, since scores of two classifiers do not compare; with
   * more than two classes the mean over each against all others. NaN when no fold tests two classes.
   */
  readonly auc: TestedScore;
  /** Penalty that was chosen in each fold. */
  readonly penalties: readonly number[];
}

/** Numbers of a fold in the space its training units span: all that does not depend on labels. */
interface Design {
  readonly train: readonly number[];
  readonly test: readonly number[];
  readonly columns: number;
  readonly training: Float64Array;
  readonly testing: Float64Array;
}

/** What does not change when labels are permuted. */
interface Setting {
  readonly designs: readonly Design[];
  readonly classCount: number;
  readonly groups: readonly string[];
  readonly penalties: readonly number[];
  readonly innerFolds: number;
  readonly seed: number;
}

/** Held-out answers: of each unit that was tested. */
interface Answers {
  /** `[units, K]`; NaN for units that were never tested. */
  readonly probabilities: Float64Array;
  readonly predicted: Int32Array;
  readonly penalties: readonly number[];
}

/**
 * Fits, tests, and says how often permuted labels do as well.
 *
 * @param folds At least one; their features may differ.
 * @param options See {@link ClassificationOptions}.
 * @throws {ConfigError} when a unit is trained on and tested in one fold, or tested twice, or when a training part lacks a class.
 */
export async function classifyAcrossFolds(
  folds: readonly ClassificationFold[],
  options: ClassificationOptions,
): Promise<Classification> {
  const { labels, permutations = 500, bootstraps = 1000, seed = 0 } = options;
  const names = [...new Set(labels)].sort();
  const classes = labels.map((label) => names.indexOf(label));
  requireNoLeak(folds);
  requireClasses(folds, labels, names);
  const foldOf = labels.map((_, unit) => folds.findIndex(({ test }) => test.includes(unit)));
  const setting: Setting = {
    designs: folds.map((fold) => designOf(fold, labels.length)),
    classCount: names.length,
    groups: options.groups ?? labels.map((_, unit) => String(unit)),
    penalties: (options.penalties ?? [300, 30, 3, 0.3]).toSorted((a, b) => b - a),
    innerFolds: options.innerFolds ?? 3,
    seed,
  };
  const tested = [...foldOf.keys()].filter((unit) => foldOf[unit] >= 0);
  const answers = answersFor(classes, setting);
  const scores = scoresOf(answers, classes, { tested, foldOf });
  const random = RandomStream.fromSeed(seed).split("classification");
  const chance: Scores[] = [];
  for (let index = 0; index < permutations; index++) {
    await letOthersRun();
    const drawn = random.split("permutation").split(index);
    const permuted = permuteWithin(classes, options.strata ?? foldOf, drawn);
    chance.push(scoresOf(answersFor(permuted, setting), permuted, { tested, foldOf }));
  }
  const testedScore = (key: "balancedAccuracy" | "auc"): TestedScore => ({
    value: scores[key],
    interval: bootstraps === 0 ? null : bootstrapInterval(
      tested.length,
      (drawn) => {
        const units = Array.from(drawn, (i) => tested[i]);
        return scoresOf(answers, classes, { tested: units, foldOf })[key];
      },
      { random: random.split("interval"), samples: bootstraps },
    ),
    pValue: permutations === 0 || Number.isNaN(scores[key])
      ? null
      : permutationPValue(tieBroken(scores, key), chance.map((values) => tieBroken(values, key))),
  });
  return {
    classes: names,
    confusion: scores.confusion,
    balancedAccuracy: testedScore("balancedAccuracy"),
    auc: testedScore("auc"),
    penalties: answers.penalties,
  };
}

function designOf({ train, test, features }: ClassificationFold, units: number): Design {
  const width = features.length / units;
  const rowsOf = (chosen: readonly number[]) => {
    const rows = new Float64Array(chosen.length * width);
    chosen.forEach((unit, i) =>
      rows.set(features.subarray(unit * width, (unit + 1) * width), i * width)
    );
    return rows;
  };
  const scaling = standardise(rowsOf(train), width);
  const { rank, coordinates, project } = rowSpace(scaling.apply(rowsOf(train)), width);
  return {
    train,
    test,
    columns: rank,
    training: coordinates,
    testing: project(scaling.apply(rowsOf(test))),
  };
}

type Scores = ReturnType<typeof scoresOf>;

/** Asks about every unit a classifier that was fitted without it. */
function answersFor(classes: readonly number[], setting: Setting): Answers {
  const { designs, classCount: K } = setting;
  const probabilities = new Float64Array(classes.length * K).fill(NaN);
  const predicted = new Int32Array(classes.length).fill(-1);
  const penalties = designs.map((design) => {
    const { train, test, columns, training, testing } = design;
    const known = train.map((unit) => classes[unit]);
    const penalty = choosePenalty(design, known, setting);
    const problem = { columns, classes: known, classCount: K, penalty };
    const found = logisticProbabilities(fitLogistic(training, problem), testing);
    const shares = Array.from(
      { length: K },
      (_, k) => known.filter((own) => own === k).length / known.length,
    );
    test.forEach((unit, i) => {
      const own = found.subarray(i * K, (i + 1) * K);
      probabilities.set(own, unit * K);
      // A class is not favoured for being frequent.
      for (let k = 0, most = -1; k < K; k++) {
        if (own[k] / shares[k] > most) [most, predicted[unit]] = [own[k] / shares[k], k];
      }
    });
    return penalty;
  });
  return { probabilities, predicted, penalties };
}

/** The penalty with the smallest −ln p over folds within the training units; the middle one when they cannot be divided. */
function choosePenalty(
  { train, columns, training }: Design,
  classes: readonly number[],
  { groups, classCount, penalties, innerFolds, seed }: Setting,
): number {
  const middle = penalties[Math.floor(penalties.length / 2)];
  const own = train.map((unit) => groups[unit]);
  const perClass = Array.from(
    { length: classCount },
    (_, k) => new Set(own.filter((_, i) => classes[i] === k)).size,
  );
  const k = Math.min(innerFolds, ...perClass, new Set(own).size);
  if (k < 2 || penalties.length === 1) return middle;
  const losses = new Float64Array(penalties.length);
  for (const { train: rows, test } of groupedFolds(own, k, { labels: classes.map(String), seed })) {
    const known = rows.map((row) => classes[row]);
    if (new Set(known).size < classCount) continue;
    const [fitted, asked] = [rows, test].map((chosen) => pick(training, chosen, columns));
    let start: LogisticFit | undefined;
    penalties.forEach((penalty, p) => {
      start = fitLogistic(fitted, {
        columns,
        classes: known,
        classCount,
        penalty,
        ...(start ? { start } : {}),
      });
      const found = logisticProbabilities(start, asked);
      test.forEach((row, i) => {
        losses[p] -= Math.log(Math.max(found[i * classCount + classes[row]], 1e-300));
      });
    });
  }
  return losses.every((loss) => loss === 0)
    ? middle
    : penalties[losses.indexOf(Math.min(...losses))];
}

function pick(values: Float64Array, rows: readonly number[], columns: number): Float64Array {
  const picked = new Float64Array(rows.length * columns);
  rows.forEach((row, i) =>
    picked.set(values.subarray(row * columns, (row + 1) * columns), i * columns)
  );
  return picked;
}

/**
 * Few units make few values of a score, and ties would make its p-value larger than it is: equal scores are ordered by the
 * probability that was given to the true classes.
 */
function tieBroken(scores: Scores, key: "balancedAccuracy" | "auc"): number {
  return scores[key] + 1e-9 * scores.certainty;
}

function scoresOf(
  { probabilities, predicted }: Answers,
  classes: readonly number[],
  { tested, foldOf }: { readonly tested: readonly number[]; readonly foldOf: readonly number[] },
) {
  const K = probabilities.length / classes.length;
  const confusion = confusionMatrix(
    tested.map((unit) => classes[unit]),
    tested.map((unit) => predicted[unit]),
    K,
  );
  const byFold = [...Map.groupBy(tested, (unit) => foldOf[unit]).values()];
  const areas: number[] = [];
  for (let k = K === 2 ? 1 : 0; k < K; k++) {
    let [right, pairs] = [0, 0];
    for (const units of byFold) {
      const found = orderedPairs(
        units.map((unit) => probabilities[unit * K + k]),
        units.map((unit) => classes[unit] === k),
      );
      right += found.right;
      pairs += found.pairs;
    }
    if (pairs > 0) areas.push(right / pairs);
  }
  const logarithms = tested.map((unit) => Math.log(probabilities[unit * K + classes[unit]]));
  return {
    confusion,
    /** Geometric mean of the probabilities of the true classes. */
    certainty: Math.exp(logarithms.reduce((a, b) => a + b, 0) / tested.length),
    balancedAccuracy: balancedAccuracy(confusion),
    auc: areas.reduce((a, b) => a + b, 0) / areas.length,
  };
}

/** What is tested must be new to the fold's classifier, and is tested once. */
function requireNoLeak(folds: readonly ClassificationFold[]): void {
  const seen = new Map<number, number>();
  folds.forEach(({ train, test }, fold) => {
    const both = test.find((unit) => train.includes(unit));
    const twice = test.find((unit) => seen.has(unit));
    test.forEach((unit) => seen.set(unit, fold));
    if (both === undefined && twice === undefined) return;
    throw new ConfigError(
      "folds",
      `Cannot classify across folds: unit ${both ?? twice} is ${
        both === undefined ? "tested in two folds" : `trained on and tested in fold ${fold + 1}`
      }, needs folds whose test units are new`,
    );
  });
}

function requireClasses(
  folds: readonly ClassificationFold[],
  labels: readonly string[],
  names: readonly string[],
): void {
  if (names.length < 2) {
    throw new ConfigError(
      "labels",
      `Cannot classify: found the one class "${names[0]}", needs at least two`,
    );
  }
  folds.forEach(({ train }, fold) => {
    const known = new Set(train.map((unit) => labels[unit]));
    const missing = names.find((name) => !known.has(name));
    if (missing === undefined) return;
    throw new ConfigError(
      "labels",
      `Cannot classify: nobody of "${missing}" is among those fold ${
        fold + 1
      } is fitted to, needs at least two of each ` +
        "class, in different folds",
    );
  });
}
