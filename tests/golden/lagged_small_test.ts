/** One batch of the lagged model in nine forms, compared with every array of small.safetensors. */
import type { FloatArray, NdArray, SpatialShape } from "../../src/base/arrays.ts";
import type { ActiveEngine } from "../../src/backends/engine.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { toHost } from "../../src/backends/tensors.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { swapLeadingAxes } from "../../src/base/strided.ts";
import { bound, boundSlope } from "../../src/models/recurrent_vae/lagged/bound.ts";
import type { LaggedConfig } from "../../src/models/recurrent_vae/lagged/lagged_config.ts";
import { describeLagged } from "../../src/models/recurrent_vae/lagged/lagged_entries.ts";
import type { LaggedStepResult } from "../../src/models/recurrent_vae/lagged/training_step.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import { toFileOrder } from "../../src/parameters/state_dict.ts";
import { forEachBackend } from "../support/engines.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";
import { laggedWeights, maskedBatch } from "../support/lagged_cases.ts";

const ENGINES = ["cpu", "reference", "wasm", "webgpu"] as const;
const ROWS = [2, 0];

const VARIANTS: Readonly<Record<string, Partial<LaggedConfig>>> = {
  default: {},
  lag0: { lag: 0 },
  conv_off: { channels: [], decoderChannels: [] },
  sigma_voxel: { noise: "voxel" },
  beta1: { klWeight: 1 },
  offsets: { offsets: true },
  predictive: { predictive: 0.1 },
  everything: { noise: "voxel", klWeight: 1, offsets: true, predictive: 0.1 },
  missing: {},
};

const fixture = new LaggedFixture("small");

function modelOf(variant: string): LaggedVae {
  const { config } = fixture;
  const options = {
    spatialShape: config.spatial as SpatialShape,
    latentDim: config.D,
    encOutDim: config.E,
    channels: config.channels,
    decoderChannels: config.decoder_channels,
    tolTime: config.T,
    lambdaZ: config.lambda_z,
    ...VARIANTS[variant],
  };
  const setup = { subjects: config.N, voxels: fixture.integers("voxel_index") };
  const resolved = new LaggedVae(options, setup);
  const weights = laggedWeights(fixture, resolved, {
    prefix: "param/",
    offsets: resolved.config.offsets,
  });
  resolved.loadStateDict(weights);
  return resolved;
}

function batch(): FrameBatch {
  const { data, shape: [, T] } = fixture.floats("frames");
  const { config } = fixture;
  return maskedBatch(data, {
    frames: T,
    rows: ROWS,
    voxels: fixture.integers("voxel_index"),
    spatialShape: config.spatial,
  });
}

/** `[B, T, …]` → `[T, B, …]`. */
function timeMajor({ data, shape: [B, T] }: NdArray): FloatArray {
  return swapLeadingAxes(data as FloatArray, B, T) as FloatArray;
}

for (const variant of Object.keys(VARIANTS)) {
  await forEachBackend(`lagged small, ${variant}: every array`, async (engine) => {
    const model = modelOf(variant);
    for (const framesPerChunk of engine.name === "reference" ? [1, 2, 3, 7] : [3]) {
      await compareVariant(variant, { model, engine, framesPerChunk });
    }
    model.dispose();
  }, { engines: ENGINES });
}

async function compareVariant(
  variant: string,
  { model, engine, framesPerChunk }: {
    model: LaggedVae;
    engine: ActiveEngine;
    framesPerChunk: number;
  },
): Promise<void> {
  const float64 = engine.name === "reference";
  const B = ROWS.length;
  const observed = variant === "missing" ? timeMajor(fixture.floats("observed")) : null;
  const noise = { data: timeMajor(fixture.floats("noise")), shape: [7, 2, 4] };
  const options = { noise, observed, framesPerChunk };
  const compare = (name: string, values: ArrayLike<number>) =>
    fixture.compare(`${variant}/${name}`, values, { float64 });
  const byRun = (values: Float64Array) => swapLeadingAxes(values, 7, B) as Float64Array;

  const result = await model.computeGradients(batch(), options);
  const { walk } = result;
  compare("mu", byRun(walk.mu));
  compare("logvar", byRun(walk.logVar));
  compare("h", byRun(walk.h));
  compare("gh", byRun(walk.gh));
  compare("losses", lossList(result));
  await compareGradients(model, result, compare);
  await compareFrames(variant, model, { options, compare });
  if (variant === "default" || variant === "missing") {
    compareDynamics(model, result, { observed, compare });
  }
}

