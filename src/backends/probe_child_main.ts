/**
 * The program of a probing child process: probes one engine, named by the first argument, and prints the
 * result as one marked line. Started by probe_child.ts; not for people.
 */
import { programArguments, writeOutput } from "../deps/node_process.ts";
import type { ProbeResult } from "./engine.ts";
import { RESULT_MARK } from "./probe_child.ts";

const PROBES: Readonly<Record<string, () => Promise<ProbeResult>>> = {
  webgpu: async () => await (await import("./webgpu/mod.ts")).probeHere(),
  tensorflow: async () => await (await import("./tensorflow/mod.ts")).probeHere("tensorflow"),
  cuda: async () => await (await import("./tensorflow/mod.ts")).probeHere("cuda"),
};

async function main(): Promise<void> {
  const probe = PROBES[programArguments()[0]];
  writeOutput(`${RESULT_MARK}${JSON.stringify(await probe())}\n`);
}

if (import.meta.main) main();
