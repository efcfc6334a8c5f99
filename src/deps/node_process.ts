/** This process: what the operating system counts for it, its arguments and its output. */
import process from "node:process";

/** Peak resident memory of the process so far, in MiB. Needs no permission. */
export function peakResidentMebibytes(): number {
  const { maxRSS } = process.resourceUsage();
  return maxRSS / 1024;
}

/** Arguments given to the main program. */
export function programArguments(): string[] {
  return process.argv.slice(2);
}

/** Writes text to standard output. */
export function writeOutput(text: string): void {
  process.stdout.write(text);
}
