/**
 * The updates of one batch: the phases of a model in their order, each with its gradients looked at and clipped, and its
 * own optimiser. A model of one phase is the common case.
 */
import { type Batch, namedRows, rowsOf, type StepPosition } from "../base/batches.ts";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { checkOptions, integer, number, other, record } from "../base/fields.ts";
import { tf } from "../deps/tfjs.ts";
import { clipGradients } from "./clipping.ts";
import { type BatchReport, isOneOptimiser, type LoopOptions } from "./loop_options.ts";
import type { Optimiser } from "./optimiser.ts";
import type { PhasedTrainable, Trainable, TrainingPhase, UpdatePosition } from "./trainable.ts";
import type { TrainingState } from "./training_state.ts";
import { type BatchPosition, checkLosses, checkTensors } from "./watchdog.ts";

/** What holds for all updates of a batch. */
export interface StepSettings {
  /** Where the batch stands. */
  readonly position: StepPosition;
  /** The schedule's rate. */
  readonly learningRate: number;
  /** What a person calls a row. */
  readonly describe?: (row: number) => string;
  /** Told of every update. */
  readonly onBatch?: (report: BatchReport) => void;
}

/** A phase and what updates its variables. */
interface Updater<B extends Batch> {
  readonly phase: TrainingPhase<B>;
  readonly optimiser: Optimiser;
  readonly repeats: number;
}

const PHASE_FIELDS = record<
  Pick<TrainingPhase<Batch>, "name" | "repeats" | "rateFactor" | "clipNorm">
>(
  {
    name: other('text without "/"', (value) => typeof value === "string" && /^[^/]+$/.test(value)),
    repeats: integer({ least: 1 }),
    rateFactor: number({ above: 0 }),
    clipNorm: number({ above: 0, most: Infinity }),
  },
  ["name"],
);

/** The phases of a model with their optimisers. */
export class PhaseUpdates<B extends Batch> {
  readonly #updaters: readonly Updater<B>[];
  readonly #clipNorm: number | undefined;

  /**
   * Puts phases and optimisers together.
   *
   * @param trainable Of one phase or several.
   * @param options Of the loop: the optimiser or optimisers, and the norm to clip to.
   * @throws {ConfigError} when a phase is not sound or lacks an optimiser.
   */
  constructor(trainable: Trainable<B> | PhasedTrainable<B>, options: LoopOptions) {
    this.#updaters = "phases" in trainable
      ? updatersOf(trainable.phases, options.optimiser)
      : [onlyUpdater(trainable, options.optimiser)];
    this.#clipNorm = options.clipNorm;
  }

  /** Batches trained so far, counted by the first phase's optimiser. */
  get step(): number {
    const [{ optimiser, repeats }] = this.#updaters;
    return Math.floor(optimiser.stepCount / repeats);
  }

  /** Updates made so far, of all phases. */
  get made(): number {
    return this.#updaters.reduce((sum, { optimiser }) => sum + optimiser.stepCount, 0);
  }

  /** Largest joint gradient norm of every phase that has none of its own. */
  get clipNorm(): number | undefined {
    return this.#clipNorm;
  }

