/**
 * Which files of a folder are scans, and why the others are not: a BIDS dataset, raw or derived, or any tree of folders.
 * Names decide; no file is opened.
 */
import { FormatError } from "../base/errors.ts";
import { fewOf } from "../base/lists.ts";
import { basename, join, resolve } from "../deps/node_path.ts";
import { entityPairs, parseBidsName } from "./bids.ts";
import { BIDS_ENTITIES, OTHER_SUFFIXES } from "./bids_entities.ts";
import { danglingTarget, directoryEntries } from "./openers/directory.ts";
import { personOf } from "./persons.ts";

/** Which scans of a dataset are wanted: values by entity (`task`, `space`, …), each without its name. */
export type DatasetFilters = ReadonlyMap<string, readonly string[]>;

/** A file that is not used. */
export interface LeftOut {
  readonly path: string;
  /** In words, for several files alike: "masks". */
  readonly reason: string;
}

/** What a folder holds. */
export interface Dataset {
  readonly root: string;
  /** Whether a `dataset_description.json` says that it is a BIDS dataset. */
  readonly described: boolean;
  /** Scans, in the order of their paths. */
  readonly scans: readonly string[];
  readonly leftOut: readonly LeftOut[];
  /** Scans that are links to content that is not here. */
  readonly absent: readonly string[];
}

/** Options of {@link listDataset}. */
export interface DatasetOptions {
  readonly filters?: DatasetFilters;
  /** Names that begin with it are left out; default `"norm_"`, `""` keeps all. */
  readonly skipPrefix?: string;
  /** Folders that are not looked into: runs of this program, say. */
  readonly skipFolder?: (path: string) => boolean;
}

/** Names of images, in any capitals. */
const IMAGE = /\.nii(\.gz)?$/i;
/** Folders of a dataset that hold no scans of it. */
const OTHER_FOLDERS = ["code", "derivatives", "sourcedata", "stimuli", "phenotype"];
/** Levels of folders that are looked into. */
const MOST_LEVELS = 8;

/**
 * Lists a folder. Images in the folder itself are its scans, and then its subfolders are not looked into, unless it is
 * a BIDS dataset.
 *
 * @param root Path of the folder.
 * @param options See {@link DatasetOptions}.
 * @throws {FormatError} (rule `directory.open`) when it cannot be listed.
 */
export function listDataset(root: string, options: DatasetOptions = {}): Dataset {
  const described = directoryEntries(root).some(({ name }) => name === "dataset_description.json");
  const own = imagesIn(root);
  const direct = own.some((path) => !basename(path).startsWith("._"));
  const paths = direct && !described ? own : [...own, ...imagesBelow(root, options)];
  const scans: string[] = [];
  const absent: string[] = [];
  const leftOut: LeftOut[] = [];
  for (const path of paths) {
    const reason = reasonAgainst(path, options);
    if (reason !== undefined) leftOut.push({ path, reason });
    else if (danglingTarget(path) !== undefined) absent.push(path);
    else scans.push(path);
  }
  return { root, described, scans, leftOut, absent };
}

function imagesIn(folder: string): string[] {
  return directoryEntries(folder).filter(({ name, isFolder }) => !isFolder && IMAGE.test(name))
    .map(({ name }) => joined(folder, name));
}

function imagesBelow(folder: string, options: DatasetOptions, level = 0): string[] {
  if (level > MOST_LEVELS) return [];
  return directoryEntries(folder).flatMap(({ name, isFolder }) => {
    if (!isFolder || name.startsWith(".") || OTHER_FOLDERS.includes(name)) return [];
    const path = joined(folder, name);
    if (options.skipFolder?.(path)) return [];
    return [...imagesIn(path), ...imagesBelow(path, options, level + 1)];
  });
}

function joined(folder: string, name: string): string {
  return /[\\/]$/.test(folder) ? folder + name : `${folder}/${name}`;
}

/** The reason that companions of macOS are left out for. */
export const COMPANION = "companions of macOS";

function reasonAgainst(path: string, options: DatasetOptions): string | undefined {
  const { skipPrefix = "norm_", filters } = options;
  const name = basename(path);
  if (name.startsWith("._")) return COMPANION;
  if (skipPrefix !== "" && name.startsWith(skipPrefix)) {
    return `names that begin with ${skipPrefix}`;
  }
  const pairs = new Map(entityPairs(name));
  const { suffix } = parseBidsName(name);
  if (isBidsName(pairs)) {
    if (suffix !== "bold") {
      return OTHER_SUFFIXES[suffix ?? ""] ?? `no BOLD runs (${suffix ?? "no suffix"})`;
    }
    const part = pairs.get("part");
    if (part !== undefined && part !== "mag") return `BOLD of which the part is ${part}`;
  } else if (/(^|[\\/])anat(_\d+)?[\\/][^\\/]*$/.test(path)) {
    return "anatomy";
  }
  return filters && filteredOut(path, pairs, filters);
}

