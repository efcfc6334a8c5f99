/** What a person should know about the scans before anything is computed from them. */
import { FormatError } from "../../base/errors.ts";
import type { DataLoader } from "../../data/loader.ts";
import { isRunKind } from "../../data/normalization.ts";
import { constantVoxels } from "../../data/run_scaling.ts";

/** Scans that a note lists. */
const SHOWN_SCANS = 3;

/**
 * Notes about scans that are legal and yet hardly meant: of one value, without time, with an odd header.
 * A note that holds for several scans is made once.
 *
 * @param loaders Of one cohort.
 */
export function scanNotes(loaders: readonly DataLoader[]): string[] {
  const scans = loaders.flatMap(({ cohort, statistics, remarks }) =>
    cohort.subjects.map(({ id, remarks: found = [] }, row) => ({
      id,
      ...statistics[row],
      remarks: [...found, ...remarks[row]],
    }))
  );
  const constant = scans.filter(({ min, max }) => min === max);
  const notes = constant.slice(0, SHOWN_SCANS).map(({ id, min }) =>
    `"${id}" has one value everywhere (${min}); check the file.`
  );
  const more = constant.length - notes.length;
  if (more > 0) notes.push(`${more} more scans have one value everywhere; check the files.`);
  if (loaders.some(({ frames }) => frames === 1)) {
    notes.push("One frame a scan: there is nothing to learn about time.");
  }
  return [...notes, ...summarised(scans)];
}

/**
 * Says how a mask was found where none was given, and how many of its voxels are constant in some run.
 *
 * @param train The scans to train on.
 */
export function maskNotes({ normalization, scalings }: DataLoader): string[] {
  if (!isRunKind(normalization)) return [];
  const { inside, from } = normalization.mask;
  const count = `${inside.reduce((sum, value) => sum + value, 0)} of ${inside.length} voxels`;
  const rule = from === "mean image"
    ? [
      `No mask given: ${count} are used, those whose mean exceeds a fifth of the mean image's 98th percentile. ` +
      "--mask FILE names one.",
    ]
    : from === "varying voxels"
    ? [
      `No mask given, and the data are centred already: ${count} are used, those that vary. --mask FILE names one.`,
    ]
    : [];
  const constant = Math.max(
    ...scalings.map((scaling) => scaling.kind === "run-trend" ? constantVoxels(scaling) : 0),
  );
  return constant === 0 ? rule : [
    ...rule,
    `Up to ${constant} voxels inside the mask are constant in a run; they are 0 there.`,
  ];
}

/**
 * Refuses training scans that are all of one value each: there is nothing in them to learn.
 *
 * @param train The scans to train on.
 * @throws {FormatError} (rule `data.constant`) naming the first.
 */
export function requireContrast({ cohort: { subjects: [{ id }] }, statistics }: DataLoader): void {
  if (statistics.some(({ min, max }) => min < max)) return;
  throw new FormatError(
    id,
    "data.constant",
    `Cannot train: each of the ${statistics.length} training scans has one value everywhere (${
      statistics[0].min
    } in "${id}"); needs scans with contrast, check the files`,
  );
}

/** The remarks about the files, those that differ in their numbers only as one. */
function summarised(
  scans: readonly { readonly id: string; readonly remarks: readonly string[] }[],
): string[] {
  const kinds = new Map<string, { readonly text: string; readonly ids: string[] }>();
  for (const { id, remarks } of scans) {
    for (const text of remarks) {
      const kind = text.replace(/\d[\d.]*/g, "#");
      const known = kinds.get(kind);
      if (known) known.ids.push(id);
      else kinds.set(kind, { text, ids: [id] });
    }
  }
  return Array.from(
    kinds.values(),
    ({ text, ids }) =>
      ids.length === 1
        ? `"${ids[0]}": ${text}`
        : ids.length === scans.length
        ? `All ${ids.length} scans ("${ids[0]}", …): ${text}`
        : `${ids.length} scans ("${ids[0]}", …): ${text}`,
  );
}
