/**
 * Whether groups of persons differ: a classifier by the features of each method, always of a model that never saw the person
 * it is asked about, and fitted to the other persons of the fold.
 */
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { fewOf } from "../base/lists.ts";
import {
  type Classification,
  type ClassificationFold,
  classifyAcrossFolds,
  type TestedScore,
} from "../evaluation/classification.ts";
import { spreadOf } from "../evaluation/intervals.ts";
import { combinedPValue } from "../evaluation/permutations.ts";
import type { FinishedFold } from "./cross_validation_folder.ts";
import { show } from "./fold_scores.ts";
import type { FoldFeatures } from "./pipeline.ts";

/** How well the features of one method tell the groups apart. */
export interface GroupDifference {
  readonly method: string;
  readonly own: boolean;
  /** Mean over the repeats; intervals are of the first. */
  readonly balancedAccuracy: TestedScore;
  readonly auc: TestedScore;
  /** Of each repeat. */
  readonly repeats: readonly Classification[];
}

/** The answer, or why there is none. */
export interface GroupComparison {
  /** Persons of each group. */
  readonly groups: Readonly<Record<string, number>>;
  readonly methods: readonly GroupDifference[];
  readonly notes: readonly string[];
}

/** How to compare. */
export interface GroupComparisonOptions {
  readonly permutations: number;
  readonly seed: number;
}

/** Share of false alarms at which a difference is called one. */
const LEVEL = 0.05;

type Featured = FinishedFold & { readonly features: FoldFeatures };

/**
 * Compares the groups that the folds' features name.
 *
 * @param folds Of all repeats.
 * @param options See {@link GroupComparisonOptions}.
 * @returns Null when nobody has a group or a family has no features.
 * @throws {CheckpointError} when a person is on both sides of a fold, held out twice in a repeat, or in two groups.
 */
export async function compareGroups(
  folds: readonly FinishedFold[],
  options: GroupComparisonOptions,
): Promise<GroupComparison | null> {
  const featured = folds.filter((fold): fold is Featured => fold.features !== null);
  if (featured.length === 0) return null;
  const labels = labelsOf(featured);
  const notes: string[] = [];
  if (featured.length < folds.length) {
    notes.push(
      `${
        folds.length - featured.length
      } of ${folds.length} folds have no features, because nothing was learnt in them: ` +
        "their persons are left out.",
    );
  }
  const persons = personsIn(labels, notes);
  if (persons.length === 0) return null;
  const groups = countsOf(persons.map((person) => labels.get(person)!));
  if (Object.keys(groups).length < 2) {
    return {
      groups,
      methods: [],
      notes: [...notes, "One group only: there is nothing to compare."],
    };
  }
  const byRepeat = [...Map.groupBy(featured, ({ repeat }) => repeat).values()];
  for (const own of byRepeat) requireUnseen(own);
  const methods: GroupDifference[] = [];
  for (const { method, own } of featured[0].features.sets) {
    try {
      const repeats: Classification[] = [];
      for (const repeat of byRepeat) {
        const parts = repeat.map((fold) => partOf(fold, method, persons));
        const tests = { labels: persons.map((person) => labels.get(person)!), ...options };
        repeats.push(await classifyAcrossFolds(parts, tests));
      }
      methods.push({ method, own, repeats, ...overRepeats(repeats) });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      notes.push(`${method}: ${error.message}.`);
    }
  }
  return { groups, methods, notes };
}

/** The group of each person; of several recordings all must say the same. */
function labelsOf(folds: readonly Featured[]): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { features: { rows }, folder } of folds) {
    for (const { person, label } of rows) {
      const known = labels.get(person);
      if (known !== undefined && known !== label) {
        throw new CheckpointError(
          folder,
          `Cannot compare groups: "${person}" is in the groups "${known}" and "${label}", needs one; ` +
            "see what the names of its files say, or give --group-by",
        );
      }
      labels.set(person, label);
    }
  }
  return labels;
}

/** Persons who have a group in which they are not alone. */
function personsIn(labels: ReadonlyMap<string, string>, notes: string[]): string[] {
  const known = [...labels.keys()].filter((person) => labels.get(person) !== "").sort();
  const counts = countsOf(known.map((person) => labels.get(person)!));
  const lonely = Object.keys(counts).filter((label) => counts[label] < 2);
  if (lonely.length > 0) {
    notes.push(
      `Left out, since a group of one person can be learnt or tested, not both: ${
        fewOf(lonely, 6)
      }.`,
    );
  }
  const without = labels.size - known.length;
  if (without > 0 && known.length > 0) {
    notes.push(
      `${without} ${without === 1 ? "person has" : "persons have"} no group and are left out.`,
    );
  }
  return known.filter((person) => counts[labels.get(person)!] >= 2);
}

/**
 * A person that a model has seen is not tested with that model.
 *
 * @param folds Of one repeat.
 */
