/** An optimiser behind whose updates some variables are brought back to where they may be. */
import type { tf } from "../deps/tfjs.ts";
import type { Optimiser, OptimiserState } from "./optimiser.ts";

/**
 * Puts a projection behind every update, for weight constraints such as a norm of one.
 *
 * @param inner Makes the updates; disposed with the result.
 * @param project Changes variables; called after each update, never before the first.
 */
export function constrainedOptimiser(inner: Optimiser, project: () => void): Optimiser {
  return {
    name: inner.name,
    get stepCount() {
      return inner.stepCount;
    },
    step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number) {
      inner.step(gradients, learningRate);
      project();
    },
    state: () => inner.state(),
    loadState: (state: OptimiserState) => inner.loadState(state),
    dispose: () => inner.dispose(),
  };
}
