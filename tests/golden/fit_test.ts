/**
 * Training at 33×35×40, compared with every array of fit.safetensors: the first step in full, three epochs with
 * both ridge penalties, evaluation, held-out fitting, the KL variant and group norm.
 */
import type { ActiveEngine } from "../../src/backends/engine.ts";
import type { FloatArray, NdArray } from "../../src/base/arrays.ts";
import type { BatchLoader } from "../../src/base/batches.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { evaluate } from "../../src/pipelines/recurrent_vae/evaluate.ts";
import { evaluateHeldOut } from "../../src/pipelines/recurrent_vae/held_out.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { fit } from "../../src/pipelines/recurrent_vae/fit.ts";
import { forEachBackend } from "../support/engines.ts";
import { readFixture, readManifest } from "../support/fixture_tensors.ts";
import {
  compareBuffers,
  compareGradients,
  hostGradients,
  lossVector,
  stateKeys,
} from "../support/golden_model.ts";
import { GoldenReport } from "../support/golden_report.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { fixtureModel, flipVolumes, stateUnder, volumesOf } from "../support/recvae_cases.ts";

const fixture = readFixture("fit");
const { config } = readManifest("fit");
const keys = stateKeys(config);
const batches: readonly number[][] = config.batches;
const [frames, dim] = [config.T, config.latent_dim];
const initialState = fixture.floats("in/h0");
const volumes = new Map(
  [[0, 1], [2], [0, 1, 2]].map((rows) => [rows.join(), volumesOf(fixture.floats("in/x"), rows)]),
);

const loader: BatchLoader = {
  subjects: config.subjects,
  batches: () => batches.map((rows) => batchOf(rows)),
};

function batchOf(rows: readonly number[]): FrameBatch {
  return frameBatchOf(volumes.get(rows.join())!, rows);
}

/** Noise of a step: in/eps holds (step, T, B, D); batches of one subject use column 0 only. */
function stepNoise(step: number, subjects: number): NdArray {
  const { data, shape } = fixture.floats("in/eps");
  const [, , columns] = shape;
  const noise = new Float32Array(frames * subjects * dim);
  for (let t = 0; t < frames; t++) {
    const from = (step * frames + t) * columns * dim;
    noise.set(data.subarray(from, from + subjects * dim), t * subjects * dim);
  }
  return { data: noise, shape: [frames, subjects, dim] };
}

function startModel(options: RecurrentVaeOptions = {}): RecurrentVae {
  const state = stateUnder(fixture, "init", keys);
  if (options.normalization === "group") {
    for (const key of [...state.keys()]) {
      if (/running_|num_batches/.test(key)) state.delete(key);
      // The variant starts its norm layers at weight 1 and bias 0.
      const affine = /(encoder[1-4]\.1|decoder1\.2|decoder[2-4]\.1)\.(weight|bias)$/.exec(key);
      if (affine) {
        const { data, shape } = fixture.floats(`init/${key}`);
        const value = affine[2] === "weight" ? 1 : 0;
        state.set(key, { data: new Float32Array(data.length).fill(value), shape });
      }
    }
  }
  return fixtureModel(config, state, options);
}

function firstStep(model: RecurrentVae) {
  return model.computeGradients(batchOf([0, 1]), { noise: stepNoise(0, 2), initialState });
}

function compareLosses(report: GoldenReport, name: string, actual: number[]): void {
  report.compareEntries(name, actual, fixture.floats(name).data, { tolerance: 2e-6 });
}

async function compareFirstStep(report: GoldenReport): Promise<void> {
  const forward = startModel();
  const result = await forward.forward(volumes.get("0,1")!, {
    noise: stepNoise(0, 2),
    initialState,
  });
  compareForward(report, "step0/", {
    feat: result.features.data,
    mu: result.posteriorMean.data,
    log_var: result.posteriorLogVar.data,
    h: result.h.data,
    gh: result.gh.data,
    recon: inFileOrder(result.mu.data),
  });
  forward.dispose();
  const model = startModel();
  const { losses, gradients } = await firstStep(model);
  compareLosses(report, "step0/losses", lossVector(losses));
  await compareGradients(report, model, { gradients, fixture, prefix: "step0/grad/" });
  const state = await model.stateDict();
  compareBuffers(report, model, { state, fixture, prefix: "step0/after/" });
  model.dispose();
}

