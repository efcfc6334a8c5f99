/** The optimisers by name. */
import { ConfigError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";
import { Adam, type AdamOptions, AdamW } from "./adam.ts";
import type { Optimiser, OptimiserKind } from "./optimiser.ts";
import { Sgd, type SgdOptions } from "./sgd.ts";

export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export type { Optimiser, OptimiserKind, OptimiserState } from "./optimiser.ts";
export { Sgd, type SgdOptions } from "./sgd.ts";

/** Names a user can ask for. */
export const OPTIMISER_KINDS: readonly OptimiserKind[] = ["sgd", "adam", "adamw"];

/** Options of any optimiser; each takes its own and refuses those of another. */
export type OptimiserOptions = SgdOptions & AdamOptions;

/**
 * Makes an optimiser over variables of the current engine.
 *
 * @param kind `"sgd"`, `"adam"` or `"adamw"`.
 * @param variables Variables to update, by name.
 * @param options Momentum, betas, decay; PyTorch's defaults.
 * @throws {ConfigError} when the name is unknown, or an option is out of range or of another optimiser.
 */
export function createOptimiser(
  kind: OptimiserKind,
  variables: ReadonlyMap<string, tf.Variable>,
  options: OptimiserOptions = {},
): Optimiser {
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
