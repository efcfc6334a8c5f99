/** Thresholds on a distance that tell plausible from implausible, by the ROC curve [streamlines §8]. */
import { ConfigError } from "../base/errors.ts";

/** How a threshold is chosen. */
export type ThresholdRule = "equal-error" | "accuracy" | "youden";

/** All candidates and what each would do: what is as near or nearer counts as plausible. */
export interface RocCurve {
  /** Distinct distances, ascending. */
  readonly candidates: Float64Array;
  /** Plausible ones that are accepted. */
  readonly truePositives: Float64Array;
  /** Implausible ones that are accepted. */
  readonly falsePositives: Float64Array;
  /** Share of right decisions at each threshold. */
  readonly accuracy: Float64Array;
  /** Area under the curve: the share of pairs in which the plausible one is nearer, ties one half. */
  readonly area: number;
}

/**
 * The curve of distances whose truth is known.
 *
 * @param distances To the nearest reference.
 * @param plausible Truth.
 * @throws {ConfigError} unless there are both kinds.
 */
export function rocCurve(
  distances: ArrayLike<number>,
  plausible: ArrayLike<boolean | number>,
): RocCurve {
  const order = Array.from(distances, (_, i) => i).sort((a, b) => distances[a] - distances[b]);
  const positives = order.filter((i) => plausible[i]).length;
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) {
    throw new ConfigError(
      "plausible",
      `Cannot find a threshold: found ${positives} plausible and ${negatives} implausible streamlines, needs both`,
    );
  }
  const rows: [number, number, number, number][] = [];
  let [accepted, wrong, area] = [0, 0, 0];
  for (let i = 0; i < order.length;) {
    const distance = distances[order[i]];
    const before = { accepted, wrong };
    for (; i < order.length && distances[order[i]] === distance; i++) {
      if (plausible[order[i]]) accepted++;
      else wrong++;
    }
    area += (wrong - before.wrong) * (accepted + before.accepted) / 2;
    const right = accepted + negatives - wrong;
    rows.push([distance, accepted / positives, wrong / negatives, right / order.length]);
  }
  const column = (c: number) => Float64Array.from(rows, (row) => row[c]);
  return {
    candidates: column(0),
    truePositives: column(1),
    falsePositives: column(2),
    accuracy: column(3),
    area: area / (positives * negatives),
  };
}

/**
 * The candidate that a rule chooses; of equal ones the smallest.
 *
 * @param curve See {@link rocCurve}.
 * @param rule Where the two kinds of error are equal (default), the most are right, or TPR − FPR is largest.
 */
export function chooseThreshold(curve: RocCurve, rule: ThresholdRule = "equal-error"): number {
  const { candidates, truePositives, falsePositives, accuracy } = curve;
  const score = (i: number) =>
    rule === "accuracy"
      ? accuracy[i]
      : rule === "youden"
      ? truePositives[i] - falsePositives[i]
      : -Math.abs(truePositives[i] - (1 - falsePositives[i]));
  let best = 0;
  for (let i = 1; i < candidates.length; i++) if (score(i) > score(best) + 1e-12) best = i;
  return candidates[best];
}
