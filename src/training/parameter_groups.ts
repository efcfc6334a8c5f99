/**
 * Variables that are trained differently: groups with a decay or learning rate of their own, and variables that are not
 * trained at all.
 */
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { list, number, other, record } from "../base/fields.ts";
import type { tf } from "../deps/tfjs.ts";
import type { Optimiser, OptimiserKind, OptimiserState, SlotOptimiser } from "./optimiser.ts";

/** Which variables: those whose name fits the expression, or those the function says yes to. */
export type VariableMatch = RegExp | ((name: string, variable: tf.Variable) => boolean);

/** What is different for some variables. */
export interface ParameterGroup {
  /** Which ones. */
  readonly match: VariableMatch;
  /** In place of the optimiser's weight decay, at least 0. */
  readonly weightDecay?: number;
  /** Factor on the learning rate, above 0; default 1. */
  readonly rateFactor?: number;
}

/** Fields there are. */
export const PARAMETER_GROUPS = list(
  record<ParameterGroup>({
    match: other(
      "a regular expression, or a function of name and variable",
      (value) => value instanceof RegExp || typeof value === "function",
    ),
    weightDecay: number({ least: 0 }),
    rateFactor: number({ above: 0 }),
  }, ["match"]),
);

/**
 * Freezes variables by leaving them out: for `variables` of a model in training and for the optimiser.
 *
 * @param variables By name.
 * @param frozen Which to leave out.
 * @throws {ConfigError} when none of them is left out.
 */
export function withoutVariables(
  variables: ReadonlyMap<string, tf.Variable>,
  frozen: VariableMatch,
): Map<string, tf.Variable> {
  const trained = new Map(
    [...variables].filter(([name, variable]) => !matches(frozen, name, variable)),
  );
  if (trained.size < variables.size) return trained;
  throw new ConfigError(
    "frozen",
    `Cannot freeze: ${inWords(frozen)} fits none of the variables ${
      [...variables.keys()].join(", ")
    }`,
  );
}

/** Some variables with their own optimiser, and what their group changes. */
interface Part {
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly optimiser: SlotOptimiser;
  readonly rateFactor: number;
  /** Index of the group; −1 for the variables that are in none. */
  readonly group: number;
}

/** Optimisers of one rule over the groups of one set of variables, which step together. */
export class GroupedOptimiser implements Optimiser {
  readonly #parts: readonly Part[];

  /**
   * Makes the optimisers.
   *
   * @param variables Variables to update, by name.
   * @param groups The first that matches a variable has it.
   * @param make Makes the optimiser of a part, with what its group changes.
   * @throws {ConfigError} when a group is left without variables.
   */
  constructor(
    variables: ReadonlyMap<string, tf.Variable>,
    groups: readonly ParameterGroup[],
    make: (
      variables: ReadonlyMap<string, tf.Variable>,
      changes: { readonly weightDecay?: number },
    ) => SlotOptimiser,
  ) {
    const [rest, ...members] = divide(variables, groups);
    this.#parts = [
      ...(rest.size > 0
        ? [{ variables: rest, optimiser: make(rest, {}), rateFactor: 1, group: -1 }]
        : []),
      ...members.map((own, group): Part => {
        if (own.size === 0) throw emptyGroup(groups[group], group, variables);
        const { weightDecay, rateFactor = 1 } = groups[group];
        const changes = weightDecay === undefined ? {} : { weightDecay };
        return { variables: own, optimiser: make(own, changes), rateFactor, group };
      }),
    ];
  }

  /** Which rule it follows. */
  get name(): OptimiserKind {
    return this.#parts[0].optimiser.name;
  }

  /** Updates made so far. */
  get stepCount(): number {
    return this.#parts[0].optimiser.stepCount;
  }

  /** Makes one update of all groups. */
  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void {
    for (const { optimiser, rateFactor } of this.#parts) {
      optimiser.step(gradients, learningRate * rateFactor);
    }
  }

  /** Copies the state to the host: that of one optimiser over all variables. */
  async state(): Promise<OptimiserState> {
    const states = await Promise.all(this.#parts.map(({ optimiser }) => optimiser.state()));
    const options: Record<string, number | boolean> = { ...states[0].options };
    this.#parts.forEach(({ group, rateFactor }, i) => {
      if (group < 0) return;
      options[`groups.${group}.weightDecay`] = states[i].options.weightDecay;
      options[`groups.${group}.rateFactor`] = rateFactor;
    });
    return {
      ...states[0],
      options,
      tensors: new Map(states.flatMap(({ tensors }) => [...tensors])),
    };
  }

  /** Takes over a state, also that of an optimiser without groups. */
  loadState(state: OptimiserState): void {
    const states = this.#parts.map(({ variables }) => {
      const own = [...state.tensors].filter(([key]) => variables.has(variableOf(key)));
      return { ...state, tensors: new Map(own) };
    });
    const count = states.reduce((sum, { tensors }) => sum + tensors.size, 0);
    if (count < state.tensors.size) {
      throw new CheckpointError(
        "optimiser state",
        `Cannot restore the optimiser: found ${
          state.tensors.size - count
        } tensors of other variables, needs only ` +
          "those of this model's; resume with the run's own settings",
      );
    }
    this.#parts.forEach(({ optimiser }, i) => optimiser.checkState(states[i]));
    this.#parts.forEach(({ optimiser }, i) => optimiser.loadState(states[i]));
  }

  /** Frees the slots; the variables stay. */
  dispose(): void {
    for (const { optimiser } of this.#parts) optimiser.dispose();
  }
}

/** The variables that no group has, then those of each group. */
function divide(
  variables: ReadonlyMap<string, tf.Variable>,
  groups: readonly ParameterGroup[],
): Map<string, tf.Variable>[] {
  const parts = [undefined, ...groups].map(() => new Map<string, tf.Variable>());
  for (const [name, variable] of variables) {
    const group = groups.findIndex(({ match }) => matches(match, name, variable));
    parts[group + 1].set(name, variable);
  }
  return parts;
}

function matches(match: VariableMatch, name: string, variable: tf.Variable): boolean {
  return match instanceof RegExp ? name.search(match) >= 0 : match(name, variable);
}

/** `"momentum.encoder.0.weight"` belongs to `"encoder.0.weight"`. */
function variableOf(key: string): string {
  return key.slice(key.indexOf(".") + 1);
}

function emptyGroup(
  { match }: ParameterGroup,
  index: number,
  variables: ReadonlyMap<string, tf.Variable>,
): ConfigError {
  return new ConfigError(
    `groups[${index}]`,
    `Cannot make an optimiser: groups[${index}] (${
      inWords(match)
    }) has no variable that an earlier group does not ` +
      `have, needs at least one of ${[...variables.keys()].join(", ")}`,
  );
}

function inWords(match: VariableMatch): string {
  return match instanceof RegExp ? String(match) : "the function";
}