function requireUnseen(folds: readonly Featured[]): void {
  const testedIn = new Map<string, string>();
  for (const { features: { rows }, folder } of folds) {
    const sides = Map.groupBy(rows, ({ heldOut }) => heldOut);
    const trained = new Set(sides.get(false)?.map(({ person }) => person));
    for (const person of new Set(sides.get(true)?.map(({ person }) => person))) {
      const before = testedIn.get(person);
      testedIn.set(person, folder);
      if (!trained.has(person) && before === undefined) continue;
      const why = before === undefined
        ? `in "${folder}" "${person}" is trained on and held out`
        : `"${person}" is held out in "${before}" and in "${folder}"`;
      throw new CheckpointError(
        folder,
        `Cannot compare groups: ${why}, needs persons who are held out once and new to the model then; remove the folder ` +
          "and repeat the command, or see that --group-by keeps the scans of a person together",
      );
    }
  }
}

/** A fold as the classifier takes it: the mean features of each person's recordings. */
function partOf(
  { features: { rows, sets }, folder }: Featured,
  method: string,
  persons: readonly string[],
): ClassificationFold {
  const set = sets.find((set) => set.method === method);
  if (!set) {
    throw new CheckpointError(
      folder,
      `Cannot compare groups: the fold in "${folder}" has no features of ${method}; remove the folder to train it again`,
    );
  }
  const width = set.names.length;
  const features = new Float64Array(persons.length * width);
  const sides = persons.map((person, unit) => {
    const own = rows.flatMap((row, index) => row.person === person ? [index] : []);
    for (const index of own) {
      set.values[index].forEach((value, c) => {
        features[unit * width + c] += Number(value) / own.length;
      });
    }
    return own.length === 0 ? null : rows[own[0]].heldOut;
  });
  const where = (side: boolean) => sides.flatMap((own, unit) => own === side ? [unit] : []);
  return { train: where(false), test: where(true), features };
}

function overRepeats(repeats: readonly Classification[]) {
  const over = (key: "auc" | "balancedAccuracy"): TestedScore => {
    const scores = repeats.map((repeat) => repeat[key]);
    const values = scores.flatMap(({ pValue }) => pValue === null ? [] : [pValue]);
    return {
      value: spreadOf(scores.map(({ value }) => value)).mean,
      interval: scores[0].interval,
      pValue: values.length === 0 ? null : combinedPValue(values),
    };
  };
  return { auc: over("auc"), balancedAccuracy: over("balancedAccuracy") };
}

function countsOf(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels.toSorted()) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/** The answer as lines for people. */
export function groupLines({ groups, methods, notes }: GroupComparison): string[] {
  const names = Object.entries(groups).map(([name, count]) => `${count} ${name}`).join(", ");
  const width = Math.max(18, ...methods.map(({ method }) => method.length));
  const cell = ({ value, interval, pValue }: TestedScore) => {
    const range = interval ? `${interval[0].toFixed(2)}–${interval[1].toFixed(2)}` : "";
    if (Number.isNaN(value)) return "n/a".padEnd(26);
    return `${value.toFixed(2)}  ${range.padEnd(9)}  ${pValue === null ? "n/a" : pText(pValue)}`
      .padEnd(26);
  };
  const head = ["balanced accuracy, 95 %, p", "AUC, 95 %, p"].map((text) => text.padEnd(28));
  return [
    `Do the groups differ? (${names})`,
    ...methods.length === 0 ? [] : [`  ${"".padEnd(width)}  ${head.join("")}`.trimEnd()],
    ...methods.map(({ method, balancedAccuracy, auc }) =>
      `  ${method.padEnd(width)}  ${cell(balancedAccuracy)}  ${cell(auc)}`.trimEnd()
    ),
    ...methods.length === 0 ? [] : [sentence(methods)],
    ...notes.map((note) => `  Note: ${note}`),
  ];
}

function sentence(methods: readonly GroupDifference[]): string {
  const [model] = methods.filter(({ own }) => own);
  if (!model) return "";
  const tested = Number.isNaN(model.auc.value) ? model.balancedAccuracy : model.auc;
  const { pValue } = tested;
  if (pValue === null) return "  Nothing is tested (--permutations 0).";
  const answer = pValue <= LEVEL
    ? `By the model's ${model.method} the groups differ (p = ${pText(pValue)})`
    : `The model's ${model.method} show no difference of the groups (p = ${pText(pValue)})`;
  const better = methods.filter(({ own, auc }) => !own && auc.value > model.auc.value);
  return `  ${answer}${
    better.length === 0
      ? ""
      : `; the AUC of ${better.map(({ method }) => method).join(" and ")} is larger`
  }.`;
}

function pText(value: number): string {
  return value < 0.001 ? value.toExponential(0) : show(value);
}

/** The answer as tab-separated text, a line a method. */
export function groupTable({ methods }: GroupComparison): string {
  const kinds = ["balanced_accuracy", "auc"];
  const head = kinds.flatMap((kind) => [kind, `${kind}_low`, `${kind}_high`, `${kind}_p`]);
  const text = (value: number | null | undefined) =>
    value === null || value === undefined || !Number.isFinite(value) ? "n/a" : String(value);
  const lines = methods.map(({ method, balancedAccuracy, auc }) =>
    [
      method,
      ...[balancedAccuracy, auc].flatMap(({ value, interval, pValue }) =>
        [value, interval?.[0], interval?.[1], pValue].map(text)
      ),
    ].join("\t")
  );
  return [["method", ...head].join("\t"), ...lines].join("\n") + "\n";
}
