/**
 * Folds in which no group is divided: what belongs to one person stays on one side, since a model that has seen a person
 * is not tested on that person.
 */
import { ConfigError } from "./errors.ts";
import { checkOptions, integer, list, record, text } from "./fields.ts";
import { RandomStream } from "./random.ts";

/** Rows of the training and of the test subjects. */
export interface Split {
  /** To fit on. */
  readonly train: readonly number[];
  /** To score on. */
  readonly test: readonly number[];
}

const DOING = "Cannot split subjects";

/** Options of the grouped splits. */
export interface GroupedSplitOptions {
  /** Class of each subject; the parts get about equal shares of each. Default: all alike. */
  readonly labels?: readonly string[];
  /** Default 0. */
  readonly seed?: number;
}

/** Options there are. */
export const GROUPED_OPTIONS = record<GroupedSplitOptions>({
  seed: integer(),
  labels: list(text()),
});

/**
 * Folds in which no group is divided and every fold gets about its share of each class.
 *
 * Groups are dealt in random order, large ones first, each to the fold that has the fewest subjects of
 * the group's class, then the fewest subjects.
 *
 * @param groups Group of each subject.
 * @param k Number of folds, 2 to the number of groups.
 * @param options See {@link GroupedSplitOptions}.
 * @returns k splits, rows ascending; each subject is tested exactly once.
 * @throws {ConfigError} when there are fewer than k groups.
 */
export function groupedFolds(
  groups: readonly string[],
  k: number,
  options: GroupedSplitOptions = {},
): Split[] {
  checkOptions(options, GROUPED_OPTIONS, { doing: DOING });
  const members = gatherGroups(groups, options);
  if (k < 2) throw new ConfigError("k", `Cannot make ${k} folds, needs at least 2`);
  checkFolds(k, members.length, "groups");
  const folds = Array.from({ length: k }, () => new Part());
  for (const group of members.sort((a, b) => b.rows.length - a.rows.length)) {
    smallest(folds, group.label).add(group);
  }
  return folds.map(({ rows }) => complement(rows, groups.length));
}

/** Rows of one group. */
export interface Group {
  readonly label: string;
  readonly rows: readonly number[];
}

/** A fold being filled. */
class Part {
  readonly rows: number[] = [];
  readonly #counts = new Map<string, number>();

  add(group: Group): void {
    this.rows.push(...group.rows);
    this.#counts.set(group.label, this.count(group.label) + group.rows.length);
  }

  count(label: string): number {
    return this.#counts.get(label) ?? 0;
  }
}

function smallest(parts: readonly Part[], label: string): Part {
  return parts.reduce((best, part) => {
    const difference = part.count(label) - best.count(label) ||
      part.rows.length - best.rows.length;
    return difference < 0 ? part : best;
  });
}

/** The groups in random order. A group of mixed classes counts as a class of its own. */
export function gatherGroups(groups: readonly string[], options: GroupedSplitOptions): Group[] {
  const { labels, seed = 0 } = options;
  if (labels && labels.length !== groups.length) {
    throw new ConfigError(
      "labels",
      `Cannot split subjects: found ${labels.length} labels, needs ${groups.length}`,
    );
  }
  const rowsOf = new Map<string, number[]>();
  groups.forEach((group, row) => rowsOf.set(group, [...(rowsOf.get(group) ?? []), row]));
  const gathered = [...rowsOf.values()].map((rows) => ({
    rows,
    label: [...new Set(rows.map((row) => labels?.[row] ?? ""))].sort().join("+"),
  }));
  const order = RandomStream.fromSeed(seed).split("splits").permutation(gathered.length);
  return Array.from(order, (i) => gathered[i]);
}

/** The rows of one part, and all others. */
export function complement(test: readonly number[], n: number): Split {
  const tested = new Set(test);
  const train = Array.from({ length: n }, (_, row) => row).filter((row) => !tested.has(row));
  return { train, test: [...test].sort((a, b) => a - b) };
}

/** Refuses a number of folds that cannot be. */
export function checkFolds(k: number, most: number, what: string): void {
  if (!Number.isInteger(k) || k < 1 || k > most) {
    throw new ConfigError(
      "k",
      `Cannot make ${k} folds of ${most} ${what}: needs a whole number from 1 to ${most}`,
    );
  }
}
