/** How a run of the recurrent VAE is trained: `fit` with the settings of its configuration. */
import { checkOptions } from "../../base/fields.ts";
import type { RecurrentVaeConfig } from "../../models/recurrent_vae/config.ts";
import {
  laggedOptimiser,
  LaggedTraining,
} from "../../models/recurrent_vae/lagged/lagged_training.ts";
import { LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import { type EpochMetrics, runTraining } from "../../training/loop.ts";
import { EarlyStopping } from "../../training/early_stopping.ts";
import { createOptimiser, type OptimiserOptions } from "../../training/optimisers.ts";
import { createSchedule, klRamp } from "../../training/schedules.ts";
import type { OpenedRun, TrainingHooks, TrainingOutcome } from "../pipeline.ts";
import { fit, type FitOptions } from "./fit.ts";
import { linearStartOf, residualAutocorrelation } from "./lagged_scores.ts";
import type { PreparedData } from "./prepared_data.ts";
import { isLagged, type RunConfig } from "./run_config.ts";
import { TRAINING_FIELDS } from "./settings.ts";
import type { TrainedModel } from "./trained_model.ts";
import type { TrainingPlan } from "./train_options.ts";

/**
 * Trains a model as its configuration says.
 *
 * @param model Trained in place.
 * @param run Its configuration and data.
 * @param hooks How training is watched, steered and resumed.
 */
export async function trainModel(
  model: TrainedModel,
  run: OpenedRun<RunConfig, PreparedData>,
  hooks: TrainingHooks,
): Promise<TrainingOutcome> {
  if (model instanceof LaggedVae) return await trainLagged(model, run, hooks);
  const { training } = run.config;
  const optimiser = createOptimiser(
    training.optimiser,
    model.variables,
    optimiserOptions(training),
  );
  try {
    const result = await fit(model, run.data.train, { ...fitOptions(run), ...hooks, optimiser });
    const state = await result.state();
    return { ...result, state: () => Promise.resolve(state) };
  } finally {
    optimiser.dispose();
  }
}

/**
 * Tries every setting of training on its own, so that a wrong one is reported before anything is written.
 *
 * @param config Of the run.
 * @throws {ConfigError} naming the setting.
 */
export function checkTraining({ model, training }: Pick<RunConfig, "model" | "training">): void {
  const { learningRate, epochs } = model;
  if (isLagged(model)) {
    createSchedule(training.schedule, { learningRate, epochs });
    checkOptions(training, TRAINING_FIELDS, { doing: "Cannot train" });
    return;
  }
  createSchedule(training.schedule, { learningRate, epochs });
  createOptimiser(training.optimiser, new Map(), optimiserOptions(training)).dispose();
  const { patience } = training;
  if (patience !== undefined) new EarlyStopping({ patience });
  checkOptions(training, TRAINING_FIELDS, { doing: "Cannot train" });
}

function optimiserOptions({ momentum, weightDecay }: TrainingPlan): OptimiserOptions {
  return {
    ...(momentum === undefined ? {} : { momentum }),
    ...(weightDecay === undefined ? {} : { weightDecay }),
  };
}

/**
 * Trains the lagged model: from principal components with a lag path, unless the run goes on.
 *
 * @param model Trained in place.
 * @param run Its configuration and data.
 * @param hooks How training is watched, steered and resumed.
 */
async function trainLagged(
  model: LaggedVae,
  { config, data }: OpenedRun<RunConfig, PreparedData>,
  { log, callbacks, ...hooks }: TrainingHooks,
): Promise<TrainingOutcome> {
  const { training } = config;
  const { epochs, learningRate, klWeight } = model.config;
  const { klRamp: fraction, clipNorm, patience = Infinity } = training;
  if (!hooks.resumeFrom) model.begin(await linearStartOf(model, data.train));
  const session = new LaggedTraining(model, {
    ...(fraction !== undefined && {
      klWeight: (epoch: number) => klWeight * klRamp(epoch, epochs, { fraction }),
    }),
  });
  const options = laggedOptimiser(model.config, model.voxelIndex.length);
  const optimiser = createOptimiser("adamw", model.variables, options);
  try {
    const result = await runTraining(session, data.train, {
      epochs,
      optimiser,
      schedule: createSchedule(training.schedule, { learningRate, epochs }),
      onDivergence: "end",
      ...(clipNorm === undefined ? {} : { clipNorm }),
      ...(keepsBest(training) && { earlyStopping: { patience }, keepBest: true }),
      ...hooks,
      callbacks: [(_, metrics) => log(laggedLine(metrics, epochs)), ...callbacks],
    });
    const state = await result.state();
    if (!hooks.signal.aborted) {
      model.setResidualAutocorrelation(await residualAutocorrelation(model, data.train));
    }
    return { ...result, state: () => Promise.resolve(state) };
  } finally {
    optimiser.dispose();
  }
}

function laggedLine(metrics: EpochMetrics, epochs: number): string {
  const show = (name: string) => (metrics[name] ?? NaN).toFixed(3);
  return `[epoch ${metrics.epoch + 1}/${epochs}] mean_loss=${show("loss")} (frames=${
    show("loss1")
  }, ` +
    `divergence=${show("kl")}, lag=${show("lossLag")})`;
}

function fitOptions({ config, data }: OpenedRun<RunConfig, PreparedData>): FitOptions {
  const { training } = config;
  const model = config.model as RecurrentVaeConfig;
  const { learningRate, epochs } = model;
  const { klRamp: fraction, clipNorm, patience = Infinity } = training;
  // While the KL weight rises the losses of two epochs are not comparable.
  const from = fraction === undefined || model.temporalLoss !== "kl"
    ? 0
    : Math.min(epochs - 1, Math.ceil(fraction * epochs));
  return {
    schedule: createSchedule(training.schedule, { learningRate, epochs }),
    onDivergence: "end",
    ...(data.mask ? { voxelWeight: data.mask } : {}),
    ...(clipNorm === undefined ? {} : { clipNorm }),
    ...(keepsBest(training) ? { earlyStopping: { patience, from } } : {}),
    ...(fraction === undefined ? {} : {
      klWeight: (epoch: number) => model.klWeight * klRamp(epoch, epochs, { fraction }),
    }),
  };
}

/**
 * Whether a run ends with the weights of its best epoch.
 *
 * @param training Of its configuration.
 */
export function keepsBest({ patience, keepBest }: TrainingPlan): boolean {
  return patience !== undefined || keepBest === true;
}
