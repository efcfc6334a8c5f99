/**
 * What an optimiser is, and the bookkeeping all of them share: variables, the tensors kept per variable
 * ("slots"), and their way into and out of a checkpoint. The update rules stand in sgd.ts and adam.ts.
 */
import type { FloatArray, NdArray } from "../base/arrays.ts";
import { CheckpointError, ConfigError, ShapeError } from "../base/errors.ts";
import { toHost, toTensor } from "../backends/tensors.ts";
import { runUpdate, type UpdateRule } from "../backends/update_contract.ts";
import { tf } from "../deps/tfjs.ts";

/** Names of the optimisers. */
export type OptimiserKind = "sgd" | "adam" | "adamw";

/** Everything an optimiser needs to go on as if it had never stopped. */
export interface OptimiserState {
  /** Which rule it belongs to. */
  readonly kind: OptimiserKind;
  /** Updates made so far. */
  readonly step: number;
  /** Hyper-parameters in force, for the record. */
  readonly options: Readonly<Record<string, number | boolean>>;
  /** Slots by `"<slot>.<variable>"`, e.g. `"momentum.encoder1.0.weight"`, in the variables' memory layout. */
  readonly tensors: ReadonlyMap<string, NdArray<FloatArray>>;
}

/** Updates variables from gradients. */
export interface Optimiser {
  /** Which rule it follows. */
  readonly name: OptimiserKind;
  /** Updates made so far. */
  readonly stepCount: number;
  /**
   * Makes one update.
   *
   * @param gradients By variable name; others than the optimiser's variables are ignored. Not disposed.
   * @param learningRate Step size of this update.
   * @throws {ConfigError} when a variable has no gradient.
   * @throws {ShapeError} when a gradient has another shape than its variable.
   */
  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void;
  /** Copies the state to the host. */
  state(): Promise<OptimiserState>;
  /**
   * Takes over a state.
   *
   * @throws {CheckpointError} when it belongs to another optimiser or other variables; nothing is changed then.
   */
  loadState(state: OptimiserState): void;
  /** Frees the slots; the variables stay. */
  dispose(): void;
}

/** One variable with its gradient and slots, as an update rule sees it. */
export interface UpdateTarget {
  /** To be assigned its new value. */
  readonly variable: tf.Variable;
  /** Same shape as the variable. */
  readonly gradient: tf.Tensor;
  /** The slot of that name for this variable. */
  slot(name: string): tf.Variable;
}

/** Base of the optimisers: a subclass names its slots and says how one variable is updated. */
export abstract class SlotOptimiser implements Optimiser {
  /** Which rule it follows. */
  abstract readonly name: OptimiserKind;
  readonly #variables: ReadonlyMap<string, tf.Variable>;
  readonly #slots = new Map<string, tf.Variable>();
  /** The same by slot name, in the order of the variables. */
  readonly #slotLists: readonly (readonly tf.Variable[])[];
  #stepCount = 0;

  /**
   * Makes the slots.
   *
   * @param variables Variables to update, by name.
   * @param slotNames Tensors kept per variable, zero at first.
   */
  constructor(
    variables: ReadonlyMap<string, tf.Variable>,
    private readonly slotNames: readonly string[],
  ) {
    this.#variables = variables;
    for (const [name, variable] of variables) {
      for (const slot of slotNames) {
        const zeros = toTensor(new Float32Array(variable.size), variable.shape);
        this.#slots.set(`${slot}.${name}`, tf.variable(zeros, false));
        zeros.dispose();
      }
    }
    this.#slotLists = slotNames.map((slot) =>
      [...variables.keys()].map((name) => this.#slots.get(`${slot}.${name}`)!)
    );
  }

  /** Hyper-parameters, for the state. */
  protected abstract options(): Record<string, number | boolean>;

  /**
   * Prepares what all variables share in this update (scalar tensors, say) and gives the rule for one variable. Runs
   * inside a tidy.
   *
   * @param stepNumber 1 for the first update.
   * @param learningRate Step size.
   */
  protected abstract rule(
    stepNumber: number,
    learningRate: number,
  ): (target: UpdateTarget) => void;

