/** Which files of a command line are tables of parcels. */
import { joinPath } from "../../data/listing.ts";
import { directoryNames } from "../../data/openers/directory.ts";
import { kindOf } from "../../files/whats_there.ts";
import { UsageError } from "../option_table.ts";

const TABLE = /\.(txt|tsv|csv)(\.gz)?$/;

/** Tables of BIDS that are none of parcels. */
const OTHER =
  /_(events|channels|scans|sessions|physio|stim|confounds|timeseries_confounds)\.|desc-confounds_/;

/** Tables, and what was left out of folders. */
export interface TableFiles {
  readonly files: readonly string[];
  /** A sentence for every folder of which something was left out. */
  readonly notes: readonly string[];
}

/**
 * Files as they are named, and the tables of folders in order of their names: where some are called `sub-…`, those
 * alone, without events, confounds and the like.
 *
 * @param given Files and folders.
 * @throws {UsageError} when there is no table.
 */
export function findTables(given: readonly string[]): TableFiles {
  const parts = given.map((path) =>
    kindOf(path) === "folder" ? tablesOf(path) : { files: [path], notes: [] }
  );
  const files = parts.flatMap((part) => part.files);
  if (files.length > 0) return { files, notes: parts.flatMap(({ notes }) => notes) };
  throw new UsageError(
    "train brain-sequence needs tables of parcels over time: name files, or a folder that has them",
  );
}

function tablesOf(folder: string): TableFiles {
  const names = directoryNames(folder).filter((name) => TABLE.test(name) && !name.startsWith("."));
  const ofSubjects = names.filter((name) => name.startsWith("sub-") && !OTHER.test(name));
  const kept = ofSubjects.length > 0 ? ofSubjects : names.filter((name) => !OTHER.test(name));
  if (kept.length === 0) {
    throw new UsageError(
      `"${folder}" has no table (.txt, .tsv, .csv, also with .gz); name the files, or a folder that has them`,
    );
  }
  const left = names.filter((name) => !kept.includes(name));
  return {
    files: kept.map((name) => joinPath(folder, name)),
    notes: left.length === 0
      ? []
      : [`Left out of "${folder}", since they are no runs of subjects: ${inWords(left)}.`],
  };
}

function inWords(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
