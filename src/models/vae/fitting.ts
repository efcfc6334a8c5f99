/** One `fit` of an estimator: the general training loop, validated and told to callbacks. */
import { ConfigError } from "../../base/errors.ts";
import { toHost } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { runTraining } from "../../training/loop.ts";
import { createSchedule } from "../../training/schedules.ts";
import { tapeGradients } from "../../training/tape_gradients.ts";
import type { Trainable } from "../../training/trainable.ts";
import type { BaseEstimator } from "./base_estimator.ts";
import { type ReadBatch, type ReadLoader, readLoader, type VaeLoader } from "./batches.ts";
import type { EstimatorCallback, LoggedMetrics } from "./callbacks.ts";

/** Epochs where neither they nor steps are limited, as in Python. */
const DEFAULT_EPOCHS = 1000;

/**
 * An estimator as the training loop sees it.
 *
 * @param estimator Trained in place.
 * @param first Epochs that were trained before.
 */
export function trainableOf(estimator: BaseEstimator, first = 0): Trainable<ReadBatch> {
  return {
    variables: estimator.variables,
    computeGradients: (batch, position) =>
      tapeGradients(estimator.variables, () =>
        estimator.lossTerms(batch, {
          epoch: first + position.epoch,
          batch: position.batch,
          training: true,
        })),
  };
}

/** Trains; `estimator.fit` says the rest. */
export async function fitEstimator(
  estimator: BaseEstimator,
  train: VaeLoader,
  validation?: VaeLoader,
): Promise<void> {
  const options = estimator.trainerParams;
  const { maxEpochs, maxSteps = -1, gradientClipVal, signal, logEveryNSteps = 50 } = options;
  const first = estimator.epochsTrained;
  const loader = await readLoader(train, { limit: options.limitTrainBatches });
  await requireBatches(loader, first, "training");
  const validate = validation && await validator(estimator, validation, first);
  const callbacks = [options.callbacks ?? []].flat();
  const [optimiser] = estimator.configureOptimizers();
  estimator.history = [];
  try {
    for (const callback of callbacks) await callback.onFitStart?.(estimator);
    const epochs = maxEpochs ?? (maxSteps > 0 ? undefined : DEFAULT_EPOCHS);
    await runTraining(trainableOf(estimator, first), {
      ...(loader.describe ? { describe: loader.describe } : {}),
      batches: (epoch) => loader.batches(first + epoch),
    }, {
      ...(epochs === undefined ? {} : { epochs }),
      ...(maxSteps > 0 ? { steps: maxSteps } : {}),
      optimiser,
      schedule: createSchedule("constant", {
        learningRate: estimator.lr,
        epochs: epochs ?? DEFAULT_EPOCHS,
      }),
      ...(gradientClipVal === undefined ? {} : { clipNorm: gradientClipVal }),
      ...(signal ? { signal } : {}),
      ...(validate ? { validate } : {}),
      validateEvery: options.valCheckInterval
        ? { steps: options.valCheckInterval }
        : options.checkValEveryNEpoch ?? 1,
      onBatch({ losses, step }) {
        estimator.loggedMetrics = { ...estimator.loggedMetrics, ...named("train", losses) };
        if (step % logEveryNSteps !== 0) return;
        const metrics = estimator.loggedMetrics;
        for (const callback of callbacks) callback.onLog?.(estimator, { step, metrics });
      },
      callbacks: [async (epoch, metrics, { stop }) => {
        estimator.epochsTrained = first + epoch + 1;
        await endEpoch(estimator, callbacks, { epoch, metrics, stop });
      }],
    });
    for (const callback of callbacks) await callback.onFitEnd?.(estimator);
  } finally {
    optimiser.dispose();
  }
}

/** Metrics under the names that Python logs. */
async function endEpoch(
  estimator: BaseEstimator,
  callbacks: readonly EstimatorCallback[],
  { epoch, metrics, stop }: {
    readonly epoch: number;
    readonly metrics: LoggedMetrics;
    readonly stop: () => void;
  },
): Promise<void> {
  const { epoch: _epoch, learningRate: _rate, ...values } = metrics;
  const entries = Object.entries(values);
  const train = Object.fromEntries(entries.filter(([name]) => !name.startsWith("val/")));
  const val = Object.fromEntries(entries.filter(([name]) => name.startsWith("val/")));
  const all = { ...named("train", train), ...val };
  estimator.history.push(all);
  estimator.loggedMetrics = { ...estimator.loggedMetrics, ...val };
  for (const callback of callbacks) {
    await callback.onEpochEnd?.(estimator, { epoch, metrics: all, stop });
  }
}

function named(part: string, values: LoggedMetrics): LoggedMetrics {
  return Object.fromEntries(Object.entries(values).map(([name, v]) => [`${part}/${name}`, v]));
}

async function requireBatches(loader: ReadLoader, epoch: number, what: string): Promise<void> {
  for await (const _ of loader.batches(epoch)) return;
  throw new ConfigError("loader", `Cannot fit: the ${what} loader has no batches, needs one`);
}

/** Looks at a few batches now, so that a mistake shows early; gives what validates an epoch. */
async function validator(estimator: BaseEstimator, given: VaeLoader, first: number) {
  const { limitValBatches, numSanityValSteps = 2 } = estimator.trainerParams;
  const loader = await readLoader(given, { limit: limitValBatches });
  await requireBatches(loader, first, "validation");
  const most = numSanityValSteps < 0 ? Infinity : numSanityValSteps;
  if (most > 0) await validationMeans(estimator, loader, { epoch: first, most });
  return async (epoch: number): Promise<Record<string, number>> => {
    const means = await validationMeans(estimator, loader, { epoch: first + epoch });
    return { ...named("val", means) };
  };
}

/**
 * Means of the loss terms over validation samples: batches weigh by their size.
 *
 * @param estimator In evaluation mode.
 * @param loader Batches.
 * @param options `epoch` for what is drawn, `most` batches.
 */
async function validationMeans(
  estimator: BaseEstimator,
  loader: ReadLoader,
  { epoch, most = Infinity }: { readonly epoch: number; readonly most?: number },
): Promise<LoggedMetrics> {
  const sums: Record<string, number> = {};
  let [count, index] = [0, 0];
  for await (const batch of loader.batches(0)) {
    if (index >= most) break;
    const place = { epoch, batch: index++, training: false };
    const terms = tf.tidy(() => ({ ...estimator.lossTerms(batch, place) }));
    const [size] = batch.x.shape;
    for (const [name, term] of Object.entries(terms)) {
      sums[name] = (sums[name] ?? 0) + size * (await toHost(term))[0];
      term.dispose();
    }
    count += size;
  }
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
}
