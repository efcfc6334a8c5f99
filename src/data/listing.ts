/** Which files of a directory are scans (spec 2.1). */
import { checkOptions, record, text } from "../base/fields.ts";
import { directoryNames } from "./openers/directory.ts";

/** Options of {@link listSubjectFiles}. */
export interface ListingOptions {
  /** Names that begin with it are left out, default `"norm_"`; `""` keeps all. */
  readonly skipPrefix?: string;
}

/** Options there are. */
export const LISTING_OPTIONS = record<ListingOptions>({ skipPrefix: text() });

/**
 * Lists the NIfTI files of a directory: names that end in `.nii` or `.nii.gz` (in lower case) and do not
 * begin with the prefix, in code-point order. Subdirectories are not looked into.
 *
 * @param directory Path.
 * @param options See {@link ListingOptions}.
 * @returns Names, not paths.
 * @throws {FormatError} (rule `directory.open`) when there is no such directory.
 */
export function listSubjectFiles(
  directory: string,
  options: ListingOptions = {},
): string[] {
  checkOptions(options, LISTING_OPTIONS, { doing: "Cannot list scans" });
  const { skipPrefix = "norm_" } = options;
  return directoryNames(directory).filter((name) =>
    /\.nii(\.gz)?$/.test(name) && !(skipPrefix !== "" && name.startsWith(skipPrefix))
  );
}

/** A directory and a name as one path. */
export function joinPath(directory: string, name: string): string {
  return /[\\/]$/.test(directory) ? directory + name : `${directory}/${name}`;
}