  /**
   * The same update for an engine that makes it for all variables in one call: its numbers, and the slots that are `first` and
   * `second` in it are those named in the constructor, in this order.
   *
   * @param stepNumber 1 for the first update.
   * @param learningRate Step size.
   */
  protected abstract fused(stepNumber: number, learningRate: number): UpdateRule;

  get stepCount(): number {
    return this.#stepCount;
  }

  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    for (const [name, variable] of this.#variables) checkGradient(name, variable, gradients);
    if (!this.#stepInOneCall(gradients, learningRate)) this.#stepEach(gradients, learningRate);
    this.#stepCount++;
  }

  /** False when the engine has no kernel for it. */
  #stepInOneCall(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): boolean {
    const [first, second] = this.#slotLists;
    const targets = [...this.#variables].map(([name, value], i) => ({
      value,
      gradient: gradients.get(name)!,
      first: first?.[i],
      second: second?.[i],
    }));
    const rule = this.fused(this.#stepCount + 1, learningRate);
    const fresh = runUpdate({ targets, rule });
    fresh?.forEach((tensor, i) => {
      if (tensor === null) return;
      targets[i].value.assign(tensor);
      tensor.dispose();
    });
    return fresh !== null;
  }

  #stepEach(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    tf.tidy(() => {
      const update = this.rule(this.#stepCount + 1, learningRate);
      for (const [name, variable] of this.#variables) {
        const slot = (slotName: string) => this.#slots.get(`${slotName}.${name}`)!;
        update({ variable, gradient: gradients.get(name)!, slot });
      }
    });
  }

  async state(): Promise<OptimiserState> {
    const step = this.#stepCount;
    // All transfers at once: a device may take milliseconds to answer each.
    const copies = [...this.#slots].map(async (
      [name, slot],
    ): Promise<[string, NdArray<FloatArray>]> => [
      name,
      { data: await toHost(slot), shape: [...slot.shape] },
    ]);
    const tensors = new Map(await Promise.all(copies));
    return { kind: this.name, step, options: this.options(), tensors };
  }

  loadState(state: OptimiserState): void {
    this.checkState(state);
    for (const [name, slot] of this.#slots) {
      const { data, shape } = state.tensors.get(name)!;
      const tensor = toTensor(data, shape);
      slot.assign(tensor);
      tensor.dispose();
    }
    this.#stepCount = state.step;
  }

  dispose(): void {
    for (const slot of this.#slots.values()) slot.dispose();
    this.#slots.clear();
  }

  /**
   * Looks at a state without taking it over.
   *
   * @throws {CheckpointError} as {@link loadState}.
   */
  checkState(state: OptimiserState): void {
    const refuse = (found: string, needed: string) => {
      throw new CheckpointError(
        "optimiser state",
        `Cannot restore the optimiser: found ${found}, needs ${needed}; resume with the run's own settings`,
      );
    };
    if (state.kind !== this.name) refuse(`a state of "${state.kind}"`, `one of "${this.name}"`);
    if (!Number.isSafeInteger(state.step) || state.step < 0) {
      refuse(`step ${state.step}`, "a whole number of at least 0");
    }
    for (const [name, slot] of this.#slots) {
      const found = state.tensors.get(name);
      if (!found) refuse(`no tensor "${name}"`, `${this.slotNames.join(", ")} for every variable`);
      else if (found.shape.join() !== slot.shape.join()) {
        refuse(`"${name}" of shape [${found.shape}]`, `[${slot.shape}]`);
      }
    }
    for (const name of state.tensors.keys()) {
      if (!this.#slots.has(name)) {
        refuse(`tensor "${name}"`, "only tensors of this model's variables");
      }
    }
  }
}

function checkGradient(
  name: string,
  variable: tf.Variable,
  gradients: ReadonlyMap<string, tf.Tensor>,
): void {
  const gradient = gradients.get(name);
  if (gradient === undefined) {
    throw new ConfigError(
      "gradients",
      `Cannot update "${name}": found no gradient of that name, needs one for every variable of the ` +
        "optimiser; give the optimiser only the variables that are trained",
    );
  }
  if (!tf.util.arraysEqual(gradient.shape, variable.shape)) {
    throw new ShapeError(
      `Cannot update "${name}": its gradient has shape [${gradient.shape}], needs [${variable.shape}]`,
      gradient.shape,
      `[${variable.shape}]`,
    );
  }
}
