/**
 * Adam and AdamW, PyTorch's rules (`torch.optim.Adam`, `torch.optim.AdamW`): ε is added to √v̂ after the bias
 * correction [recurrent-vae §8, §13]; Keras adds it to √v before, which `rawEpsilon` asks for [streamlines §7.1].
 *
 * Sources: D. P. Kingma, J. Ba, arXiv:1412.6980; I. Loshchilov, F. Hutter, arXiv:1711.05101.
 */
import { checkOptions, flag, number, record } from "../base/fields.ts";
import { toScalar } from "../backends/tensors.ts";
import type { UpdateRule } from "../backends/update_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { type OptimiserKind, SlotOptimiser, type UpdateTarget } from "./optimiser.ts";

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** Decay of the mean of gradients, 0 ≤ beta1 < 1; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients, 0 ≤ beta2 < 1; default 0.999. */
  readonly beta2?: number;
  /** Added to √v̂, at least 0; default 1e-8. */
  readonly epsilon?: number;
  /** At least 0. Adam adds it times p to the gradient (default 0); AdamW shrinks p directly (default 0.01). */
  readonly weightDecay?: number;
  /** Adds epsilon to √v before the bias correction, as Keras does (with 1e-7). Default false. */
  readonly rawEpsilon?: boolean;
}

/** Options there are. */
const ADAM_OPTIONS = record<AdamOptions>({
  beta1: number({ least: 0, below: 1 }),
  beta2: number({ least: 0, below: 1 }),
  epsilon: number({ least: 0 }),
  weightDecay: number({ least: 0 }),
  rawEpsilon: flag(),
});

/**
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr/(1 − β₁ᵏ)·m/(√v/√(1 − β₂ᵏ) + ε) in update k,
 * with g = gradient + weightDecay·p.
 */
export class Adam extends SlotOptimiser {
  /** Which rule it follows. */
  readonly name: OptimiserKind = "adam";
  /** Options with their defaults filled in. */
  protected readonly settings: Required<AdamOptions>;

  /**
   * Makes an Adam.
   *
   * @param variables Variables to update, by name.
   * @param options See {@link AdamOptions}.
   * @throws {ConfigError} when an option is out of range.
   */
  constructor(variables: ReadonlyMap<string, tf.Variable>, options: AdamOptions = {}) {
    checkOptions(options, ADAM_OPTIONS, { doing: "Cannot make Adam" });
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, rawEpsilon = false } =
      options;
    super(variables, ["first", "second"]);
    this.settings = { beta1, beta2, epsilon, weightDecay, rawEpsilon };
  }

  /** Hyper-parameters, for the state. */
  protected options(): Record<string, number | boolean> {
    const { rawEpsilon, ...others } = this.settings;
    return rawEpsilon ? { ...others, rawEpsilon } : others;
  }

  /** What is added to √v̂ in update k. */
  #floor(stepNumber: number): number {
    const { beta2, epsilon, rawEpsilon } = this.settings;
    return rawEpsilon ? epsilon / Math.sqrt(1 - beta2 ** stepNumber) : epsilon;
  }

  /** The rule of one update. */
  protected rule(stepNumber: number, learningRate: number): (target: UpdateTarget) => void {
    const { beta1, beta2, weightDecay } = this.settings;
    const [keep1, take1, keep2, take2] = [beta1, 1 - beta1, beta2, 1 - beta2].map(toScalar);
    const stepSize = toScalar(learningRate / (1 - beta1 ** stepNumber));
    const correction = toScalar(Math.sqrt(1 - beta2 ** stepNumber));
    const floor = toScalar(this.#floor(stepNumber));
    const decay = toScalar(weightDecay);
    return ({ variable, gradient, slot }) => {
      const g = weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(variable, decay));
      const first = slot("first");
      const second = slot("second");
      first.assign(tf.add(tf.mul(first, keep1), tf.mul(g, take1)));
      second.assign(tf.add(tf.mul(second, keep2), tf.mul(tf.square(g), take2)));
      const scale = tf.add(tf.div(tf.sqrt(second), correction), floor);
      variable.assign(tf.sub(variable, tf.mul(tf.div(first, scale), stepSize)));
    };
  }

  /** The same in one call. */
  protected fused(stepNumber: number, learningRate: number): UpdateRule {
    const { beta1, beta2, weightDecay } = this.settings;
    return {
      name: "adam",
      rate: learningRate / (1 - beta1 ** stepNumber),
      decay: weightDecay,
      keep1: beta1,
      take1: 1 - beta1,
      keep2: beta2,
      take2: 1 - beta2,
      correction: Math.sqrt(1 - beta2 ** stepNumber),
      floor: this.#floor(stepNumber),
    };
  }
}

/** Adam after shrinking p ← p·(1 − lr·weightDecay); the decay never enters the moments. */
export class AdamW extends Adam {
  /** Which rule it follows. */
  override readonly name: OptimiserKind = "adamw";
  readonly #weightDecay: number;

  /**
   * Makes an AdamW.
   *
   * @param variables Variables to update, by name.
   * @param options See {@link AdamOptions}; weightDecay defaults to 0.01.
   * @throws {ConfigError} when an option is out of range.
   */
  constructor(variables: ReadonlyMap<string, tf.Variable>, options: AdamOptions = {}) {
    checkOptions(options, ADAM_OPTIONS, { doing: "Cannot make AdamW" });
    const { weightDecay = 0.01 } = options;
    super(variables, { ...options, weightDecay: 0 });
    this.#weightDecay = weightDecay;
  }

  /** Hyper-parameters, for the state. */
  protected override options(): Record<string, number | boolean> {
    return { ...super.options(), weightDecay: this.#weightDecay };
  }

  /** The rule of one update. */
  protected override rule(
    stepNumber: number,
    learningRate: number,
  ): (target: UpdateTarget) => void {
    const shrink = toScalar(1 - learningRate * this.#weightDecay);
    const update = super.rule(stepNumber, learningRate);
    return (target) => {
      target.variable.assign(tf.mul(target.variable, shrink));
      update(target);
    };
  }

  /** The same in one call. */
  protected override fused(stepNumber: number, learningRate: number): UpdateRule {
    const shrink = 1 - learningRate * this.#weightDecay;
    return { ...super.fused(stepNumber, learningRate), shrink };
  }
}
