/** How well rows are told apart by class: from predicted classes, or from scores. */
import { ConfigError, ShapeError } from "../base/errors.ts";

/**
 * Counts of true and predicted classes.
 *
 * @param truth True class of each row, 0 … classes − 1.
 * @param predicted Predicted class of each row.
 * @param classes K.
 * @returns `[K, K]`: row = true class, column = predicted.
 * @throws {ShapeError} when there are not as many of both.
 * @throws {ConfigError} for a class out of range.
 */
export function confusionMatrix(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): number[][] {
  requireSame(truth, predicted);
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < truth.length; i++) {
    if (counts[truth[i]]?.[predicted[i]] === undefined) {
      throw new ConfigError(
        "classes",
        `Cannot count classes: found class ${truth[i]} predicted as ${
          predicted[i]
        }, needs whole numbers from 0 to ${classes - 1}`,
      );
    }
    counts[truth[i]][predicted[i]]++;
  }
  return counts;
}

/**
 * Mean over the classes of the share of their rows that was recognised; chance is 1/K however unequal the classes are.
 *
 * @param confusion `[K, K]`, row = true class; classes without rows do not count.
 * @returns NaN without any row.
 */
export function balancedAccuracy(confusion: readonly (readonly number[])[]): number {
  let sum = 0;
  let present = 0;
  confusion.forEach((row, k) => {
    const rows = row.reduce((a, b) => a + b, 0);
    if (rows === 0) return;
    sum += row[k] / rows;
    present++;
  });
  return sum / present;
}

/** Pairs of a positive and a negative row, and how many of them the score orders rightly. */
export interface OrderedPairs {
  /** Ties count one half. */
  readonly right: number;
  readonly pairs: number;
}

/**
 * Counts the pairs that a score orders rightly: their share is the area under the ROC curve (Mann and Whitney's U).
 *
 * @param scores Larger for rows that seem positive.
 * @param positive Whether each row is.
 * @throws {ShapeError} when there are not as many of both.
 */
export function orderedPairs(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
): OrderedPairs {
  requireSame(scores, positive);
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  let right = 0;
  let negatives = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    let tiedPositives = 0;
    while (end < order.length && scores[order[end]] === scores[order[start]]) {
      if (positive[order[end++]]) tiedPositives++;
    }
    const tiedNegatives = end - start - tiedPositives;
    right += tiedPositives * (negatives + tiedNegatives / 2);
    negatives += tiedNegatives;
    start = end;
  }
  return { right, pairs: negatives * (order.length - negatives) };
}

/**
 * Area under the ROC curve: the probability that a positive row scores higher than a negative one, ties one half.
 *
 * @param scores Larger for rows that seem positive.
 * @param positive Whether each row is.
 * @returns NaN when one of the two kinds is missing.
 * @throws {ShapeError} when there are not as many of both.
 */
export function areaUnderCurve(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
): number {
  const { right, pairs } = orderedPairs(scores, positive);
  return right / pairs;
}

function requireSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): void {
  if (a.length === b.length) return;
  throw new ShapeError(
    `Cannot score classes: found ${a.length} and ${b.length} values, needs one of each for every row`,
    [a.length, b.length],
    "two lists of one length",
  );
}
