/** How a run of the recurrent VAE is trained: `fit` with the settings of its configuration. */
import { checkOptions } from "../../base/fields.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { EarlyStopping } from "../../training/early_stopping.ts";
import { createOptimiser, type OptimiserOptions } from "../../training/optimisers.ts";
import { createSchedule, klRamp } from "../../training/schedules.ts";
import type { OpenedRun, TrainingHooks } from "../pipeline.ts";
import { fit, type FitOptions, type FitResult } from "./fit.ts";
import type { PreparedData } from "./prepared_data.ts";
import type { RunConfig } from "./run_config.ts";
import { TRAINING_FIELDS } from "./settings.ts";
import type { TrainingPlan } from "./train_options.ts";

/**
 * Trains a model as its configuration says.
 *
 * @param model Trained in place.
 * @param run Its configuration and data.
 * @param hooks How training is watched, steered and resumed.
 */
export async function trainModel(
  model: RecurrentVae,
  run: OpenedRun<RunConfig, PreparedData>,
  hooks: TrainingHooks,
): Promise<FitResult> {
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

function fitOptions({ config, data }: OpenedRun<RunConfig, PreparedData>): FitOptions {
  const { model, training } = config;
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
