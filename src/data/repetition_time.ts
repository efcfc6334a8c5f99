/** Seconds between the frames of a scan: what its metadata say, then its header; contradictions and odd values are said. */
import type { NiftiHeader } from "../formats/nifti_header.ts";
import { Sidecars } from "./sidecars.ts";

/** Repetition times that are believed without a word, in seconds. */
const USUAL = { least: 0.1, most: 20 };

/** By how much two repetition times may differ, in parts, and still be one: headers round to float32. */
export const TIME_TOLERANCE = 1e-3;

/** A repetition time and what should be known about it. */
export interface FoundTime {
  /** Null when nobody says. */
  readonly seconds: number | null;
  /** Sentences for a person. */
  readonly remarks: readonly string[];
}

/**
 * Whether two repetition times are the same.
 *
 * @param a Seconds.
 * @param b Seconds.
 */
export function sameTime(a: number, b: number): boolean {
  return Math.abs(a - b) <= TIME_TOLERANCE * Math.max(a, b);
}

/**
 * The repetition time of a scan. A JSON file of the dataset wins over the header, as BIDS has it.
 *
 * @param path Path of the scan.
 * @param header What its header says.
 * @param sidecars Of the dataset.
 */
export function repetitionTimeOf(
  path: string,
  header: Pick<NiftiHeader, "repetitionTime" | "frames">,
  sidecars: Sidecars = new Sidecars(),
): FoundTime {
  const stored = header.repetitionTime;
  const field = header.frames > 1 ? sidecars.field(path, "RepetitionTime") : undefined;
  const remarks: string[] = [];
  let seconds = stored;
  if (field && isTime(field.value)) {
    seconds = field.value;
    if (stored !== null && !sameTime(stored, seconds)) {
      remarks.push(
        `The header says ${stored} s between frames, "${field.from}" ${seconds} s: ${seconds} s is used.`,
      );
    }
  } else if (field) {
    remarks.push(
      `"${field.from}" has no repetition time in seconds (${
        JSON.stringify(field.value)
      }): the header's is used.`,
    );
  }
  if (seconds !== null && (seconds < USUAL.least || seconds > USUAL.most)) {
    remarks.push(`A repetition time of ${seconds} s is hardly meant: check its unit.`);
  }
  return { seconds, remarks };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value > 0 && Number.isFinite(value);
}
