/**
 * Runs the whole program in this process and prints, as the last line, what it took (see memory.ts):
 *
 *   deno run -A bench/memory_program.ts train --cn DIRECTORY/CN --ad DIRECTORY/AD …
 */
import { runCli } from "../src/cli/program.ts";
import { peakResident } from "./memory_child.ts";

/** The line that is printed. */
export interface ProgramLine {
  /** Exit code of the program. */
  readonly code: number;
  /** MiB. */
  readonly peakResident: number;
}

if (import.meta.main) {
  const code = await runCli(Deno.args);
  console.log(JSON.stringify({ code, peakResident: peakResident() } satisfies ProgramLine));
}
