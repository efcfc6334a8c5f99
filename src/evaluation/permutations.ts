/** Tests by permutation: how often chance alone does as well. */
import type { RandomStream } from "../base/random.ts";

/**
 * Share of chance results that are at least as large as what was found, which counts as one of them, so that it is never 0.
 *
 * @param found The result with the true labels.
 * @param chance Results with permuted labels; NaN counts as larger.
 */
export function permutationPValue(found: number, chance: ArrayLike<number>): number {
  let atLeast = 1;
  // Sums of the same terms in another order may differ by rounding.
  const least = found - 1e-14 * Math.max(1, Math.abs(found));
  for (let i = 0; i < chance.length; i++) if (!(chance[i] < least)) atLeast++;
  return atLeast / (chance.length + 1);
}

/**
 * Permutes labels among the units of each stratum. One unit is what is exchangeable: a person, not a scan. Within the folds
 * of a cross-validation whose folds were stratified by label this is exact; across them it is not, since
 * every fold would no longer have its share of each label.
 *
 * @param labels Of each unit.
 * @param strata Of each unit.
 * @param random Draws the order.
 */
export function permuteWithin<T>(
  labels: readonly T[],
  strata: readonly (number | string)[],
  random: RandomStream,
): T[] {
  const permuted = labels.slice();
  const members = Map.groupBy(labels.keys(), (unit) => strata[unit]);
  for (const units of members.values()) {
    random.permutation(units.length).forEach((from, to) =>
      permuted[units[to]] = labels[units[from]]
    );
  }
  return permuted;
}

/**
 * One p-value for several analyses of the same units that depend on each other in an unknown way: twice the median, at
 * most 1 (Meinshausen, Meier and Bühlmann 2009).
 *
 * @param values At least one.
 */
export function combinedPValue(values: readonly number[]): number {
  if (values.length === 1) return values[0];
  const sorted = values.toSorted((a, b) => a - b);
  return Math.min(1, 2 * sorted[Math.ceil(sorted.length / 2) - 1]);
}
