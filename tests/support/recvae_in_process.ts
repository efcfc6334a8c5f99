/** Runs the program in this process, its output caught: for tests that replace a part of it. */
import { runCli } from "../../src/cli/program.ts";

/** What a command line left behind. */
export interface Caught {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line on the plain engine. */
export async function recvaeInProcess(args: readonly string[]): Promise<Caught> {
  const lines = { log: [] as string[], error: [] as string[] };
  const { log, error } = console;
  console.log = (...parts: unknown[]) => void lines.log.push(parts.join(" "));
  console.error = (...parts: unknown[]) => void lines.error.push(parts.join(" "));
  try {
    const code = await runCli(args);
    return { code, stdout: lines.log.join("\n"), stderr: lines.error.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}

/** The same with what is said during the work, notes among it, before the last lines of standard error. */
export async function recvaeOverheard(args: readonly string[]): Promise<Caught> {
  let said = "";
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = (bytes) => {
    said += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  try {
    const caught = await recvaeInProcess(args);
    return { ...caught, stderr: said + caught.stderr };
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
}
