/**
 * Times the training step on one engine.
 *
 *   deno task bench:step --backend wasm --threads 2 --batch 4 --frames 8 --spatial 91,109,91 --json
 *
 * With --json one line of JSON: ms_per_frame (median), ms_per_frame_min, gflops (of the median; the
 * recomputed encoder is not counted), rss_mib_peak, backend, threads and the sizes. With --serve one step per line
 * of standard input, answered as peers/torch_step.py does: {"ms": milliseconds of the step, "rss_mib_peak"}.
 */
import { BACKEND_CHOICES } from "../src/pipelines/engine_options.ts";
import { spatialShapeOf } from "../src/pipelines/recurrent_vae/model_options.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { peakResidentMebibytes } from "../src/deps/node_process.ts";
import { stepMultiplyAdds } from "./layers.ts";
import { digits, milliseconds, spreadOf } from "./measurements.ts";
import { linesOf } from "./peers/child_lines.ts";
import { prepareStep, type StepProblem } from "./training_step.ts";

const OPTIONS = [
  { name: "backend", kind: "choice", choices: BACKEND_CHOICES, help: "" },
  { name: "threads", kind: "integer", min: 1, help: "" },
  { name: "batch", kind: "integer", min: 1, help: "" },
  { name: "frames", kind: "integer", min: 1, help: "" },
  { name: "spatial", kind: "text", help: "" },
  { name: "repeats", kind: "integer", min: 1, help: "" },
  { name: "json", kind: "flag", help: "" },
  { name: "serve", kind: "flag", help: "" },
] as const satisfies readonly Option[];

/** The line of --json. */
export interface StepResult {
  readonly backend: string;
  readonly threads: number;
  readonly detail: string;
  readonly batch: number;
  readonly frames: number;
  readonly spatial: readonly number[];
  readonly frames_per_chunk: number;
  readonly repeats: number;
  readonly ms_per_frame: number;
  readonly ms_per_frame_min: number;
  readonly gflops: number;
  readonly rss_mib_peak: number;
  readonly loss: number;
}

/**
 * Runs one warm-up step, then timed ones.
 *
 * @param problem Engine and sizes.
 * @param repeats Timed steps.
 */
export async function measureStep(problem: StepProblem, repeats: number): Promise<StepResult> {
  const step = await prepareStep(problem);
  const { batch, frames, spatialShape } = problem;
  let loss = await step.run();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    times.push(await milliseconds(async () => void (loss = await step.run())));
  }
  const { least, median } = spreadOf(times);
  const flops = 2 * stepMultiplyAdds(spatialShape) * batch * frames;
  const result = {
    backend: step.engine.name,
    threads: step.engine.threads,
    detail: step.engine.detail,
    batch,
    frames,
    spatial: spatialShape,
    frames_per_chunk: step.framesPerChunk,
    repeats,
    ms_per_frame: median / frames,
    ms_per_frame_min: least / frames,
    gflops: flops / median / 1e6,
    rss_mib_peak: peakResidentMebibytes(),
    loss,
  };
  await step.stop();
  return result;
}

/** Steps on demand, for a program that alternates them with others. */
async function serve(problem: StepProblem): Promise<void> {
  const step = await prepareStep(problem);
  await step.run();
  const { name, threads } = step.engine;
  console.log(JSON.stringify({ peer: "recvae", mode: name, threads }));
  for await (const _ of linesOf(Deno.stdin.readable)) {
    const ms = await milliseconds(async () => void await step.run());
    console.log(JSON.stringify({ ms, rss_mib_peak: peakResidentMebibytes() }));
  }
  await step.stop();
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseOptions(args, OPTIONS);
  const problem = {
    backend: values.backend ?? "auto",
    threads: values.threads,
    batch: values.batch ?? 4,
    frames: values.frames ?? 8,
    spatialShape: spatialShapeOf(values.spatial ?? "91,109,91"),
  };
  if (values.serve) return await serve(problem);
  const result = await measureStep(problem, values.repeats ?? 10);
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${result.backend} (${result.detail}): ${digits(result.ms_per_frame)} ms per frame ` +
        `(least ${digits(result.ms_per_frame_min)}), ${digits(result.gflops)} GFLOP/s, ` +
        `peak memory ${result.rss_mib_peak.toFixed(0)} MiB`,
    );
  }
}

if (import.meta.main) await main(Deno.args);
