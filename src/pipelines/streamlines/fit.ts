/** Training of a streamline model, of one phase or three. */
import { fitPca } from "../../linalg/pca.ts";
import type { Streamlines } from "../../data/streamlines/geometry.ts";
import { AdversarialAutoencoder } from "../../models/streamlines/adversarial.ts";
import { StreamlineAutoencoder } from "../../models/streamlines/autoencoder.ts";
import type { StreamlineBatch, StreamlineModel } from "../../models/streamlines/model.ts";
import { RegressionVae } from "../../models/streamlines/regression.ts";
import { StreamlineVae } from "../../models/streamlines/variational.ts";
import { constrainedOptimiser } from "../../training/constrained_optimiser.ts";
import { type LoopOptions, runTraining } from "../../training/loop.ts";
import {
  type AdamOptions,
  createOptimiser,
  type Optimiser,
  type OptimiserKind,
} from "../../training/optimisers.ts";
import { createSchedule, type LearningRateSchedule } from "../../training/schedules.ts";
import type { PhasedTrainable, Trainable } from "../../training/trainable.ts";
import type { OpenedRun, TrainingHooks, TrainingOutcome } from "../pipeline.ts";
import { type PreparedStreamlines, streamlineBatches } from "./data.ts";
import type { StreamlinesRun, StreamlineTraining } from "./run_config.ts";

/**
 * Trains a model in place.
 *
 * @param model Built for the run.
 * @param run Configuration and data.
 * @param hooks How it is watched, steered and resumed.
 */
export async function fitStreamlines(
  model: StreamlineModel,
  { config, data }: OpenedRun<StreamlinesRun, PreparedStreamlines>,
  hooks: TrainingHooks,
): Promise<TrainingOutcome> {
  const { training } = config;
  const { epochs } = training;
  const { log, callbacks, ...others } = hooks;
  if (!hooks.resumeFrom) await startFromAxes(model, config, data.training.streamlines);
  const trainable = trainableOf(model);
  const optimisers = optimisersOf(model, training);
  try {
    const result = await runTraining(trainable, streamlineBatches(data.training, config), {
      epochs,
      optimiser: optimisers.forLoop,
      schedule: scheduleOf(training, data.batchesPerEpoch),
      onDivergence: "end",
      ...others,
      callbacks: [
        (epoch, { loss }) => log(`[epoch ${epoch + 1}/${epochs}] loss=${loss.toPrecision(5)}`),
        ...callbacks,
      ],
    });
    const state = await result.state();
    return { ...result, state: () => Promise.resolve(state) };
  } finally {
    for (const optimiser of optimisers.all) optimiser.dispose();
  }
}

/** An adversarial model is trained phase by phase, every other in one. */
function trainableOf(
  model: StreamlineModel,
): Trainable<StreamlineBatch> | PhasedTrainable<StreamlineBatch> {
  if (!(model instanceof AdversarialAutoencoder)) return model;
  return {
    phases: model.phases,
    exportWeights: () => model.exportWeights(),
    importWeights: (weights) => model.importWeights(weights),
  };
}

function optimisersOf(
  model: StreamlineModel,
  { weightDecay, weightDecayRule, rawEpsilon, procedure }: StreamlineTraining,
): { forLoop: LoopOptions["optimiser"]; all: Optimiser[] } {
  const epsilon = rawEpsilon ? { epsilon: 1e-7, rawEpsilon } : {};
  if (model instanceof AdversarialAutoencoder) {
    const critic: AdamOptions = procedure === "joint" ? { beta1: 0, beta2: 0.9 } : {};
    const own = Object.fromEntries(model.phases.map(({ name, variables }) => [
      name,
      createOptimiser("adam", variables, { ...epsilon, ...(name === "critic" ? critic : {}) }),
    ]));
    return { forLoop: own, all: Object.values(own) };
  }
  const kind: OptimiserKind = weightDecayRule === "decoupled" ? "adamw" : "adam";
  const plain = createOptimiser(kind, model.variables, { ...epsilon, weightDecay });
  const one = model instanceof RegressionVae
    ? constrainedOptimiser(plain, () => model.constrain())
    : plain;
  return { forLoop: one, all: [one] };
}

/** Constant, or a linear rise and a cosine, counted in updates. */
function scheduleOf(
  { learningRate, epochs, warmup, cosine }: StreamlineTraining,
  stepsPerEpoch: number,
): LearningRateSchedule {
  if (!cosine) return createSchedule("constant", { learningRate, epochs });
  const most = epochs * stepsPerEpoch;
  return createSchedule("warmup-cosine", {
    learningRate,
    epochs,
    per: "step",
    stepsPerEpoch,
    warmup: Math.min(warmup, most),
  });
}

/** Rows that principal axes are taken from: more change little. */
const AXIS_ROWS = 1000;

async function startFromAxes(
  model: StreamlineModel,
  { kind, model: { shortcut } }: StreamlinesRun,
  { data, shape: [count, points] }: Streamlines,
): Promise<void> {
  if (!shortcut) return;
  const can = model instanceof StreamlineAutoencoder || model instanceof StreamlineVae ||
    model instanceof AdversarialAutoencoder;
  if (!can) return;
  const { centre, scale, latentDim } = model.config;
  const width = 3 * points;
  const step = Math.max(1, Math.ceil(count / AXIS_ROWS));
  const rows = Math.floor(count / step);
  const unit = new Float64Array(width);
  const read = (row: number) => {
    const own = data.subarray(row * step * width, (row * step + 1) * width);
    for (let i = 0; i < width; i++) unit[i] = (own[i] - centre[i % 3]) / scale;
    return unit;
  };
  const pca = await fitPca({ rows, columns: width, read }, Math.min(latentDim, rows - 1));
  const axes = new Float64Array(latentDim * width);
  axes.set(pca.components);
  const divisors = Float64Array.from(
    { length: latentDim },
    (_, d) => kind === "ae" ? 1 : Math.sqrt(pca.explainedVariance[d] ?? 1) || 1,
  );
  await model.startFromAxes({ mean: pca.mean, axes, divisors });
}
