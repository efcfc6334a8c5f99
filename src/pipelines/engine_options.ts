/** Options for the choice of the engine that computes, shared by all commands that need one. */
import type { ActiveEngine, BackendChoice } from "../backends/engine.ts";
import { explainDevice } from "../backends/device_names.ts";
import { selectBackend } from "../backends/registry.ts";
import { readEnvironment } from "../deps/environment.ts";
import { type Option, UsageError, type Values } from "./option_table.ts";

/** All choices of `--backend`. */
export const BACKEND_CHOICES = [
  "auto",
  "cuda",
  "tensorflow",
  "webgpu",
  "wasm",
  "cpu",
  "reference",
] as const satisfies readonly BackendChoice[];

/** `--backend` and `--threads`. */
export const ENGINE_OPTIONS = [
  {
    name: "backend",
    kind: "choice",
    choices: BACKEND_CHOICES,
    explain: explainDevice,
    value: "NAME",
    help: `Engine: ${BACKEND_CHOICES.join(", ")}`,
    otherwise: "RECVAE_BACKEND, else auto",
    group: "Engine",
  },
  {
    name: "threads",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Threads of the wasm engine",
    otherwise: "RECVAE_THREADS, else all cores",
    group: "Engine",
  },
] as const satisfies readonly Option[];

/**
 * Starts the engine that the options, the environment or the machine choose.
 *
 * @param values Parsed options.
 * @throws {UsageError} when RECVAE_BACKEND names no engine.
 * @throws {BackendError} when it cannot be started.
 */
export function startEngine(values: Values<typeof ENGINE_OPTIONS>): Promise<ActiveEngine> {
  const choice = values.backend ?? environmentChoice();
  return selectBackend(choice, values.threads === undefined ? {} : { threads: values.threads });
}

/** RECVAE_BACKEND where it is set and may be read. */
function environmentChoice(): BackendChoice {
  const name = readEnvironment("RECVAE_BACKEND");
  if (name === undefined || name === "") return "auto";
  const known = BACKEND_CHOICES.find((choice) => choice === name);
  if (known) return known;
  const explained = explainDevice(name);
  throw new UsageError(
    `RECVAE_BACKEND is "${name}", needs one of ${BACKEND_CHOICES.join(", ")}` +
      (explained ? `; ${explained}` : ""),
  );
}
