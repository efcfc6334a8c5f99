/** What the operating system counts for this process. */
import process from "node:process";

/** Peak resident memory of the process so far, in MiB. Needs no permission. */
export function peakResidentMebibytes(): number {
  const { maxRSS } = process.resourceUsage();
  return maxRSS / 1024;
}