async function compareKl(report: GoldenReport): Promise<void> {
  for (const sigH of [1, 0.7]) {
    const prefix = `kl_sig${sigH.toFixed(1)}`;
    const model = startModel({ temporalLoss: "kl", sigH });
    const { losses, gradients } = await firstStep(model);
    compareLosses(report, `${prefix}/losses`, lossVector(losses));
    const host = await hostGradients(model.architecture.entries, gradients);
    for (const name of report.untouched([`${prefix}/grad_head/`, `${prefix}/grad_norm/`])) {
      const [, part, key] = name.split("/");
      const values = Array.from(host.get(key)!);
      const actual = part === "grad_head" ? values.slice(0, 16) : [norm(values)];
      report.compare(name, actual, fixture.floats(name).data, { kind: "gradient" });
    }
    model.dispose();
  }
}

async function compareGroupNorm(report: GoldenReport): Promise<void> {
  const model = startModel({ normalization: "group" });
  const options = { noise: stepNoise(0, 2), initialState };
  const { features, h, losses } = await model.forward(volumes.get("0,1")!, options);
  compareForward(report, "groupnorm/", { feat: features.data, h: h.data });
  compareLosses(report, "groupnorm/losses", lossVector(losses));
  model.dispose();
}

/** Three epochs of SGD and ridge; gives the trained model back. */
async function compareFit(report: GoldenReport, ridgePenalty: "v2" | "v1"): Promise<RecurrentVae> {
  const prefix = ridgePenalty === "v2" ? "fit" : "fit_plain";
  const model = startModel({ ridgePenalty });
  const stepLosses: number[] = [];
  const transitions: number[] = [];
  const trajectories: number[] = [];
  const { metrics } = await fit(model, loader, {
    epochs: config.epochs,
    learningRate: config.lr,
    initialState,
    noise: ({ epoch, batch }, subjects) =>
      stepNoise(epoch * batches.length + batch, subjects.length),
    onBatch: ({ losses }) => stepLosses.push(...lossVector(losses as never)),
    callbacks: [async (_epoch, _metrics, controls) => {
      transitions.push(...model.transitionMatrix.data);
      trajectories.push(...Array.from((await controls.state()).model.get("states")!.data, Number));
    }],
  });
  const expected = (name: string) => fixture.floats(`${prefix}/${name}`).data;
  report.compareEntries(`${prefix}/step_losses`, stepLosses, expected("step_losses"), {
    tolerance: 5e-6,
  });
  report.compare(`${prefix}/F`, transitions, expected("F"), { kind: "transition" });
  if (ridgePenalty === "v2") {
    report.compare("fit/H", trajectories, expected("H"), { kind: "forward" });
    const means = metrics.flatMap((epoch) => lossVector(epoch as never));
    report.compareEntries("fit/epoch_means", means, expected("epoch_means"), { tolerance: 5e-6 });
  }
  return model;
}

async function compareTrained(report: GoldenReport, model: RecurrentVae): Promise<void> {
  const state = await model.stateDict();
  compareBuffers(report, model, { state, fixture, prefix: "final/" });
  for (const name of report.untouched(["final/"])) {
    const actual = state.get(name.slice("final/".length))!.data as FloatArray;
    const kind = name.endsWith("F_mat") ? "transition" : "trained";
    report.compare(name, actual, fixture.floats(name).data, { kind });
  }
}

