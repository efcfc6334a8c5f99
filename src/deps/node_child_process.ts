/** Runs another program and waits for it, with a time limit. */
import { execFile } from "node:child_process";
import process from "node:process";

/** How a program ended. */
export interface Ending {
  /** Exit status; null when a signal ended it or it could not be started. */
  readonly status: number | null;
  /** `"SIGSEGV"`, … when a signal ended it. */
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly output: string;
  readonly errors: string;
}

/** The program that runs this one (deno, or what `deno compile` made). */
export function ownProgram(): string {
  return process.execPath;
}

/**
 * Runs a program to its end. Needs `--allow-run`.
 *
 * @param program Name or path.
 * @param args Arguments.
 * @param limitMs It is killed after this time.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  limitMs: number,
): Promise<Ending> {
  return new Promise((resolve) => {
    const options = { timeout: limitMs, killSignal: "SIGKILL", maxBuffer: 2 ** 26 } as const;
    execFile(program, [...args], options, (error, output, errors) => {
      const failure = error as
        | (Error & { code?: unknown; signal?: string; killed?: boolean })
        | null;
      const started = failure === null || typeof failure.code !== "string";
      resolve({
        status: failure === null ? 0 : typeof failure.code === "number" ? failure.code : null,
        signal: failure?.signal ?? null,
        timedOut: failure?.killed === true,
        output,
        errors: started ? errors : failure.message,
      });
    });
  });
}
