/** What is legal in data and should be known before anything is computed from them. */
import { say } from "../terminal.ts";
import type { Cohort } from "../../data/cohort.ts";
import type { FileRecord } from "../../data/file_record.ts";

/**
 * Prints what the user should know about the data before anything is computed from them.
 *
 * @param notes Sentences.
 */
export function printNotes(notes: readonly string[]): void {
  for (const note of notes) say(`Note: ${note}`);
}

/** Scans with copies that notes name. */
const SHOWN_COPIES = 3;

/**
 * Says which scans are there twice, under two names.
 *
 * @param scans With their fingerprints.
 */
export function copies(scans: readonly FileRecord[]): string[] {
  const harm = "held out beside training it would flatter the scores, leave";
  const same = [...Map.groupBy(scans, ({ fingerprint }) => fingerprint).values()]
    .filter(({ length }) => length > 1);
  const notes = same.slice(0, SHOWN_COPIES).map(([one, other, ...more]) =>
    more.length === 0
      ? `"${one.path}" and "${other.path}" are the same scan; ${harm} one out.`
      : `"${one.path}", "${other.path}" and ${more.length} more are the same scan; ${harm} all but one out.`
  );
  const others = same.length - notes.length;
  if (others > 0) notes.push(`${others} more scans are there several times; leave the copies out.`);
  return notes;
}

/**
 * Says which scans have more frames than are used.
 *
 * @param cohort Any.
 * @param reason Why, if it is neither the shortest scan nor the program's limit.
 */
export function droppedFrames({ subjects, frames }: Cohort, reason?: string): string[] {
  const known = subjects.flatMap(({ id, frames }) => frames === undefined ? [] : [{ id, frames }]);
  const longer = known.filter((scan) => scan.frames > frames);
  if (longer.length === 0) return [];
  const most = Math.max(...longer.map((scan) => scan.frames));
  const equal = longer.every((scan) => scan.frames === most);
  const of = longer.length === 1
    ? `"${longer[0].id}"`
    : longer.length === subjects.length
    ? "every scan"
    : `${longer.length} of the ${subjects.length} scans, such as "${longer[0].id}"`;
  const shortest = known.reduce((least, scan) => scan.frames < least.frames ? scan : least);
  const why = reason ??
    (shortest.frames > frames
      ? `; --tol-time ${shortest.frames} uses more`
      : `, as many as "${shortest.id}" has; leave it out to use more`);
  return [`${frames} of ${equal ? "" : "up to "}${most} frames are used of ${of}${why}.`];
}
