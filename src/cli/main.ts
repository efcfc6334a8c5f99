/**
 * Starts the program `recvae`. The modules of the program are loaded only after the check of Deno's version,
 * because an old Deno fails at loading them.
 *
 * Run with: deno run --allow-read --allow-write=runs src/cli/main.ts COMMAND …
 */
import { denoVersionProblem } from "../deps/deno_version.ts";

async function main(): Promise<number> {
  const problem = denoVersionProblem();
  if (problem !== null) {
    console.error(`recvae: ${problem}`);
    return 1;
  }
  const { runCli } = await import("./program.ts");
  return await runCli(Deno.args);
}

if (import.meta.main) main().then(Deno.exit);
