/** `--skip-bad`: scans that cannot be read are left out, in words. */
import { FormatError } from "../../base/errors.ts";
import { openBoldRun } from "../../data/bold_run.ts";
import { type DataPlan, locatedScans, type ScanRecord } from "./data_options.ts";

/**
 * The plan without scans that cannot be read, each read to its end.
 *
 * @param plan With the scans.
 * @returns Notes that list them, with the reasons.
 * @throws {FormatError} when none is left.
 */
export async function withoutBad<P extends DataPlan>(
  plan: P,
): Promise<{ readonly plan: P; readonly notes: string[] }> {
  const files: ScanRecord[] = [];
  const bad: FormatError[] = [];
  const scans = locatedScans(plan);
  for (const scan of scans) {
    try {
      (await openBoldRun(scan.path)).close();
      files.push(scan);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      bad.push(error);
    }
  }
  if (files.length === 0 && bad.length > 0) throw bad[0];
  const notes = bad.map(({ message }) => `Left out (--skip-bad): ${message}.`);
  return { plan: bad.length === 0 ? plan : { ...plan, files }, notes };
}
