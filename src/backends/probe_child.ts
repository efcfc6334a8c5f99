/**
 * Probing an engine in a child process: native code that crashes or hangs there costs an answer, not the
 * program. Needs `--allow-run` and `--allow-env`; without them the caller probes in its own process.
 */
import { type Ending, ownProgram, runProgram } from "../deps/node_child_process.ts";
import { isGranted } from "../deps/permissions.ts";
import type { BackendName, ProbeResult } from "./engine.ts";

/** A child that takes longer is killed. Below the registry's own limit, so that its hint says more. */
const LIMIT_MS = 8_000;

/** Marks the line of the child's output that holds the result; drivers print what they like. */
export const RESULT_MARK = "recvae-probe-result:";

/** What a probe in a child needs to know. */
export interface ChildProbeOptions {
  /** Permissions of the child, `["--allow-ffi"]`. */
  readonly permissions: readonly string[];
  /** Said when the child cannot be started: the probe may fall back to this process. */
  readonly inProcess: () => Promise<ProbeResult>;
  /** Time limit in ms; default 8,000. */
  readonly limitMs?: number;
  /** Module that the child runs; a parameter for tests. */
  readonly childModule?: string;
}

/**
 * Probes an engine in a child process.
 *
 * @param name Engine to probe; the child calls its `probeHere`.
 * @param options See {@link ChildProbeOptions}.
 * @returns The child's result, or one that says how the child ended without giving a result.
 */
export async function probeInChild(
  name: BackendName,
  options: ChildProbeOptions,
): Promise<ProbeResult> {
  if (!isGranted("run") || !isGranted("env")) return await options.inProcess();
  const module = options.childModule ?? new URL("./probe_child_main.ts", import.meta.url).href;
  const args = [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-check",
    "--no-lock",
    "--cached-only",
    ...options.permissions,
    module,
    name,
  ];
  const limitMs = options.limitMs ?? LIMIT_MS;
  const ending = await runProgram(ownProgram(), args, limitMs);
  return resultOf(ending) ?? {
    name,
    available: false,
    automatic: false,
    detail: howItEnded(ending, limitMs),
    hint: lastLine(ending.errors) || "try it in this process with --backend " + name,
  };
}

function resultOf({ output }: Ending): ProbeResult | undefined {
  const line = output.split("\n").find((text) => text.startsWith(RESULT_MARK));
  return line === undefined ? undefined : JSON.parse(line.slice(RESULT_MARK.length));
}

function howItEnded({ status, signal, timedOut }: Ending, limitMs: number): string {
  if (timedOut) return `the probe gave no answer within ${limitMs / 1000} s and was stopped`;
  if (signal !== null) return `the probe crashed (${signal})`;
  return status === null ? "the probe could not be started" : `the probe failed (status ${status})`;
}

/** Error messages of runtimes end with the line that says most; colours are taken out. */
function lastLine(text: string): string {
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  const error = plain.split("\n").find((line) => line.startsWith("error:"));
  return error?.slice("error:".length).trim() ?? "";
}
