/** What a fitted estimator's features know about targets. */
import { probeFeatures, type ProbeResult } from "../../evaluation/probing.ts";
import type { TransformerEstimator } from "./base_estimator.ts";
import type { VaeLoader } from "./batches.ts";

/** Options of {@link ModelProbing.score}. */
export interface ProbingOptions {
  /** Group of each sample, in the loader's order: never divided between fitting and testing. Default: each its own. */
  readonly groups?: readonly string[];
  /** Of the inner folds. Default 0. */
  readonly seed?: number;
}

/** A linear probe on an estimator's features: logistic regression for classes, ridge regression for numbers. */
export class ModelProbing {
  /**
   * Makes one.
   *
   * @param estimator A fitted one; with `stochasticTransform` its draws are probed, else its means.
   */
  constructor(readonly estimator: TransformerEstimator) {}

  /**
   * Cross-validates the probe, every group held out once (at most ten folds).
   *
   * @param loader Batches `[x, y]`, y a class or number a sample.
   * @param options See {@link ProbingOptions}.
   * @throws {RecvaeError} when the estimator is not fitted.
   * @throws {ConfigError} when a batch has no targets, or there are too few.
   */
  async score(loader: VaeLoader, options: ProbingOptions = {}): Promise<ProbeResult> {
    const { features, targets } = await this.estimator.transformWithTargets(loader);
    const list: readonly unknown[] = "data" in targets ? [...targets.data] : targets;
    return await probeFeatures(features, {
      targets: list.map(String),
      groups: options.groups ?? list.map((_, row) => String(row)),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
  }
}
