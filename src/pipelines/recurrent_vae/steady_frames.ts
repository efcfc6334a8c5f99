/** Frames at the beginning of scans that their confounds mark as not in steady state: left out unless options say else. */
import { parseBidsName } from "../../data/bids.ts";
import { namedScans } from "../../data/scan_agreement.ts";
import { readTextIfThere } from "../../data/openers/directory.ts";
import { type DataPlan, locatedScans, type ScanRecord } from "./data_options.ts";

/** Columns of fMRIPrep, one for each such frame. */
const COLUMN = /^non_steady_state_outlier\d+$/;

/**
 * The plan with the frames that each scan's confounds table marks left out.
 *
 * @param plan From the command line; options that say which frames are used win.
 * @returns Notes that say so.
 */
export function withSteadyFrames<P extends DataPlan>(
  plan: P,
): { readonly plan: P; readonly notes: string[] } {
  const { skipFrames, frameRange } = plan.reading ?? {};
  if (plan.kind !== "files" || skipFrames !== undefined || frameRange) return { plan, notes: [] };
  const files: ScanRecord[] = locatedScans(plan).map((scan) => {
    const marked = markedFrames(scan.path);
    return marked === 0 ? scan : { ...scan, skipFrames: marked };
  });
  const skipped = files.filter((scan) => scan.skipFrames !== undefined);
  if (skipped.length === 0) return { plan, notes: [] };
  const counts = [...new Set(skipped.map((scan) => scan.skipFrames))].sort();
  const note = `${namedScans(skipped, files.length)}: the first ${counts.join(" or ")} ${
    counts.join() === "1" ? "frame is" : "frames are"
  } left out, which the confounds mark as not in steady state; --skip-frames 0 keeps all.`;
  return { plan: { ...plan, files }, notes: [note] };
}

function markedFrames(path: string): number {
  const table = confoundsOf(path);
  const text = table === undefined ? undefined : readTextIfThere(table);
  if (text === undefined) return 0;
  const end = text.search(/[\r\n]/);
  const columns = text.slice(0, end < 0 ? undefined : end).split("\t");
  return columns.filter((name) => COLUMN.test(name)).length;
}

/**
 * The confounds table of a scan, as fMRIPrep names it.
 *
 * @param path Of the scan.
 * @returns Undefined when the name is not that of a BIDS scan.
 */
export function confoundsOf(path: string): string | undefined {
  if (parseBidsName(path).suffix !== "bold") return undefined;
  return path.replace(/_(space|res|den|desc)-[^_/\\]+/g, "")
    .replace(/_bold\.nii(\.gz)?$/i, "_desc-confounds_timeseries.tsv");
}
