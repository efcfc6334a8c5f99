/**
 * Everything there is to measure on a GPU, in one command and one run: the card's ceilings, the eight
 * convolutions against them, and the full training step against the same step in PyTorch on the same card.
 *
 *   deno task bench:gpu                                     full size: B = 4, T = 120, 91×109×91
 *   deno task bench:gpu --frames 4 --batch 2 --spatial 33,35,40 --repeats 3       a software adapter
 *   deno task bench:gpu --python torch/bin/python --compile      against torch.compile
 *
 * Without a GPU that PyTorch can use the peer runs on the CPU and is labelled so; without PyTorch it is
 * skipped. A record is written to bench/record/<machine>/.
 */
import type { BackendName } from "../src/backends/engine.ts";
import { selectBackend } from "../src/backends/registry.ts";
import type { DeviceBackend } from "../src/backends/webgpu/device_backend.ts";
import { spatialShapeOf } from "../src/pipelines/recurrent_vae/model_options.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { tf } from "../src/deps/tfjs.ts";
import { type GpuCeilings, measureCeilings } from "./gpu_ceilings.ts";
import { gpuConvolutionTable, measureGpuConvolutions } from "./gpu_convolutions.ts";
import { stepMultiplyAdds } from "./layers.ts";
import { writeRecord } from "./machine.ts";
import { digits, milliseconds, type Spread, spreadOf, textTable } from "./measurements.ts";
import { startTorchPeer, type TorchDescription } from "./peers/torch_peer.ts";
import { prepareStep, type StepProblem } from "./training_step.ts";

const OPTIONS = [
  { name: "backend", kind: "choice", choices: ["webgpu", "cuda", "tensorflow"], help: "" },
  { name: "batch", kind: "integer", min: 1, help: "" },
  { name: "frames", kind: "integer", min: 1, help: "" },
  { name: "spatial", kind: "text", help: "" },
  { name: "repeats", kind: "integer", min: 1, help: "" },
  { name: "python", kind: "text", help: "" },
  { name: "compile", kind: "flag", help: "" },
  { name: "no-record", kind: "flag", help: "" },
] as const satisfies readonly Option[];

/** A step beside its peer. */
interface StepComparison {
  readonly ours: Spread;
  readonly framesPerChunk: number;
  readonly peer: (Spread & TorchDescription) | null;
}

/** Alternates our steps with the peer's, so that both see the same clock and temperature. */
async function compareSteps(
  problem: StepProblem,
  { repeats, python, compile }: { repeats: number; python: string; compile: boolean },
): Promise<StepComparison> {
  const step = await prepareStep(problem);
  await step.run(); // compiles shaders, fills the pool of buffers
  const device = await torchSeesGpu(python) ? "cuda" : "cpu";
  const peer = await startTorchPeer({
    python,
    device,
    batch: problem.batch,
    frames: problem.frames,
    spatial: problem.spatialShape,
    threads: 0,
    compile,
  });
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < repeats; i++) {
    ours.push(await milliseconds(async () => void await step.run()));
    if (peer) theirs.push((await peer.step()).ms);
  }
  await peer?.stop();
  await step.stop();
  return {
    ours: spreadOf(ours),
    framesPerChunk: step.framesPerChunk,
    peer: peer ? { ...spreadOf(theirs), ...peer.description } : null,
  };
}

/** Whether PyTorch in this Python can use a GPU. */
async function torchSeesGpu(python: string): Promise<boolean> {
  const program = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)";
  try {
    const { code } = await new Deno.Command(python, {
      args: ["-c", program],
      stdout: "null",
      stderr: "null",
    }).output();
    return code === 0;
  } catch {
    return false; // no such program: the peer says so
  }
}

async function ceilingsOf(name: BackendName): Promise<GpuCeilings | null> {
  if (name !== "webgpu") return null;
  const engine = await selectBackend(name);
  const software = / software/.test(engine.detail);
  const ceilings = await measureCeilings(tf.backend() as DeviceBackend, { software });
  await engine.stop();
  return ceilings;
}

/** Bytes a step must move at least: every activation written once and read twice, the input read three times. */
function leastBytes(problem: StepProblem): number {
  const voxels = problem.spatialShape.reduce((a, b) => a * b, 1);
  const convolved = voxels * (4 / 8 + 8 / 64 + 16 / 512 + 32 / 4096);
  const perVolume = 3 * 2 * (2 * convolved) + 3 * voxels + 3 * voxels;
  return 4 * perVolume * problem.batch * problem.frames;
}

function report(problem: StepProblem, steps: StepComparison, ceilings: GpuCeilings | null): string {
  const { batch, frames, spatialShape } = problem;
  const flops = 2 * stepMultiplyAdds(spatialShape) * batch * frames;
  const bytes = leastBytes(problem);
  const row = (name: string, { least, median }: Spread, device: string) => [
    name,
    digits(least),
    digits(median),
    digits(median / frames),
    digits(flops / median / 1e6),
    digits(bytes / median / 1e6),
    device,
  ];
  const { ours, peer } = steps;
  const rows = [row(problem.backend, ours, `${steps.framesPerChunk} frames a call`)];
  if (peer) rows.push(row(`PyTorch ${peer.version} ${peer.mode}`, peer, peer.device));
  const lines = [
    `training step, B = ${batch}, T = ${frames}, ${spatialShape.join("x")}`,
    textTable(["engine", "ms least", "ms median", "ms/frame", "GFLOP/s", "GB/s", "device"], rows),
  ];
  if (peer) lines.push(`ratio to PyTorch: ${digits(ours.median / peer.median)}`);
  if (ceilings) {
    lines.push(
      `ceilings of the device: ${digits(ceilings.gigaflops)} GFLOP/s, ` +
        `${digits(ceilings.gigabytesPerSecond)} GB/s`,
    );
  }
  return lines.join("\n");
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseOptions(args, OPTIONS);
  const backend = (values.backend ?? "webgpu") as BackendName;
  const problem: StepProblem = {
    backend,
    batch: values.batch ?? 4,
    frames: values.frames ?? 120,
    spatialShape: spatialShapeOf(values.spatial ?? "91,109,91"),
  };
  const repeats = values.repeats ?? 5;
  const python = values.python ?? "python3";
  const ceilings = await ceilingsOf(backend);
  const samples = problem.batch * Math.min(problem.frames, 8);
  const { spatialShape } = problem;
  const convolutions = await measureGpuConvolutions(backend, { samples, spatialShape, repeats });
  console.log(`${samples} volumes a call\n${gpuConvolutionTable(convolutions, ceilings)}\n`);
  const steps = await compareSteps(problem, { repeats, python, compile: values.compile === true });
  console.log(report(problem, steps, ceilings));
  if (values["no-record"]) return;
  console.log("recorded in", writeRecord("gpu", { problem, ceilings, convolutions, steps }));
}

if (import.meta.main) await main(Deno.args);
