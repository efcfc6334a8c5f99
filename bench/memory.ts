/**
 * Proves that memory does not grow with the length of the runs: trains on full-size NIfTI files whose frames are
 * streamed, in a process of its own, and measures that process' peak resident memory and its time per frame for
 * short and long runs; then the whole of `recvae train`, with scores, latents, reconstructions and report, for both.
 *
 *   deno task bench:memory                 four runs of 120 frames, 91x109x91 voxels, float32 (1.7 GB of disk)
 *   deno task bench:memory --gzip          compressed files, inflated once to the disk
 *   deno task bench:memory --directory D   keep the files in D for the next time instead of a temporary folder
 *
 * Short runs have to be long enough to use up what may be kept (encoder activations and rows of the principal
 * components, 128 MiB each), which 15 full-size frames are; of volumes of 64x64x29 voxels it takes --short 130.
 *
 * Exit code 1 when a process took more than 700 MiB, the whole program takes 32 MiB more for long runs than for short
 * ones, or a frame's time differs by more than 10 %.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import { spatialShapeOf } from "../src/pipelines/recurrent_vae/model_options.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { writeSyntheticCohort } from "../src/data/openers/synthetic_files.ts";
import { ownProgram, runProgram } from "../src/deps/node_child_process.ts";
import { describeMachine, writeRecord } from "./machine.ts";
import { digits, spreadOf, textTable } from "./measurements.ts";
import type { MemoryLine } from "./memory_child.ts";
import type { ProgramLine } from "./memory_program.ts";

const OPTIONS = [
  { name: "frames", kind: "integer", min: 1, help: "" },
  { name: "short", kind: "integer", min: 1, help: "" },
  { name: "rounds", kind: "integer", min: 1, help: "" },
  { name: "spatial", kind: "text", help: "" },
  { name: "threads", kind: "integer", min: 1, help: "" },
  { name: "directory", kind: "text", help: "" },
  { name: "gzip", kind: "flag", help: "" },
  { name: "no-record", kind: "flag", help: "" },
] as const satisfies readonly Option[];

/** Limits of the requirement: MiB, MiB between lengths, and relative difference of a frame's time. */
const LIMITS = { resident: 700, growth: 32, timeDifference: 0.1 } as const;

const CHILD_LIMIT = 1_200_000;

/** Writes the files, unless a kept folder has them. */
async function provideFiles(
  directory: string,
  options: { readonly frames: number; readonly spatialShape: SpatialShape; readonly gzip: boolean },
): Promise<void> {
  const found = [...Deno.readDirSync(directory)].some(({ name }) => name === "CN");
  if (found) return;
  console.log(`writing four runs of ${options.frames} frames …`);
  await writeSyntheticCohort(directory, { ...options, nCn: 2, nAd: 2 });
}

/** Runs a script beside this one and gives the JSON of its last line. */
async function runScript<Line>(name: string, args: readonly string[]): Promise<Line> {
  const script = new URL(name, import.meta.url).pathname;
  const command = ["run", "--quiet", "-A", script, ...args];
  const { status, output, errors } = await runProgram(ownProgram(), command, CHILD_LIMIT);
  if (status !== 0) throw new Error(`${name} ended with status ${status}: ${errors}`);
  return JSON.parse(output.trimEnd().split("\n").at(-1)!) as Line;
}

function train(directory: string, threads: number, frames: readonly number[]) {
  const args = [directory, String(threads), frames.join(",")];
  return runScript<MemoryLine>("memory_child.ts", args);
}

