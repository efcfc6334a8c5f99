/** The optimisers by name. */
import { ConfigError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";
import { Adam, type AdamOptions, AdamW } from "./adam.ts";
import { checkOptions, isRecord, record } from "../base/fields.ts";
import type { Optimiser, OptimiserKind, SlotOptimiser } from "./optimiser.ts";
import { GroupedOptimiser, PARAMETER_GROUPS, type ParameterGroup } from "./parameter_groups.ts";
import { Sgd, type SgdOptions } from "./sgd.ts";

export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export type { Optimiser, OptimiserKind, OptimiserState } from "./optimiser.ts";
export { type ParameterGroup, type VariableMatch, withoutVariables } from "./parameter_groups.ts";
export { Sgd, type SgdOptions } from "./sgd.ts";

/** Names a user can ask for. */
export const OPTIMISER_KINDS: readonly OptimiserKind[] = ["sgd", "adam", "adamw"];

/** Options of any optimiser; each takes its own and refuses those of another. */
export interface OptimiserOptions extends SgdOptions, AdamOptions {
  /**
   * Variables with a decay or rate of their own: the first group that matches a variable has it. Those that no group
   * matches have the options beside.
   */
  readonly groups?: readonly ParameterGroup[];
}

const GROUP_OPTIONS = record<Pick<OptimiserOptions, "groups">>({ groups: PARAMETER_GROUPS });

/**
 * Makes an optimiser over variables of the current engine.
 *
 * @param kind `"sgd"`, `"adam"` or `"adamw"`.
 * @param variables Variables to update, by name.
 * @param options Momentum, betas, decay; PyTorch's defaults. And groups of variables that differ.
 * @throws {ConfigError} when the name is unknown, an option is out of range or of another optimiser, or a group matches no
 *   variable.
 *
 * @example No decay for biases, and a tenth of the rate for an encoder that was trained before.
 * ```ts ignore
 * const optimiser = createOptimiser("adamw", variables, {
 *   weightDecay: 0.05,
 *   groups: [
 *     { match: /^encoder\./, rateFactor: 0.1 },
 *     { match: (_, variable) => variable.rank < 2, weightDecay: 0 },
 *   ],
 * });
 * ```
 */
export function createOptimiser(
  kind: OptimiserKind,
  variables: ReadonlyMap<string, tf.Variable>,
  options: OptimiserOptions = {},
): Optimiser {
  if (!isRecord(options)) return oneOptimiser(kind, variables, options);
  const { groups = [], ...shared }: OptimiserOptions = options;
  checkOptions({ groups }, GROUP_OPTIONS, { doing: "Cannot make an optimiser" });
  if (groups.length === 0) return oneOptimiser(kind, variables, shared);
  return new GroupedOptimiser(
    variables,
    groups,
    (own, changes) => oneOptimiser(kind, own, { ...shared, ...changes }),
  );
}

function oneOptimiser(
  kind: OptimiserKind,
  variables: ReadonlyMap<string, tf.Variable>,
  options: SgdOptions & AdamOptions,
): SlotOptimiser {
  switch (kind) {
    case "sgd":
      return new Sgd(variables, options);
    case "adam":
      return new Adam(variables, options);
    case "adamw":
      return new AdamW(variables, options);
    default:
      throw new ConfigError(
        "optimiser",
        `Cannot make an optimiser: found "${kind}", needs one of ${OPTIMISER_KINDS.join(", ")}`,
      );
  }
}
