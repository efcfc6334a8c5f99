/** The scans that a command line names: files, and folders that hold some. Whatever names none is refused. */
import { FormatError } from "../../base/errors.ts";
import type { LabelledFile } from "../../data/cohort.ts";
import { fewOf } from "../../base/lists.ts";
import {
  absentContent,
  COMPANION,
  type Dataset,
  type DatasetFilters,
  leftOutNotes,
  listDataset,
  refuseMixed,
} from "../../data/dataset.ts";
import { explainEmptyListing } from "../../data/listing.ts";
import { basename } from "../../deps/node_path.ts";
import { printNotes } from "./data_notes.ts";
import { isTaken, kindOf } from "../../files/whats_there.ts";
import { isRun } from "../run_argument.ts";
import { UsageError } from "../option_table.ts";

/** The options that name scans. */
export interface ScanArguments {
  readonly cn: readonly string[];
  readonly ad: readonly string[];
  readonly group: readonly string[];
  readonly data: readonly string[];
  readonly "skip-prefix": string | undefined;
  readonly "skip-bad"?: boolean;
}

/** One folder or file as it was given. */
interface Named {
  /** The option, as the user wrote it; `""` for a positional argument. */
  readonly option: string;
  readonly path: string;
  readonly label?: string;
}

/**
 * Lists the scans in the order of the options CN, AD, other groups, ungrouped ones.
 *
 * @param values Parsed options.
 * @param files Positional arguments.
 * @param filters Which scans of folders.
 * @throws {UsageError} for a `--group` without a name.
 * @throws {FormatError} for a path that is not there, and for every folder without scans.
 */
export function listNamedScans(
  values: ScanArguments,
  files: readonly string[],
  filters: DatasetFilters = new Map(),
): LabelledFile[] {
  const groups = values.group.map((text) => {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--group is "${text}", needs NAME=DIR`);
    }
    return { option: "--group", label: text.slice(0, at), path: text.slice(at + 1) };
  });
  const named: Named[] = [
    ...values.cn.map((path) => ({ option: "--cn", label: "CN", path })),
    ...values.ad.map((path) => ({ option: "--ad", label: "AD", path })),
    ...groups,
    ...values.data.map((path) => ({ option: "--data", path })),
    ...files.map((path) => ({ option: "", path })),
  ];
  const scans = named.flatMap((one) => scansOf(one, values, filters));
  if (filters.size > 0 && scans.length > 0 && named.every(({ path }) => kindOf(path) === "file")) {
    throw new UsageError(
      "options that choose scans go with folders; the files are named one by one",
    );
  }
  return scans;
}

function scansOf(named: Named, values: ScanArguments, filters: DatasetFilters): LabelledFile[] {
  const { "skip-prefix": skipPrefix, "skip-bad": skipBad = false } = values;
  const { path, label } = named;
  const labelled = label === undefined ? {} : { label };
  if (!isFolder(named)) {
    if (label === undefined) return [{ path }];
    throw refusal(named, "it is a file", "needs the folder that holds the files of the group");
  }
  if (isRun(path)) {
    throw refusal(
      named,
      "it is a run, which holds no scans",
      `recvae train --resume ${path} goes on with it, recvae evaluate ${path} scores it`,
    );
  }
  const dataset = listDataset(path, {
    filters,
    skipFolder: isRun,
    ...(skipPrefix === undefined ? {} : { skipPrefix }),
  });
  const { scans, absent } = dataset;
  if (absent.length > 0 && !skipBad) throw absentContent(absent, path);
  if (scans.length === 0) throw noScans(named, dataset);
  refuseMixed(scans, path);
  noteLeftOut(dataset);
  return scans.map((scan) => ({ path: scan, ...labelled }));
}

/** Says what is not used; companions of macOS in words of their own. */
function noteLeftOut(dataset: Dataset): void {
  const { root, leftOut, absent } = dataset;
  const companions = leftOut.filter(({ reason }) => reason === COMPANION);
  const others = leftOut.filter(({ reason }) => reason !== COMPANION);
  const absentFiles = absent.map((path) => ({ path, reason: "links to content that is not here" }));
  const notes = leftOutNotes({ ...dataset, leftOut: [...others, ...absentFiles] });
  if (companions.length > 0) {
    notes.push(
      `"${root}": left out ${companions.length} companion ${
        companions.length === 1 ? "file" : "files"
      } of macOS ("${basename(companions[0].path)}"${
        companions.length > 1 ? ", …" : ""
      }), which are no scans.`,
    );
  }
  printNotes(notes);
}

function isFolder(named: Named): boolean {
  const kind = kindOf(named.path);
  if (kind === "below a file") {
    throw refusal(named, "a part of the path is a file", "check the path");
  }
  if (kind === "nothing") throw refusal(named, ...nothingThere(named.path));
  return kind === "folder";
}

/** What is wrong with a path that leads nowhere, and what helps. */
function nothingThere(path: string): [found: string, needs: string] {
  if (path.includes("\uFFFD")) {
    return ["its name is not UTF-8 text, so that it cannot be opened", "rename it"];
  }
  if (isTaken(path)) {
    return [
      "it is a link to something that is not there",
      "copy the file there or name the file itself",
    ];
  }
  if (!/[*?[{]/.test(path)) return ["there is no such file or folder", "check the path"];
  return [
    "no file matches the pattern (the shell hands a pattern on as it is when nothing matches)",
    "check folder and ending",
  ];
}

function noScans(named: Named, dataset: Dataset): FormatError {
  const { entries, skipped, nearly } = explainEmptyListing(named.path);
  const { leftOut, absent } = dataset;
  const all = [...leftOut.map(({ path }) => path), ...absent];
  const prefixed = leftOut.every(({ reason }) => reason.startsWith("names that begin"));
  if (skipped.length > 0 && prefixed && absent.length === 0) {
    return refusal(
      named,
      `its NIfTI files ("${skipped[0]}") begin with the prefix that is left out`,
      "name them one by one, or give another --skip-prefix",
    );
  }
  if (all.length > 0) {
    const reasons = [...new Set(leftOut.map(({ reason }) => reason))]
      .concat(absent.length > 0 ? ["links to content that is not here"] : []);
    return refusal(
      named,
      `none of its ${all.length} images is taken for a scan: ${fewOf(reasons, 5)}`,
      "name other files, or choose others with --task, --space, --desc and their like",
    );
  }
  if (nearly.length > 0) {
    const what = "its images are halves of .hdr/.img pairs";
    return refusal(named, `${what} ("${nearly[0]}")`, "name such files one by one");
  }
  const found = entries === 0
    ? "it is empty"
    : `none of its ${entries} entries is a .nii or .nii.gz file, and none below it`;
  return refusal(named, found, "needs a folder that holds scans");
}

function refusal({ option, path }: Named, found: string, needs: string): FormatError {
  const given = option === "" ? `"${path}"` : `${option} "${path}"`;
  return new FormatError(path, "data.empty", `Cannot read scans from ${given}: ${found}; ${needs}`);
}