  /**
   * Makes all updates of a batch.
   *
   * @param batch To train on.
   * @param settings What holds for all of them.
   * @returns The loss terms as the metrics have them: means over repeats, with several phases by `"<phase>.<term>"`.
   * @throws {DivergenceError} when a loss or gradient is not finite, before it touches a weight.
   */
  async run(batch: B, settings: StepSettings): Promise<Readonly<Record<string, number>>> {
    const totals: Record<string, number> = {};
    const add = (name: string, value: number) => totals[name] = (totals[name] ?? 0) + value;
    for (const updater of this.#updaters) {
      const { phase, repeats } = updater;
      for (let repeat = 0; repeat < repeats; repeat++) {
        const position = repeats === 1 ? settings.position : { ...settings.position, repeat };
        const losses = await this.#update(updater, batch, { ...settings, position });
        if (this.#several) add("loss", losses.loss / repeats);
        for (const [name, value] of Object.entries(losses)) {
          add(this.#several ? `${phase.name}.${name}` : name, value / repeats);
        }
      }
    }
    return totals;
  }

  /**
   * Stops training when a weight is not finite.
   *
   * @param position The latest batch.
   * @throws {DivergenceError}
   */
  async checkWeights(position: BatchPosition): Promise<void> {
    for (const { phase } of this.#updaters) {
      await checkTensors(phase.variables, position, { what: "weight" });
    }
  }

  /** Copies the state of every optimiser to the host. */
  async states(): Promise<Pick<TrainingState, "optimiser" | "phases">> {
    const [optimiser, ...others] = await Promise.all(
      this.#updaters.map(({ optimiser }) => optimiser.state()),
    );
    if (others.length === 0) return { optimiser };
    const names = this.#updaters.slice(1).map(({ phase }) => phase.name);
    return { optimiser, phases: new Map(others.map((state, i) => [names[i], state])) };
  }

  /**
   * Takes such states over.
   *
   * @throws {CheckpointError} when they belong to other phases or optimisers.
   */
  loadStates({ optimiser, phases = new Map() }: Pick<TrainingState, "optimiser" | "phases">): void {
    const [first, ...others] = this.#updaters;
    const needed = others.map(({ phase }) => phase.name);
    const found = [...phases.keys()];
    if (found.toSorted().join("/") !== needed.toSorted().join("/")) {
      const list = (names: string[]) => names.map((name) => `"${name}"`).join(", ") || "none";
      throw new CheckpointError(
        "training state",
        `Cannot resume: beside the first phase's optimiser found those of ${list(found)}, needs ${
          list(needed)
        }; resume with the run's own phases`,
      );
    }
    first.optimiser.loadState(optimiser);
    for (const other of others) other.optimiser.loadState(phases.get(other.phase.name)!);
  }

  get #several(): boolean {
    return this.#updaters.length > 1;
  }

  /** One update of one phase. */
  async #update(
    { phase, optimiser }: Updater<B>,
    batch: B,
    { position, describe, onBatch, ...settings }: StepSettings & {
      readonly position: UpdatePosition;
    },
  ): Promise<{ readonly loss: number } & Readonly<Record<string, number>>> {
    const learningRate = settings.learningRate * (phase.rateFactor ?? 1);
    const clipNorm = phase.clipNorm ?? this.#clipNorm;
    const update = { learningRate, clipNorm, made: this.made };
    const where = { ...position, ...namedRows(batch), describe, update };
    const outcome = await phase.computeGradients(batch, position);
    const { gradients } = outcome;
    const losses = { ...outcome.losses };
    try {
      dropFrozen(gradients, phase.variables);
      checkLosses(this.#several ? prefixed(losses, phase.name) : losses, where);
      const squaredNorms = await checkTensors(gradients, where);
      const gradientNorm = clipNorm === undefined
        ? Math.sqrt(squaredNorms.reduce((sum, value) => sum + value, 0))
        : clipGradients(gradients, { maxNorm: clipNorm, squaredNorms });
      optimiser.step(gradients, learningRate);
      const rows = rowsOf(batch);
      const report = { ...position, rows, subjects: rows, losses, gradientNorm, learningRate };
      const which = this.#several ? { phase: phase.name } : {};
      onBatch?.({ ...report, ...which, step: optimiser.stepCount });
    } finally {
      tf.dispose([...gradients.values()]);
    }
    return losses;
  }
}

/** Forgets the gradients of variables that are not trained. */
function dropFrozen(
  gradients: Map<string, tf.Tensor>,
  variables: ReadonlyMap<string, tf.Variable>,
): void {
  for (const [name, gradient] of gradients) {
    if (variables.has(name)) continue;
    gradient.dispose();
    gradients.delete(name);
  }
}

function prefixed(losses: Readonly<Record<string, number>>, phase: string) {
  return Object.fromEntries(
    Object.entries(losses).map(([name, value]) => [`${phase}.${name}`, value]),
  );
}

function onlyUpdater<B extends Batch>(
  trainable: Trainable<B>,
  optimiser: LoopOptions["optimiser"],
): Updater<B> {
  if (!isOneOptimiser(optimiser)) {
    throw refusal(
      "optimiser",
      `found optimisers of the phases ${
        Object.keys(optimiser).join(", ")
      }, needs one optimiser, because the ` +
        "model has no phases",
    );
  }
  const { variables } = trainable;
  const phase: TrainingPhase<B> = {
    name: "",
    variables,
    computeGradients: (batch, position) => trainable.computeGradients(batch, position),
  };
  return { phase, optimiser, repeats: 1 };
}

function updatersOf<B extends Batch>(
  phases: readonly TrainingPhase<B>[],
  given: LoopOptions["optimiser"],
): Updater<B>[] {
  for (const { name, repeats, rateFactor, clipNorm } of phases) {
    const doing = `Cannot train the phase "${name}"`;
    checkOptions({ name, repeats, rateFactor, clipNorm }, PHASE_FIELDS, { doing });
  }
  const names = phases.map(({ name }) => name);
  if (names.length === 0 || new Set(names).size < names.length) {
    const found = names.length === 0 ? "none" : names.join(", ");
    throw refusal(
      "phases",
      `the model's phases are ${found}, needs at least one, each with a name of its own`,
    );
  }
  const optimisers = isOneOptimiser(given) && phases.length === 1 ? { [names[0]]: given } : given;
  const found = isOneOptimiser(optimisers) ? [] : Object.keys(optimisers);
  if (isOneOptimiser(optimisers) || found.toSorted().join("/") !== names.toSorted().join("/")) {
    throw refusal(
      "optimiser",
      `found ${
        found.length === 0 ? "one optimiser" : `optimisers of ${found.join(", ")}`
      }, needs one for each phase: ${names.join(", ")}`,
    );
  }
  return phases.map((phase) => ({
    phase,
    optimiser: optimisers[phase.name],
    repeats: phase.repeats ?? 1,
  }));
}

function refusal(field: string, clause: string): ConfigError {
  return new ConfigError(field, `Cannot train: ${clause}`);
}
