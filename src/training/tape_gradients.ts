/** Losses and gradients of a model that is written as a plain forward function, by the tape of TensorFlow.js. */
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import "../ops/stock_gradients.ts";
import { readBack } from "../ops/read_back.ts";

/** Loss terms of a step; `loss` is the one that is differentiated. */
export type LossTerms = { readonly loss: tf.Tensor } & Readonly<Record<string, tf.Tensor>>;

/** Result of {@link tapeGradients}: what `Trainable.computeGradients` answers. */
export interface TapeOutcome<Terms extends LossTerms> {
  /** Values of the terms by name. */
  readonly losses: { readonly [Name in keyof Terms]: number } & { readonly loss: number };
  /** ∂loss/∂variable by the variable's name in the map; zeros where the loss does not depend on it. The caller's. */
  readonly gradients: Map<string, tf.Tensor>;
}

/**
 * Runs a forward function once and differentiates its loss. All terms travel to the host in one transfer; nothing but the
 * gradients is left behind, also when the function throws.
 *
 * @param variables What to differentiate by, by name; at least one.
 * @param terms The forward pass: synchronous, made of operations with gradients (those of this library,
 *   and the usual ones of TensorFlow.js). Every term is one number, shape `[]`.
 * @throws {ConfigError} when there is no variable, or a term is no scalar.
 *
 * @example One step of a trainable.
 * ```ts ignore
 * computeGradients: (batch) => tapeGradients(variables, () => {
 *   const error = meanSquaredError(model(batch.x), batch.y);
 *   const penalty = klDivergence(mean, logVariance);
 *   return { loss: add(error, penalty), error, penalty };
 * }),
 * ```
 */
export async function tapeGradients<Terms extends LossTerms>(
  variables: ReadonlyMap<string, tf.Variable>,
  terms: () => Terms,
): Promise<TapeOutcome<Terms>> {
  if (variables.size === 0) {
    throw new ConfigError(
      "variables",
      "Cannot compute gradients: found no variables, needs at least one; give the variables that are trained",
    );
  }
  const { kept, gradients } = differentiate(variables, terms);
  try {
    const values = await readBack(kept);
    const losses = Object.fromEntries(
      Object.entries(values).map(([name, [value]]) => [name, value]),
    );
    return { losses: losses as TapeOutcome<Terms>["losses"], gradients };
  } catch (error) {
    for (const gradient of gradients.values()) gradient.dispose();
    throw error;
  } finally {
    for (const term of Object.values(kept)) term.dispose();
  }
}

/** The terms and gradients, the caller's to free. */
function differentiate(
  variables: ReadonlyMap<string, tf.Variable>,
  terms: () => LossTerms,
): { kept: Record<string, tf.Tensor>; gradients: Map<string, tf.Tensor> } {
  const kept: Record<string, tf.Tensor> = {};
  try {
    return tf.tidy(() => {
      const forward = () => {
        const found = terms();
        for (const [name, term] of Object.entries(found)) {
          checkTerm(name, term);
          kept[name] = tf.keep(term.clone());
        }
        return found.loss;
      };
      const { grads } = tf.engine().gradients(forward, [...variables.values()], undefined, true);
      const names = [...variables.keys()];
      const gradients = names.map((name, i): [string, tf.Tensor] => [
        name,
        tf.keep(grads[i]?.clone() ?? tf.zeros(variables.get(name)!.shape)),
      ]);
      return { kept, gradients: new Map(gradients) } as unknown as tf.TensorContainer;
    }) as unknown as { kept: Record<string, tf.Tensor>; gradients: Map<string, tf.Tensor> };
  } catch (error) {
    for (const term of Object.values(kept)) term.dispose();
    dropTape();
    throw error;
  }
}

/** Frees what a tape kept for a way back that will not be gone: the engine does so only at its end. */
function dropTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth > 0) return;
  for (const node of state.activeTape ?? []) {
    for (const tensor of node.saved ?? []) tensor.dispose();
  }
  state.activeTape = [];
}

function checkTerm(name: string, term: unknown): asserts term is tf.Tensor {
  if (term instanceof tf.Tensor && term.size === 1) return;
  const found = term instanceof tf.Tensor ? `a tensor of shape [${term.shape}]` : String(term);
  throw new ConfigError(
    name,
    `Cannot compute gradients: term "${name}" is ${found}, needs one number of shape []; take a mean or a sum`,
  );
}
