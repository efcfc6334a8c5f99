/** Options of `crossvalidate`: those of the family's train that do not say what is held out, and its own. */
import { CHANGEABLE_RUN_OPTIONS, type RunValues } from "./run_options.ts";
import { type Option, UsageError, type Values } from "./option_table.ts";
import type { Pipeline } from "./pipeline.ts";

const GROUP = "Folds";
const GROUPS = "Do the groups differ?";

const OWN_OPTIONS = [
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder to write; the same command goes on with what is in it",
    group: GROUP,
  },
  {
    name: "folds",
    kind: "integer",
    min: 2,
    value: "K",
    help: "Parts into which the persons are divided; each is held out once",
    otherwise: "4",
    group: GROUP,
  },
  {
    name: "repeat",
    kind: "integer",
    min: 1,
    value: "R",
    help: "Divide R times, with other parts and other starting weights each time",
    otherwise: "1",
    group: GROUP,
  },
  {
    name: "labels",
    kind: "text",
    value: "FILE",
    help:
      "Table of persons and their groups, such as participants.tsv; the first column names the person",
    group: GROUPS,
  },
  {
    name: "group-column",
    kind: "text",
    value: "NAME",
    help: "Column of --labels that holds the group",
    otherwise: "group, else the second",
    group: GROUPS,
  },
  {
    name: "permutations",
    kind: "integer",
    value: "N",
    help: "Permutations of the labels for the p-values; 0 leaves the question out",
    otherwise: "500",
    group: GROUPS,
  },
] as const satisfies readonly Option[];

/** Options of train that mean something else here, or nothing. */
const TRAIN_ALONE = ["out", "force", "resume"];

/** Options that change how folds are run, not what comes out, and may differ when a cross-validation goes on. */
const HOW = new Set([...CHANGEABLE_RUN_OPTIONS, "out", "permutations", "memory", "help", "debug"]);

/** Values of the options that every family has here. */
export type CrossValidationValues =
  & Values<typeof OWN_OPTIONS>
  & Omit<RunValues, "out" | "force" | "resume">
  & Readonly<Record<string, unknown>>;

/**
 * The table of a family.
 *
 * @param pipeline With a `crossValidation`.
 */
export function crossValidationOptions({ train, crossValidation }: Pipeline): Option[] {
  const left = [
    ...TRAIN_ALONE,
    ...crossValidation!.reserved,
    ...OWN_OPTIONS.map(({ name }) => name),
  ];
  const wanted = train.options.filter(({ name }) => !left.includes(name));
  return [...OWN_OPTIONS, ...wanted];
}

/** What a cross-validation is determined by, as plain data. */
export interface CrossValidationSettings {
  readonly family: string;
  readonly folds: number;
  readonly repeats: number;
  /** Data as typed. */
  readonly files: readonly string[];
  /** Options as typed, without those that change nothing in the results. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Groups of persons, of `--labels`; null without. */
  readonly labels: Readonly<Record<string, string>> | null;
}

/**
 * Gathers the settings.
 *
 * @param pipeline The family.
 * @param typed Options and files.
 * @param labels Of `--labels`.
 */
export function crossValidationSettings(
  { family }: Pipeline,
  typed: { readonly values: CrossValidationValues; readonly files: readonly string[] },
  labels: CrossValidationSettings["labels"],
): CrossValidationSettings {
  const { folds = 4, repeat: repeats = 1, labels: _file, ...values } = typed.values;
  const given = Object.entries(values).filter(([name, value]) =>
    !HOW.has(name) && value !== undefined && value !== false &&
    !(Array.isArray(value) && value.length === 0)
  );
  return {
    family,
    folds,
    repeats,
    files: typed.files,
    options: Object.fromEntries(given.toSorted(([a], [b]) => a < b ? -1 : 1)),
    labels,
  };
}

/**
 * Refuses to go on with other settings.
 *
 * @param folder Of the cross-validation.
 * @param saved What it was begun with.
 * @param wanted What was typed now.
 * @throws {UsageError} naming what differs.
 */
export function requireSameSettings(
  folder: string,
  saved: CrossValidationSettings,
  wanted: CrossValidationSettings,
): void {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const names = new Set([...Object.keys(saved.options), ...Object.keys(wanted.options)]);
  const differing = [
    ...saved.family === wanted.family ? [] : ["the family"],
    ...saved.folds === wanted.folds ? [] : ["--folds"],
    ...saved.repeats <= wanted.repeats ? [] : ["--repeat"],
    ...same(saved.files, wanted.files) ? [] : ["the data"],
    ...same(saved.labels, wanted.labels) ? [] : ["the groups of --labels"],
    ...[...names].filter((name) => !same(saved.options[name], wanted.options[name]))
      .map((name) => `--${name}`),
  ];
  if (differing.length === 0) return;
  throw new UsageError(
    `"${folder}" holds a cross-validation with other settings: ${differing.join(", ")} ${
      differing.length === 1 ? "differs" : "differ"
    }; repeat the command it was begun with (crossvalidation.json has its ` +
      "settings), or name another folder with --out",
  );
}
