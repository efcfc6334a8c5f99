/** Which files of a directory are scans [recurrent-vae §2.1]. */
import { callback, checkOptions, record, text } from "../base/fields.ts";
import { namesIn } from "../deps/node_fs.ts";
import { directoryNames } from "./openers/directory.ts";

/** Names of scans. */
const SCAN = /\.nii(\.gz)?$/;

/** Options of {@link listSubjectFiles}. */
export interface ListingOptions {
  /** Names that begin with it are left out, default `"norm_"`; `""` keeps all. */
  readonly skipPrefix?: string;
  /** Receives the names of the companion files, if there are any. */
  readonly onCompanions?: (names: readonly string[]) => void;
}

/** Options there are. */
export const LISTING_OPTIONS = record<ListingOptions>({
  skipPrefix: text(),
  onCompanions: callback(),
});

/**
 * Lists the NIfTI files of a directory: names that end in `.nii` or `.nii.gz` (in lower case) and do not
 * begin with the prefix, in code-point order. Subdirectories are not looked into. The companion files that macOS
 * makes on other disks (`._NAME`) are no scans and always left out.
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
  const { skipPrefix = "norm_", onCompanions } = options;
  const images = directoryNames(directory).filter((name) => SCAN.test(name));
  const companions = images.filter((name) => name.startsWith("._"));
  if (companions.length > 0) onCompanions?.(companions);
  return images.filter((name) =>
    !name.startsWith("._") && !(skipPrefix !== "" && name.startsWith(skipPrefix))
  );
}

/** Why a directory lists no scans. */
export interface EmptyListing {
  /** How many entries it has. */
  readonly entries: number;
  /** NIfTI files that were left out because of the prefix. */
  readonly skipped: readonly string[];
  /** Names that would be scans if they ended in lower case, and headers of `.hdr`/`.img` pairs. */
  readonly nearly: readonly string[];
  /** A directory below it that has NIfTI files, as a path; null when none was found. */
  readonly below: string | null;
}

/** Entries that are looked into to name where scans are. */
const MOST_LOOKS = 2000;

/**
 * Looks at a directory in which `listSubjectFiles` finds nothing, to say why.
 *
 * @param directory Path.
 * @throws {FormatError} (rule `directory.open`) when there is no such directory.
 */
export function explainEmptyListing(directory: string): EmptyListing {
  const names = directoryNames(directory);
  return {
    entries: names.length,
    skipped: names.filter((name) => SCAN.test(name)),
    nearly: names.filter((name) => /\.(nii|hdr)(\.gz)?$/i.test(name) && !SCAN.test(name)),
    below: firstWithScans(directory),
  };
}

/** Breadth first, so that the nearest one is named. */
function firstWithScans(directory: string): string | null {
  const waiting = [directory];
  for (let looks = 0; looks < Math.min(waiting.length, MOST_LOOKS); looks++) {
    const names = namesIn(waiting[looks]);
    if (looks > 0 && names.some((name) => SCAN.test(name))) return waiting[looks];
    waiting.push(
      ...names.filter((name) => !/^\.|\.\w{2,5}$/.test(name)).map((name) =>
        joinPath(waiting[looks], name)
      ),
    );
  }
  return null;
}

/** A directory and a name as one path. */
export function joinPath(directory: string, name: string): string {
  return /[\\/]$/.test(directory) ? directory + name : `${directory}/${name}`;
}
