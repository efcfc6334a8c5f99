/** From errors to exit codes and to one line a person can act on. */
import {
  BackendError,
  CheckpointError,
  ConfigError,
  DivergenceError,
  FormatError,
  InterruptedError,
  RecvaeError,
  ShapeError,
} from "../base/errors.ts";
import { systemFaultPath, systemFaultWords } from "../base/system_faults.ts";
import { inOptionWords } from "./option_words.ts";
import { UsageError } from "../pipelines/option_table.ts";
import { permissionAdvice } from "./permission_advice.ts";

/** Exit codes of the program. */
export const EXIT = {
  ok: 0,
  /** A defect, or an engine that cannot run. */
  failure: 1,
  /** The command line or a configuration value is wrong. */
  usage: 2,
  /** A file, folder or checkpoint cannot be used, or not be written. */
  input: 3,
  /** Training produced a NaN or an infinity. */
  diverged: 4,
  /** Ctrl-C; what was learnt is saved. */
  interrupted: 130,
} as const;

/**
 * The exit code that belongs to an error.
 *
 * @param error Anything that was thrown.
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof ConfigError) return EXIT.usage;
  if (error instanceof DivergenceError) return EXIT.diverged;
  if (error instanceof InterruptedError) return EXIT.interrupted;
  if (error instanceof BackendError) return EXIT.failure;
  if (
    error instanceof FormatError || error instanceof CheckpointError || error instanceof ShapeError
  ) {
    return EXIT.input;
  }
  const refused = systemFaultWords(error) !== undefined || error instanceof Deno.errors.NotCapable;
  return refused || error instanceof RecvaeError ? EXIT.input : EXIT.failure;
}

/**
 * What to print for an error.
 *
 * @param error Anything that was thrown.
 * @param debug Whether to add the stack.
 * @returns One line (several with `debug`), without a final newline.
 */
export function describeFailure(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `recvae: ${String(error)}`;
  const stack = debug ? `\n${error.stack ?? ""}` : "";
  if (error instanceof Deno.errors.NotCapable) {
    return `recvae: ${permissionAdvice(error.message)}${stack}`;
  }
  return `recvae: ${sentenceOf(error).replaceAll("\n", " ")}${stack}`;
}

/** What happened, in the words of the command line. */
function sentenceOf(error: Error): string {
  // Fields of a run's files keep the names they have there.
  if (error instanceof CheckpointError || error instanceof UsageError) return error.message;
  if (error instanceof RecvaeError) return inOptionWords(error.message);
  const reason = systemFaultWords(error);
  if (reason === undefined) return `${error.message} (unexpected; --debug shows where)`;
  const path = systemFaultPath(error);
  return path === undefined ? `The system refused: ${reason}` : `Cannot use "${path}": ${reason}`;
}
