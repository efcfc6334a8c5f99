/** Scores of a model's reconstructions and predictions one step ahead, beside those of the linear methods. */
import type { FloatArray } from "../base/arrays.ts";
import { type ExplainedShare, VarianceExplained } from "./variance_explained.ts";

/** Shares of variance that a model explains. */
export interface ModelShares {
  /** Of every observed frame, by its reconstruction. */
  readonly model: ExplainedShare;
  /** One step ahead, by the state alone. */
  readonly modelState: ExplainedShare;
  /** One step ahead, with what is left of the frame before times its autocorrelation φ. */
  readonly modelAhead: ExplainedShare;
}

/** What a model says about one frame. */
export interface ModelFrame {
  /** Its reconstruction `[V]`. */
  readonly reconstruction: FloatArray;
  /** What the frames before it predict, by the state alone, `[V]`; absent for a run's first frame. */
  readonly predicted?: FloatArray;
}

/** Fed frame by frame, run by run. */
export class ModelScorer {
  readonly #phi: FloatArray;
  readonly #scores: Record<keyof ModelShares, VarianceExplained>;
  readonly #residual: Float64Array;
  #last = -Infinity;
  #run = -1;

  /**
   * @param mean x̄, mean of the training frames `[V]`.
   * @param phi φ, autocorrelation of the model's residuals on the training runs `[V]`.
   */
  constructor(mean: FloatArray, phi: FloatArray) {
    this.#phi = phi;
    this.#residual = new Float64Array(mean.length);
    this.#scores = {
      model: new VarianceExplained(mean),
      modelState: new VarianceExplained(mean),
      modelAhead: new VarianceExplained(mean),
    };
  }

  /**
   * Scores an observed frame; a prediction counts where the frame before was given too.
   *
   * @param x Frame `[V]`.
   * @param frame What the model says.
   * @param place Run and frame number; frames of a run come in their order.
   */
  add(
    x: FloatArray,
    { reconstruction, predicted }: ModelFrame,
    { run, t }: { readonly run: number; readonly t: number },
  ): void {
    this.#scores.model.add(x, reconstruction, run);
    if (predicted && run === this.#run && t === this.#last + 1) {
      this.#scores.modelState.add(x, predicted, run);
      const ahead = Float64Array.from(
        predicted,
        (value, v) => value + this.#phi[v] * this.#residual[v],
      );
      this.#scores.modelAhead.add(x, ahead, run);
    }
    for (let v = 0; v < x.length; v++) this.#residual[v] = x[v] - reconstruction[v];
    this.#run = run;
    this.#last = t;
  }

  /** The shares so far. */
  result(): ModelShares {
    const { model, modelState, modelAhead } = this.#scores;
    return {
      model: model.result(),
      modelState: modelState.result(),
      modelAhead: modelAhead.result(),
    };
  }
}