/** Peak resident memory of `recvae train` from start to report, MiB. */
async function peakOfProgram(directory: string, threads: number, frames: number): Promise<number> {
  const out = await Deno.makeTempDir();
  try {
    const data = ["--cn", `${directory}/CN`, "--ad", `${directory}/AD`, "--tol-time", `${frames}`];
    const engine = ["--backend", "wasm", "--threads", `${threads}`, "--memory", "16"];
    const work = ["--epochs", "1", "--fit-offsets", "2", "--quiet", "--out", `${out}/run`];
    const args = ["train", ...data, ...engine, ...work];
    const { code, peakResident } = await runScript<ProgramLine>("memory_program.ts", args);
    if (code !== 0) throw new Error(`recvae train ended with status ${code}`);
    return peakResident;
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

/** Short and long epochs in turn, a short one first as warm-up. */
function alternation(short: number, long: number, rounds: number): number[] {
  return [short, ...Array.from({ length: rounds }, () => [short, long, short]).flat()];
}

interface Lengths {
  readonly short: number;
  readonly long: number;
}

function report(whole: MemoryLine, times: MemoryLine, measured: Lengths & { program: Lengths }) {
  const { program, ...frames } = measured;
  const [epoch] = whole.epochs;
  const medianOf = (count: number) =>
    spreadOf(
      times.epochs.slice(1).filter((e) => e.frames === count).map((e) => e.msPerFrame),
    ).median;
  const [short, long] = [medianOf(frames.short), medianOf(frames.long)];
  const mib = (value: number) => value.toFixed(0);
  console.log(textTable(["peak resident memory", "MiB"], [
    ["program and modules", mib(whole.start.modules)],
    ["engine started", mib(whole.start.engine)],
    [`one epoch of ${epoch.frames} frames`, mib(epoch.peakResident)],
    ["  of it the engine's memory", mib(whole.engineReserved)],
    ["  V8's heap at the end", mib(whole.heap)],
    ["  array buffers at the end, the engine's included", mib(whole.external)],
  ]));
  console.log();
  console.log(textTable(["peak of recvae train, results included", "MiB"], [
    [`${frames.short} frames`, mib(program.short)],
    [`${frames.long} frames`, mib(program.long)],
  ]));
  console.log();
  console.log(textTable(["time per frame, files read", "ms"], [
    [`${frames.short} frames`, digits(short)],
    [`${frames.long} frames`, digits(long)],
    ["long over short", digits(long / short)],
  ]));
  return { peakResident: epoch.peakResident, program, short, long };
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseOptions(args, OPTIONS);
  const { frames: long = 120, short = 15, rounds = 2, gzip } = values;
  const threads = values.threads ?? navigator.hardwareConcurrency;
  const spatialShape = spatialShapeOf(values.spatial ?? "91,109,91");
  const directory = values.directory ?? await Deno.makeTempDir();
  await Deno.mkdir(directory, { recursive: true });
  try {
    await provideFiles(directory, { frames: long, spatialShape, gzip });
    const whole = await train(directory, threads, [long]);
    const times = await train(directory, threads, alternation(short, long, rounds));
    const program = {
      short: await peakOfProgram(directory, threads, short),
      long: await peakOfProgram(directory, threads, long),
    };
    const { processor, cores } = describeMachine();
    console.log(
      `${processor}, ${cores} cores, ${threads} threads; 4 subjects of ${
        spatialShape.join("x")
      }, ` +
        `${whole.framesPerChunk} frames a chunk, ${gzip ? ".nii.gz" : ".nii"} files\n`,
    );
    const result = report(whole, times, { short, long, program });
    const kind = gzip ? "memory-gzip" : "memory";
    const content = { spatialShape, frames: { short, long }, threads, result, whole, times };
    if (!values["no-record"]) console.log("\nrecorded in", writeRecord(kind, content));
    return judge(result);
  } finally {
    if (values.directory === undefined) await Deno.remove(directory, { recursive: true });
  }
}

function judge(result: Lengths & { peakResident: number; program: Lengths }): number {
  const { peakResident, program } = result;
  const difference = Math.abs(result.long / result.short - 1);
  const growth = program.long - program.short;
  const small = Math.max(peakResident, program.short, program.long) <= LIMITS.resident;
  const flat = growth <= LIMITS.growth;
  const even = difference <= LIMITS.timeDifference;
  if (!small) console.error(`more than ${LIMITS.resident} MiB`);
  if (!even) console.error(`times per frame differ by ${(100 * difference).toFixed(0)} %`);
  if (!flat) console.error(`the whole program takes ${growth.toFixed(0)} MiB more for long runs`);
  return small && flat && even ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
