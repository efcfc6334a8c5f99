/**
 * Dividing subjects into training and test parts. Scans of one group (a person, usually) always stay on
 * one side, since a model that has seen a person is not tested on that person.
 */
import { ConfigError } from "../base/errors.ts";
import { checkOptions, integer, number, record } from "../base/fields.ts";
import {
  checkFolds,
  complement,
  gatherGroups,
  GROUPED_OPTIONS,
  groupedFolds,
  type GroupedSplitOptions,
  type Split,
} from "../base/grouped_folds.ts";
import { pythonShuffle } from "../base/torch_random.ts";

export { groupedFolds, type GroupedSplitOptions, type Split };

const DOING = "Cannot split subjects";
const SEED_OPTION = record<{ readonly seed?: number }>({ seed: integer() });

/**
 * The original's folds [recurrent-vae §6.3]: rows shuffled by Python's generator, cut into k consecutive parts, the
 * first n mod k of them one larger. Neither stratified nor grouped.
 *
 * @param n Number of subjects, at least 1.
 * @param k Number of folds, 1 to n; 1 trains on nothing.
 * @param options `seed` of Python's generator, default 0.
 * @returns k splits; the training rows in shuffled order.
 * @throws {ConfigError} for n ≤ 0 or k outside 1 … n.
 */
export function splitSubjects(
  n: number,
  k: number,
  options: { readonly seed?: number } = {},
): Split[] {
  checkOptions(options, SEED_OPTION, { doing: DOING });
  if (!Number.isInteger(n) || n <= 0) {
    throw new ConfigError("n", `Cannot split subjects: found n = ${n}, needs at least 1`);
  }
  checkFolds(k, n, "subjects");
  const order = [...pythonShuffle(n, options.seed ?? 0)];
  let start = 0;
  return Array.from({ length: k }, (_, fold) => {
    const end = start + Math.floor(n / k) + (fold < n % k ? 1 : 0);
    const test = order.slice(start, end);
    const train = [...order.slice(0, start), ...order.slice(end)];
    start = end;
    return { train, test };
  });
}

/**
 * Folds with about equal shares of each class, for cohorts with one scan a person.
 *
 * @param labels Class of each subject.
 * @param k Number of folds.
 * @param options `seed`.
 * @throws {ConfigError} when there are fewer than k subjects.
 */
export function stratifiedFolds(
  labels: readonly string[],
  k: number,
  options: { readonly seed?: number } = {},
): Split[] {
  checkOptions(options, SEED_OPTION, { doing: DOING });
  return groupedFolds(labels.map((_, row) => String(row)), k, { ...options, labels });
}

/** Options of {@link trainTestSplit}. */
export interface TrainTestOptions extends GroupedSplitOptions {
  /** Share of the groups of each class to test, between 0 and 1; default 0.25. */
  readonly testFraction?: number;
}

const TRAIN_TEST_OPTIONS = record<TrainTestOptions>({
  ...GROUPED_OPTIONS.fields,
  testFraction: number({ above: 0, below: 1 }),
});

/**
 * One split into a training and a test part, no group divided, every class with groups on both sides where
 * it has at least two.
 *
 * @param groups Group of each subject.
 * @param options See {@link TrainTestOptions}.
 * @returns Rows ascending; both parts have at least one subject.
 * @throws {ConfigError} when there is only one group, or the fraction is not between 0 and 1.
 */
export function trainTestSplit(
  groups: readonly string[],
  options: TrainTestOptions = {},
): Split {
  checkOptions(options, TRAIN_TEST_OPTIONS, { doing: DOING });
  const { testFraction = 0.25 } = options;
  const members = gatherGroups(groups, options);
  if (members.length < 2) {
    throw new ConfigError(
      "groups",
      `Cannot split subjects: found one group ("${
        groups[0] ?? ""
      }"), needs at least two; group by ` +
        `"scan" to split the scans of one person`,
    );
  }
  const test: number[] = [];
  for (const label of new Set(members.map((group) => group.label))) {
    const stratum = members.filter((group) => group.label === label);
    const wanted = Math.round(testFraction * stratum.length);
    const least = stratum.length > 1 ? 1 : 0;
    const count = Math.min(Math.max(wanted, least), Math.max(stratum.length - 1, 0));
    for (const group of stratum.slice(0, count)) test.push(...group.rows);
  }
  // Classes of one group each: none of them was divided, so the first goes to the test part.
  if (test.length === 0) test.push(...members[0].rows);
  return complement(test, groups.length);
}
