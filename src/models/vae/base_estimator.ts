/**
 * Estimators as scikit-learn has them: fitted to batches, then asked. What kind an estimator is decides which methods it has: every
 * one has `fit`, a transformer `transform`, a predictor `predict`; others are not there, for the type checker and at run time.
 */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError, RecvaeError } from "../../base/errors.ts";
import { toHost } from "../../backends/tensors.ts";
import type { tf } from "../../deps/tfjs.ts";
import { createOptimiser } from "../../training/optimisers.ts";
import type { Optimiser } from "../../training/optimiser.ts";
import type { LossTerms } from "../../training/tape_gradients.ts";
import type { NamedArrays, WeightHolder } from "../../training/weight_holder.ts";
import { type ReadBatch, readLoader, stackRows, type Targets, type VaeLoader } from "./batches.ts";
import type { LoggedMetrics } from "./callbacks.ts";
import { fitEstimator } from "./fitting.ts";
import type { TrainerOptions } from "./options.ts";

/** Where a step stands. */
export interface StepPlace {
  /** 0-based, counted over all calls of `fit`. */
  readonly epoch: number;
  /** 0-based batch of the epoch. */
  readonly batch: number;
}

/** Samples as they were transformed, and what belongs to them. */
export interface TransformedSamples {
  /** `[N, D]`. */
  readonly features: NdArray;
  /** Values `[N, …]`, or a list of N. */
  readonly targets: NdArray | readonly unknown[];
}

/** What has `fit`. */
export abstract class BaseEstimator implements WeightHolder {
  /** Whether a `fit` has ended well, or a fitted estimator was loaded. */
  fitted = false;
  /** Epochs of all calls of `fit`. */
  epochsTrained = 0;
  /** Metrics of every epoch of the last `fit`: `train/…` and, where it was validated, `val/…`. */
  history: LoggedMetrics[] = [];
  /** The last values of every metric. */
  loggedMetrics: LoggedMetrics = {};

  /**
   * Keeps the options.
   *
   * @param trainerParams As given; checked by the subclass.
   */
  constructor(readonly trainerParams: TrainerOptions) {}

  /** What is trained, by name. */
  abstract readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Learning rate. */
  abstract lr: number;
  /** Weight decay. */
  abstract weightDecay: number;
  /**
   * Loss terms of a batch, `loss` among them, each `[]`; differentiable.
   *
   * @param batch Samples.
   * @param place Where the step stands.
   */
  abstract lossTerms(
    batch: ReadBatch,
    place: StepPlace & { readonly training: boolean },
  ): LossTerms;
  /** Copies all weights to the host. */
  abstract stateDict(): Promise<NamedArrays>;
  /** Takes weights over. */
  abstract loadStateDict(state: NamedArrays): void;
  /** Writes everything to a folder. */
  abstract save(folder: string): Promise<void>;

  /** The optimisers of one `fit`: AdamW on every variable. The caller's to free. */
  configureOptimizers(): Optimiser[] {
    const { weightDecay } = this;
    return [createOptimiser("adamw", this.variables, { weightDecay })];
  }

  /**
   * Trains, from the weights as they are.
   *
   * @param train Training batches.
   * @param validation Validated after epochs; changes nothing by itself.
   * @returns This estimator.
   * @throws {ConfigError} {ShapeError} for batches that do not fit.
   * @throws {DivergenceError} when a loss or gradient is not finite; `fitted` stays as it was.
   */
  async fit(train: VaeLoader, validation?: VaeLoader): Promise<this> {
    await fitEstimator(this, train, validation);
    this.fitted = true;
    return this;
  }

  /**
   * Refuses an estimator that was never fitted.
   *
   * @param method Which wants it.
   * @throws {RecvaeError} naming `fit` and `load`.
   */
  protected requireFitted(method: string): void {
    if (this.fitted) return;
    throw new RecvaeError(
      `Cannot ${method}: this ${this.constructor.name} is not fitted; call fit first, or load a fitted one`,
    );
  }
}

/** An estimator that makes features of samples. */
export abstract class TransformerEstimator extends BaseEstimator {
  /**
   * Features of a batch, `[B, D]`.
   *
   * @param batch Samples.
   * @param place Number of the batch, for what is drawn.
   */
  abstract transformBatch(batch: ReadBatch, place: { readonly batch: number }): tf.Tensor;

  /**
   * Features of all samples, rows in order.
   *
   * @param loader Batches, or one array of all samples.
   * @returns `[N, D]`.
   * @throws {RecvaeError} when the estimator is not fitted.
   */
  async transform(loader: VaeLoader): Promise<NdArray> {
    this.requireFitted("transform");
    return (await this.#collect(loader, () => {})).features;
  }

  /**
   * Features of all samples with the second part of every batch.
   *
   * @param loader Batches `[x, y]` or `{ x, y }`.
   * @throws {RecvaeError} when the estimator is not fitted.
   * @throws {ConfigError} when a batch has no targets.
   */
  async transformWithTargets(loader: VaeLoader): Promise<TransformedSamples> {
    this.requireFitted("transform");
    const found: Targets[] = [];
    const { features } = await this.#collect(loader, ({ y }) => {
      if (y === undefined) {
        throw new ConfigError(
          "loader",
          "Cannot transform with targets: found a batch without targets, needs batches [x, y] or { x, y }",
        );
      }
      found.push(y);
    });
    return { features, targets: await joinTargets(found) };
  }

  async #collect(loader: VaeLoader, see: (batch: ReadBatch) => void) {
    const parts: NdArray[] = [];
    let at = 0;
    for await (const batch of (await readLoader(loader)).batches(0)) {
      see(batch);
      const z = this.transformBatch(batch, { batch: at++ });
      try {
        parts.push({ data: await toHost(z), shape: z.shape });
      } finally {
        z.dispose();
      }
    }
    if (parts.length === 0) {
      throw new ConfigError("loader", "Cannot transform: the loader has no batches, needs one");
    }
    return { features: stackRows(parts) };
  }
}

/** An estimator that predicts targets of samples. */
export abstract class PredictorEstimator extends BaseEstimator {
  /**
   * Predictions for a batch, `[B, …]`.
   *
   * @param batch Samples.
   */
  abstract predictBatch(batch: ReadBatch): tf.Tensor;

  /**
   * Predictions for all samples, rows in order.
   *
   * @param loader Batches, or one array of all samples.
   * @throws {RecvaeError} when the estimator is not fitted.
   */
  async predict(loader: VaeLoader): Promise<NdArray> {
    this.requireFitted("predict");
    const parts: NdArray[] = [];
    for await (const batch of (await readLoader(loader)).batches(0)) {
      const y = this.predictBatch(batch);
      parts.push({ data: await toHost(y), shape: y.shape });
      y.dispose();
    }
    return stackRows(parts);
  }
}

async function joinTargets(parts: readonly Targets[]): Promise<NdArray | unknown[]> {
  if (parts.every(Array.isArray)) return parts.flat();
  const arrays = await Promise.all(
    parts.map(async (part) =>
      "dataSync" in part
        ? { data: await toHost(part as tf.Tensor), shape: (part as tf.Tensor).shape }
        : part as NdArray
    ),
  );
  return stackRows(arrays);
}