/** Whether a name has entities, and none that do not exist. */
function isBidsName(pairs: ReadonlyMap<string, string>): boolean {
  return pairs.size > 0 &&
    [...pairs.keys()].every((key) => BIDS_ENTITIES.some(({ name }) => name === key));
}

function filteredOut(
  path: string,
  pairs: ReadonlyMap<string, string>,
  filters: DatasetFilters,
): string | undefined {
  const person = personOf(path);
  for (const [entity, wanted] of filters) {
    const found = pairs.get(entity) ??
      (entity === "sub" ? person.subject : entity === "ses" ? person.session : undefined);
    if (found !== undefined && wanted.some((value) => sameValue(entity, value, found))) continue;
    return `scans with ${entity}-${found ?? "(none)"}, not ${wanted.join(" or ")}`;
  }
  return undefined;
}

function sameValue(entity: string, wanted: string, found: string): boolean {
  const index = BIDS_ENTITIES.find(({ name }) => name === entity)?.format === "index";
  return index ? Number(wanted) === Number(found) : wanted === found;
}

/** Entities of which one value alone goes into a model, and the option that chooses it. */
const NEVER_MIXED = {
  space: ["spaces", "--space"],
  res: ["resolutions", "--bids-filter res=LABEL"],
  den: ["densities", "--bids-filter den=LABEL"],
  desc: ["kinds of processing", "--desc"],
  echo: ["echoes", "--bids-filter echo=N"],
  rec: ["reconstructions", "--bids-filter rec=LABEL"],
} as const;

/**
 * Refuses scans of several spaces, echoes or kinds of processing.
 *
 * @param scans Paths.
 * @param source The folder, for messages.
 * @throws {FormatError} (rule `data.mixed`) naming the values and the option that chooses one.
 */
export function refuseMixed(scans: readonly string[], source: string): void {
  for (const [entity, [noun, option]] of Object.entries(NEVER_MIXED)) {
    const values = Map.groupBy(scans, (path) => new Map(entityPairs(path)).get(entity) ?? "(none)");
    if (values.size < 2) continue;
    const found = Array.from(values, ([value, paths]) => `${value}: ${paths.length}`).join(", ");
    throw new FormatError(
      source,
      "data.mixed",
      `Cannot use the scans of "${source}" together: found several ${noun} (${found}), which are never mixed; ` +
        `choose one with ${option}`,
    );
  }
}

/**
 * What the files that are not used are, a sentence; none when all are used.
 *
 * @param dataset From {@link listDataset}.
 */
export function leftOutNotes({ root, leftOut }: Dataset): string[] {
  const kinds = [...Map.groupBy(leftOut, ({ reason }) => reason)];
  if (kinds.length === 0) return [];
  const words = kinds.map(([reason, files]) =>
    `${files.length} × ${reason} (${fewOf(files.map(({ path }) => `"${basename(path)}"`), 1)})`
  );
  return [`"${root}": left out ${words.join(", ")}.`];
}

/**
 * The error of scans whose content is not here, with the command that fetches it.
 *
 * @param absent Paths of links that lead nowhere.
 * @param source The folder, for messages.
 */
export function absentContent(absent: readonly string[], source: string): FormatError {
  const annexed = danglingTarget(absent[0])?.includes(".git/annex/objects") ?? false;
  const root = resolve(source);
  const shown = absent.slice(0, 3).map((path) =>
    resolve(path).slice(root.length + 1) || basename(path)
  );
  const command = `datalad get -d "${source}" ${
    absent.length > shown.length ? "." : shown.map((path) => `"${join(source, path)}"`).join(" ")
  }`;
  return new FormatError(
    absent[0],
    "data.absent",
    `Cannot read ${absent.length} ${absent.length === 1 ? "scan" : "scans"} of "${source}": "${
      absent[0]
    }" is a link to ` +
      (annexed
        ? `content that has not been fetched (git-annex); "${command}" fetches it`
        : "something that is not there; copy the files there") +
      ", --skip-bad goes on without them",
  );
}
