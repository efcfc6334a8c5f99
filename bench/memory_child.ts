/**
 * Trains from NIfTI files in a process of its own and prints what it took, one line of JSON (see memory.ts):
 *
 *   deno run -A bench/memory_child.ts DIRECTORY THREADS FRAMES,FRAMES,…
 *
 * One epoch (one step of all subjects) per number of frames, in the order given, frames streamed from the files.
 */
import { selectBackend } from "../src/backends/registry.ts";
import { cohortFromDirectories } from "../src/data/cohort.ts";
import { buildDataLoader } from "../src/data/loader.ts";
import { peakResidentMebibytes } from "../src/deps/node_process.ts";
import { RecurrentVae } from "../src/models/recurrent_vae/model.ts";
import { fit } from "../src/pipelines/recurrent_vae/fit.ts";
import { milliseconds } from "./measurements.ts";

/** Frames kept in memory by the loader: none, every frame is read when it is needed. */
const LOADER_BUDGET = 2 ** 20;

/** The line that is printed. */
export interface MemoryLine {
  /** One per epoch. */
  readonly epochs: readonly {
    readonly frames: number;
    /** The step with its reading and normalising of frames. */
    readonly msPerFrame: number;
    readonly loss: number;
    /** MiB after the epoch. */
    readonly peakResident: number;
  }[];
  /** MiB: once modules are loaded; after the engine has started. */
  readonly start: { readonly modules: number; readonly engine: number };
  /** MiB of the engine's memory at the end; it never shrinks. */
  readonly engineReserved: number;
  /** MiB of V8's own heap, and of array buffers outside it, at the end. */
  readonly heap: number;
  readonly external: number;
  readonly framesPerChunk: number;
}

/**
 * Peak resident memory of this very program in MiB: Linux carries the peak of the program that started it over into
 * getrusage, not into VmHWM.
 */
export function peakResident(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024;
  } catch {
    return peakResidentMebibytes();
  }
}

async function main([directory, threads, frameCounts]: readonly string[]): Promise<MemoryLine> {
  const modules = peakResident();
  const engine = await selectBackend("wasm", { threads: Number(threads) });
  const start = { modules, engine: peakResident() };
  const directories = { CN: `${directory}/CN`, AD: `${directory}/AD` };
  const epochs = [];
  let framesPerChunk = 0;
  for (const frames of frameCounts.split(",").map(Number)) {
    const cohort = await cohortFromDirectories(directories, { tolTime: frames });
    const loader = await buildDataLoader(cohort, {
      batchSize: cohort.subjects.length,
      memoryBudget: LOADER_BUDGET,
      cacheDirectory: directory,
    });
    const { spatialShape } = cohort;
    const model = new RecurrentVae({ spatialShape, tolTime: frames }, {
      subjects: loader.subjects,
    });
    framesPerChunk = model.framesPerChunk([...loader.batches(0)][0]);
    let loss = NaN;
    const elapsed = await milliseconds(async () => {
      const { trainLossHistory } = await fit(model, loader, { epochs: 1, learningRate: 1e-6 });
      loss = trainLossHistory[0];
    });
    model.dispose();
    loader.close();
    epochs.push({ frames, msPerFrame: elapsed / frames, loss, peakResident: peakResident() });
  }
  const { heapUsed, external } = Deno.memoryUsage();
  const engineReserved = engine.memory().reserved / 2 ** 20;
  await engine.stop();
  const [heap, outside] = [heapUsed / 2 ** 20, external / 2 ** 20];
  return { epochs, start, engineReserved, heap, external: outside, framesPerChunk };
}

if (import.meta.main) console.log(JSON.stringify(await main(Deno.args)));
