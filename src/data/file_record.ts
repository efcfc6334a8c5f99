/**
 * What a run remembers of the files it used, and how they are found again: where they were, or below
 * another folder when they have moved.
 */
import { integer, other, record } from "../base/fields.ts";
import { resolve } from "../deps/node_path.ts";
import { type Fingerprint, takeFingerprint } from "./fingerprint.ts";
import { joinPath } from "./listing.ts";
import { isThere } from "./openers/directory.ts";

/** A file as it is remembered. Records of version 0.1.0 hold the path alone, as it was typed. */
export interface FileRecord extends Partial<Fingerprint> {
  /** Absolute path. */
  readonly path: string;
}

/** What a record in a file may hold. */
export const FILE_RECORD = record<FileRecord>({
  path: other("a path", (value) => typeof value === "string" && value !== ""),
  bytes: integer({ least: 0 }),
  fingerprint: other(
    "32 hexadecimal digits",
    (value) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value),
  ),
}, ["path"]);

/** A file that was found again. */
export interface FoundFile {
  /** Where it is and what it holds now. */
  readonly record: FileRecord & Fingerprint;
  /** `unchecked`: what it held was not remembered. */
  readonly state: "same" | "changed" | "unchecked";
}

/**
 * Makes the record of a file.
 *
 * @param path Absolute, or from the current folder.
 * @throws {FormatError} when it cannot be read.
 */
export async function recordFile(path: string): Promise<FileRecord & Fingerprint> {
  return { path: resolve(path), ...await takeFingerprint(path) };
}

/**
 * Looks for the remembered files of a run.
 *
 * Below a folder, a file is looked for at every end of its remembered path, the longest first: the folder may be
 * the one that held all files, one above it, or one inside it. Where the content is another or cannot be
 * checked, only ends that keep the files apart count: those that begin in the folder common to all.
 *
 * @param records What is remembered.
 * @param folder Where to look before the remembered place. Default: only there.
 * @returns In the same order; null for a file that is nowhere.
 * @throws {FormatError} when a file is there and cannot be read.
 */
export async function findFiles(
  records: readonly FileRecord[],
  folder?: string,
): Promise<(FoundFile | null)[]> {
  const shared = commonLength(records.map(({ path }) => partsOf(path).slice(0, -1)));
  const found: (FoundFile | null)[] = [];
  for (const record of records) {
    const places = folder === undefined ? [] : placesBelow(folder, record.path);
    // A path as it was typed long ago means nothing once a folder is named.
    if (folder === undefined || record.fingerprint !== undefined) places.push(record.path);
    found.push(await firstOf(places, record, folder === undefined ? 0 : shared));
  }
  return found;
}

async function firstOf(
  places: readonly string[],
  record: FileRecord,
  shared: number,
): Promise<FoundFile | null> {
  let other: FoundFile | null = null;
  for (const [dropped, place] of places.entries()) {
    if (!isThere(place)) continue;
    const found = await recordFile(place);
    if (found.fingerprint === record.fingerprint) return { record: found, state: "same" };
    if (dropped > shared) continue;
    const state = record.fingerprint === undefined ? "unchecked" : "changed";
    other ??= { record: found, state };
  }
  return other;
}

/** Every end of a path below a folder, the longest first. */
function placesBelow(folder: string, path: string): string[] {
  const parts = partsOf(path);
  return parts.map((_, dropped) => joinPath(folder, parts.slice(dropped).join("/")));
}

function partsOf(path: string): string[] {
  const windows = /^([A-Za-z]:|\\\\)/.test(path);
  return path.split(windows ? /[\\/]/ : "/").filter((part) => part !== "" && part !== ".");
}

/** How many first parts all lists have in common. */
function commonLength(lists: readonly (readonly string[])[]): number {
  const [first = []] = lists;
  const differs = first.findIndex((part, i) => lists.some((list) => list[i] !== part));
  return differs < 0 ? first.length : differs;
}
