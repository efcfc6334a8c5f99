/** Stochastic gradient descent, PyTorch's rule (`torch.optim.SGD`, dampening 0). */
import { ConfigError } from "../base/errors.ts";
import { checkOptions, flag, number, record } from "../base/fields.ts";
import { toScalar } from "../backends/tensors.ts";
import type { UpdateRule } from "../backends/update_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { type OptimiserKind, SlotOptimiser, type UpdateTarget } from "./optimiser.ts";

/** Options of {@link Sgd}. */
export interface SgdOptions {
  /** 0 ≤ momentum < 1; default 0. */
  readonly momentum?: number;
  /** Look ahead along the momentum; needs momentum above 0. Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty added to the gradient, at least 0; default 0. */
  readonly weightDecay?: number;
}

/** Options there are. */
const SGD_OPTIONS = record<SgdOptions>({
  momentum: number({ least: 0, below: 1 }),
  nesterov: flag(),
  weightDecay: number({ least: 0 }),
});

/**
 * p ← p − lr·d with g = gradient + weightDecay·p, buffer ← momentum·buffer + g, and d = g without momentum, the buffer with
 * it, g + momentum·buffer with Nesterov's look-ahead.
 */
export class Sgd extends SlotOptimiser {
  /** Which rule it follows. */
  readonly name: OptimiserKind = "sgd";
  readonly #options: Required<SgdOptions>;

  /**
   * Makes an SGD.
   *
   * @param variables Variables to update, by name.
   * @param options See {@link SgdOptions}.
   * @throws {ConfigError} when an option is out of range.
   */
  constructor(variables: ReadonlyMap<string, tf.Variable>, options: SgdOptions = {}) {
    checkOptions(options, SGD_OPTIONS, { doing: "Cannot make SGD" });
    const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
    if (nesterov && momentum === 0) {
      throw new ConfigError(
        "nesterov",
        "Cannot make SGD: nesterov needs a momentum above 0, found 0",
      );
    }
    super(variables, momentum > 0 ? ["momentum"] : []);
    this.#options = { momentum, nesterov, weightDecay };
  }

  /** Hyper-parameters, for the state. */
  protected options(): Record<string, number | boolean> {
    return { ...this.#options };
  }

  /** The rule of one update. */
  protected rule(_stepNumber: number, learningRate: number): (target: UpdateTarget) => void {
    const { momentum, nesterov, weightDecay } = this.#options;
    const [rate, inertia, decay] = [learningRate, momentum, weightDecay].map(toScalar);
    return ({ variable, gradient, slot }) => {
      const g = weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(variable, decay));
      let direction = g;
      if (momentum > 0) {
        const buffer = slot("momentum");
        buffer.assign(tf.add(tf.mul(buffer, inertia), g));
        direction = nesterov ? tf.add(g, tf.mul(buffer, inertia)) : buffer;
      }
      variable.assign(tf.sub(variable, tf.mul(direction, rate)));
    };
  }

  /** The same in one call. */
  protected fused(_stepNumber: number, learningRate: number): UpdateRule {
    const { momentum, nesterov, weightDecay } = this.#options;
    const name = momentum === 0 ? "sgd" : nesterov ? "nesterov" : "momentum";
    return { name, rate: learningRate, decay: weightDecay, keep1: momentum };
  }
}
