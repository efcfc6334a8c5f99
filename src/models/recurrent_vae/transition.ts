/**
 * The F update of a configuration [recurrent-vae §5].
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import { ShapeError } from "../../base/errors.ts";
import { solveTransitionMatrix } from "../../linalg/ridge.ts";
import type { RecurrentVaeConfig } from "./config.ts";

/**
 * Ridge regression of every state on its predecessor.
 *
 * @param config Supplies σ_h, ρ, D and the penalty rule.
 * @param problem.states `[N, T, D]`.
 * @param problem.initialState `[D]` or `[1, D]`.
 * @param problem.rho Overrides the configuration's ρ.
 * @returns F `[D, D]`, float64.
 * @throws {ShapeError} for another width; the message contains "latent_dim".
 */
export function solveTransition(
  config: RecurrentVaeConfig,
  problem: { readonly states: NdArray; readonly initialState: FloatArray; readonly rho?: number },
): Float64Array {
  const { states, initialState } = problem;
  const { latentDim, sigH, ridgePenalty } = config;
  const [subjects, frames, width] = states.shape;
  if (states.shape.length !== 3 || width !== latentDim) {
    throw new ShapeError(
      `Cannot solve for F: found states of shape [${states.shape}] with width ${width}, needs ` +
        `[N, T, ${latentDim}] (latent_dim is ${latentDim})`,
      states.shape,
      `[N, T, ${latentDim}]`,
    );
  }
  return solveTransitionMatrix({
    states: states.data,
    initialState,
    subjects,
    frames,
    latentDim,
    sigH,
    rho: problem.rho ?? config.rho,
    penalty: ridgePenalty,
  });
}
