/** The scans that a command line names: files, and folders that hold some. Whatever names none is refused. */
import { FormatError } from "../../base/errors.ts";
import type { LabelledFile } from "../../data/cohort.ts";
import { explainEmptyListing, joinPath, listSubjectFiles } from "../../data/listing.ts";
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
 * @throws {UsageError} for a `--group` without a name.
 * @throws {FormatError} for a path that is not there, and for every folder without scans.
 */
export function listNamedScans(values: ScanArguments, files: readonly string[]): LabelledFile[] {
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
  return named.flatMap((one) => scansOf(one, values["skip-prefix"]));
}

function scansOf(named: Named, skipPrefix: string | undefined): LabelledFile[] {
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
  const names = listSubjectFiles(path, {
    onCompanions: (names) => noteCompanions(path, names),
    ...(skipPrefix === undefined ? {} : { skipPrefix }),
  });
  if (names.length === 0) throw noScans(named);
  return names.map((name) => ({ path: joinPath(path, name), ...labelled }));
}

function noteCompanions(folder: string, names: readonly string[]): void {
  printNotes([
    `"${folder}": left out ${names.length} companion ${
      names.length === 1 ? "file" : "files"
    } of macOS ("${names[0]}"${names.length > 1 ? ", …" : ""}), which are no scans.`,
  ]);
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

function noScans(named: Named): FormatError {
  const { entries, skipped, nearly, below } = explainEmptyListing(named.path);
  if (skipped.length > 0) {
    return refusal(
      named,
      `its NIfTI files ("${skipped[0]}") begin with the prefix that is left out`,
      "name them one by one, or give another --skip-prefix",
    );
  }
  if (nearly.length > 0) {
    const what = "none of its files ends in .nii or .nii.gz in lower case";
    return refusal(named, `${what} ("${nearly[0]}" is there)`, "name such files one by one");
  }
  if (below !== null) {
    return refusal(
      named,
      "it holds no .nii or .nii.gz files itself, and its subfolders are not looked into",
      `name the folders that hold scans, such as "${below}"`,
    );
  }
  const found = entries === 0
    ? "it is empty"
    : `none of its ${entries} entries is a .nii or .nii.gz file`;
  return refusal(named, found, "needs a folder that holds scans");
}

function refusal({ option, path }: Named, found: string, needs: string): FormatError {
  const given = option === "" ? `"${path}"` : `${option} "${path}"`;
  return new FormatError(path, "data.empty", `Cannot read scans from ${given}: ${found}; ${needs}`);
}
