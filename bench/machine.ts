/** What is measured on, and where records are kept. */
import { describeProcessor } from "../src/deps/node_os.ts";
import { VERSION } from "../src/base/version.ts";

/** The machine and the programs of a record. */
export interface Machine {
  /** Short name for folders, e.g. `amd-epyc-2c`. */
  readonly name: string;
  readonly processor: string;
  readonly cores: number;
  readonly system: string;
  readonly deno: string;
  readonly v8: string;
  readonly recvae: string;
}

/** Describes this machine. Needs `--allow-sys=cpus`. */
export function describeMachine(): Machine {
  const { model, cores } = describeProcessor();
  const words = model.replace(/\(R\)|\(TM\)|CPU|Processor|@.*/gi, " ").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return {
    name: `${words}-${cores}c`,
    processor: model,
    cores,
    system: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    recvae: VERSION,
  };
}

/**
 * Writes a record to bench/record/<machine>/<date>.json, or <date>-<kind>.json for all kinds but `"bench"`. One of
 * the same day is replaced.
 *
 * @param kind What was measured: `"bench"`, `"memory"`, …
 * @param content Plain data.
 * @returns Path from the repository root.
 */
export function writeRecord(kind: string, content: Record<string, unknown>): string {
  const machine = describeMachine();
  const now = new Date().toISOString();
  const folder = `bench/record/${machine.name}`;
  const root = new URL("../", import.meta.url).pathname;
  Deno.mkdirSync(root + folder, { recursive: true });
  const suffix = kind === "bench" ? "" : `-${kind}`;
  const path = `${folder}/${now.slice(0, 10)}${suffix}.json`;
  const record = { kind, time: now, machine, ...content };
  Deno.writeTextFileSync(root + path, JSON.stringify(record, null, 2) + "\n");
  return path;
}