async function compareEvaluation(report: GoldenReport, model: RecurrentVae): Promise<void> {
  const result = await evaluate(model, volumes.get("0,1,2")!, {
    noise: fixture.floats("in/eps_eval"),
    initialState,
  });
  const voxels = config.spatial.reduce((a: number, b: number) => a * b, 1);
  compareForward(report, "eval/", {
    feat: result.features.data,
    mu: result.posteriorMean.data,
    log_var: result.posteriorLogVar.data,
    h: result.h.data,
    gh: result.gh.data,
    recon_subject0: inFileOrder(result.mu.data.subarray(0, frames * voxels) as FloatArray),
    recon_stats: frameStatistics(result.mu.data, voxels),
  });
  compareLosses(report, "eval/losses", lossVector(result.losses));
}

async function compareHeldOut(report: GoldenReport, model: RecurrentVae): Promise<void> {
  const eps = fixture.floats("heldout/eps");
  const steps = eps.shape[0] - 1;
  const size = frames * 2 * dim;
  for (
    const { prefix, innerLr, lambdaZ } of [
      { prefix: "heldout/l0", innerLr: 2000, lambdaZ: 0 },
      { prefix: "heldout/l1", innerLr: 500, lambdaZ: 0.0002 },
    ]
  ) {
    const { zTest, hTest, mseHistory, reconMse } = await evaluateHeldOut(
      model,
      volumes.get("0,1")!,
      {
        objective: "original",
        initialState,
        innerSteps: steps,
        innerLr,
        lambdaZ,
        start: fixture.floats("heldout/z_init"),
        noise: (step) => ({
          data: eps.data.subarray(step * size, (step + 1) * size) as FloatArray,
          shape: eps.shape.slice(1),
        }),
      },
    );
    assertEquals(reconMse, mseHistory[steps]);
    compareForward(report, `${prefix}/`, { z: zTest.data, h: hTest.data });
    const expected = fixture.floats(`${prefix}/mse`).data;
    report.compareEntries(`${prefix}/mse`, mseHistory, expected, { tolerance: 2e-6 });
  }
}

function compareForward(
  report: GoldenReport,
  prefix: string,
  arrays: Readonly<Record<string, ArrayLike<number>>>,
): void {
  for (const [name, actual] of Object.entries(arrays)) {
    const key = `${prefix}${name}`;
    report.compare(key, actual, fixture.floats(key).data, { kind: "forward" });
  }
}

/** `[…, Z, Y, X]` → (…, X, Y, Z). */
function inFileOrder(values: FloatArray): FloatArray {
  return flipVolumes(values, [...config.spatial].reverse());
}

/** Sum, mean and population standard deviation of each frame. */
function frameStatistics(values: FloatArray, voxels: number): number[] {
  const result: number[] = [];
  for (let start = 0; start < values.length; start += voxels) {
    const frame = values.subarray(start, start + voxels);
    let sum = 0, squares = 0;
    for (const value of frame) sum += value;
    for (const value of frame) squares += (value - sum / voxels) ** 2;
    result.push(sum, sum / voxels, Math.sqrt(squares / voxels));
  }
  return result;
}

function norm(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** Engines that take long for three epochs: the first step is enough by day, which has every gradient. */
const SLOW: readonly string[] = ["cpu", "webgpu", "tensorflow"];

await forEachBackend("fit: every array of the training fixture", async (engine: ActiveEngine) => {
  const report = new GoldenReport("fit", engine.name);
  await compareFirstStep(report);
  if (SLOW.includes(engine.name) && !NIGHTLY) {
    assertEquals(report.untouched(["step0/"]), []);
    return report.print();
  }
  await compareKl(report);
  await compareGroupNorm(report);
  const earlier = await compareFit(report, "v1");
  earlier.dispose();
  const model = await compareFit(report, "v2");
  await compareTrained(report, model);
  await compareEvaluation(report, model);
  await compareHeldOut(report, model);
  model.dispose();
  const prefixes = ["step0/", "kl_", "groupnorm/", "fit/", "fit_plain/", "final/", "eval/"];
  assertEquals(report.untouched([...prefixes, "heldout/l"]), []);
  report.print();
});