function lossList({ losses }: LaggedStepResult): number[] {
  const { loss, loss1, kl, loss2, lossZ, lossLag, lossPrediction, lossF } = losses;
  return [loss, loss1, kl, loss2, lossZ, lossLag, lossPrediction, lossF];
}

async function compareGradients(
  model: LaggedVae,
  { gradients }: LaggedStepResult,
  compare: (name: string, values: ArrayLike<number>) => void,
): Promise<void> {
  const entries = describeLagged(model.config, { subjects: 3, voxels: model.voxels.count }).entries;
  assertEquals([...gradients.keys()], [...model.variables.keys()]);
  for (const [name, gradient] of gradients) {
    const entry = entries.find(({ key }) => key === name)!;
    compare(`grad/${name}`, toFileOrder(entry, await toHost(gradient)));
    gradient.dispose();
  }
}

async function compareFrames(
  variant: string,
  model: LaggedVae,
  { options, compare }: {
    options: Parameters<LaggedVae["rollFrames"]>[1];
    compare: (name: string, values: ArrayLike<number>) => void;
  },
): Promise<void> {
  const V = model.voxels.count;
  const [seen, ahead] = [new Float64Array(7 * 2 * V), new Float64Array(7 * 2 * V)];
  const table = await toHost(model.state.tensor("z_vectors"));
  const offsets = Float64Array.from(ROWS.flatMap((row) => [...table.slice(row * 4, row * 4 + 4)]));
  const { features } = await model.rollFrames(batch(), {
    ...options,
    offsets,
    predict: true,
    onFrames: ({ start, reconstruction, predicted }) => {
      seen.set(reconstruction, start * 2 * V);
      ahead.set(predicted!, start * 2 * V);
    },
  });
  compare("recon", swapLeadingAxes(seen, 7, 2));
  if (model.config.predictive > 0) compare("recon_pred", swapLeadingAxes(ahead, 7, 2));
  // The fixture encodes what is stored at missing frames too, which the model does not read.
  if (model.convolutions) {
    const expected = fixture.floats(`${variant}/f`).data;
    const width = expected.length / 14;
    const seenFrame = (i: number) => {
      const [b, t] = [Math.floor(i / width / 7), Math.floor(i / width) % 7];
      return options?.observed?.[t * 2 + b] !== 0;
    };
    compare("f", features.data.map((value, i) => seenFrame(i) ? value : expected[i]));
  }
}

function compareDynamics(
  model: LaggedVae,
  { walk }: LaggedStepResult,
  { observed, compare }: {
    observed: FloatArray | null;
    compare: (name: string, values: ArrayLike<number>) => void;
  },
): void {
  const before = [model.state.buffer("F_mat"), model.state.buffer("q")] as const;
  const of = (values: Float64Array) =>
    [0, 1].map((b) => ({
      states: (swapLeadingAxes(values, 7, 2) as Float64Array).slice(b * 28, (b + 1) * 28),
      ...(observed && { observed: Array.from({ length: 7 }, (_, t) => observed[t * 2 + b]) }),
    }));
  model.updateDynamics(of(walk.mu), of(walk.logVar.map(Math.exp)));
  compare("F_after", model.state.buffer("F_mat"));
  compare("q_after", model.state.buffer("q"));
  model.state.setBuffer("F_mat", before[0]);
  model.state.setBuffer("q", before[1]);
}

Deno.test("lagged small: the bound on log-variances, and no array left out", () => {
  const raw = fixture.floats("bound/raw").data;
  fixture.compare("bound/value", Float64Array.from(raw, bound), { float64: true });
  fixture.compare("bound/derivative", Float64Array.from(raw, boundSlope), { float64: true });
  assertEquals([bound(-9), bound(3), boundSlope(-9), boundSlope(3)], [-9, 3, 1, 1]);
  // Engines that are not asked for compare nothing; the float64 one always runs.
  assertEquals(fixture.untouched(), []);
});
