/** Training of a family that needs no more than the general loop. */
import type { Batch, BatchSource } from "../base/batches.ts";
import { type LoopOptions, runTraining } from "../training/loop.ts";
import {
  createOptimiser,
  type OptimiserKind,
  type OptimiserOptions,
} from "../training/optimisers.ts";
import { createSchedule } from "../training/schedules.ts";
import type { Trainable } from "../training/trainable.ts";
import type { TrainingHooks, TrainingOutcome, TrainingView } from "./pipeline.ts";

/** How to train. */
export interface FittingOptions extends
  Omit<
    Partial<LoopOptions>,
    "epochs" | "optimiser" | "callbacks" | "onBatch" | "signal" | "resumeFrom"
  > {
  readonly view: TrainingView;
  readonly hooks: TrainingHooks;
  /** Default `"adamw"`. */
  readonly optimiser?: OptimiserKind;
  readonly optimiserOptions?: OptimiserOptions;
}

/**
 * Runs the training loop with an optimiser of its own and a constant rate, unless told otherwise. A run that diverges
 * ends at its last good epoch.
 *
 * @param trainable The model in training.
 * @param loader Batches by epoch.
 * @param options See {@link FittingOptions}.
 */
export async function fitTrainable<B extends Batch>(
  trainable: Trainable<B>,
  loader: BatchSource<B>,
  { view, hooks, optimiser: kind = "adamw", optimiserOptions, ...options }: FittingOptions,
): Promise<TrainingOutcome> {
  const { epochs, learningRate, clipNorm } = view;
  const { log, callbacks, ...others } = hooks;
  const optimiser = createOptimiser(kind, trainable.variables, optimiserOptions);
  try {
    const result = await runTraining(trainable, loader, {
      epochs,
      optimiser,
      schedule: createSchedule("constant", { learningRate, epochs }),
      onDivergence: "end",
      ...(clipNorm === undefined ? {} : { clipNorm }),
      ...options,
      ...others,
      callbacks: [
        (epoch, { loss }) => log(`[epoch ${epoch + 1}/${epochs}] loss=${loss.toPrecision(5)}`),
        ...callbacks,
      ],
    });
    const state = await result.state();
    return { ...result, state: () => Promise.resolve(state) };
  } finally {
    optimiser.dispose();
  }
}
