/** GRU over time with PyTorch's gates and weights, and exact back-propagation through time. */
import {
  type CellGradients,
  type CellInputs,
  type GruResults,
  type GruTrace,
  runGru,
  runGruGradient,
} from "../backends/cell_contract.ts";
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import {
  type CellWeights,
  checkCell,
  gateOf,
  matrixProduct,
  projectedSteps,
  runCell,
  walkOrder,
  weightGradients,
} from "./cell_checks.ts";
import { tidied } from "./tensor_scope.ts";

/** Options of {@link gru}. */
export interface GruOptions {
  /** State before the first step, `[B, H]`; zeros by default. */
  readonly initialState?: tf.Tensor;
  /** Walk from the last step to the first, the other half of a bidirectional layer. Default false. */
  readonly reverse?: boolean;
}

/** Results of {@link gru}. */
export interface GruOutput {
  /** h of every step, `[B, T, H]`, in the order of x also when the walk is reversed. */
  readonly states: tf.Tensor;
  /** h of the step walked last, `[B, H]`. */
  readonly last: tf.Tensor;
}

/**
 * One layer of `torch.nn.GRU`: h ← (1 − z)·n + z·h with r, z = σ(x_t·weightIhᵀ + biasIh + h·weightHhᵀ + biasHh) and
 * n = tanh(W_in·x_t + b_in + r·(W_hn·h + b_hn)). Differentiable in x, weights, biases and initial state through both results.
 * A bidirectional layer is two calls, one of them reversed.
 *
 * @param x `[B, T, I]` float32, T ≥ 1.
 * @param weights In PyTorch's layout, gates r, z, n.
 * @param options Initial state, direction.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when T is 0.
 */
export function gru(x: tf.Tensor, weights: CellWeights, options: GruOptions = {}): GruOutput {
  const { initialState, reverse = false } = options;
  const { batch, width } = checkCell({ name: "a GRU", gates: 3 }, {
    x,
    weights,
    initial: { initialState },
  });
  const zeros = tf.zeros([batch, width]);
  const inputs: CellInputs = {
    x,
    weightIh: weights.weightIh,
    weightHh: weights.weightHh,
    initial: initialState ?? zeros,
    biasIh: weights.biasIh ?? null,
    biasHh: weights.biasHh ?? null,
  };
  const [states, last] = runCell(inputs, {
    forward(named) {
      const found = forward(named, reverse);
      return { results: [found.states, found.last], kept: [found.states, found.gates] };
    },
    gradient([dStates, dLast], named, [states, gates]) {
      const found = backward({ ...named, states, gates, dStates, dLast }, reverse);
      return {
        x: found.dx,
        weightIh: found.dWeightIh,
        weightHh: found.dWeightHh,
        initial: found.dInitial,
        biasIh: found.dBiasIh,
        biasHh: found.dBiasHh,
      };
    },
  });
  zeros.dispose();
  return { states, last };
}

function forward(inputs: CellInputs, reverse: boolean): GruResults {
  const found = inputs.x.size > 0 && inputs.weightHh.size > 0 ? runGru(inputs, reverse) : null;
  return found ?? composed(inputs, reverse);
}

type Traced = CellInputs & GruTrace & { readonly dStates: tf.Tensor; readonly dLast: tf.Tensor };

function backward(traced: Traced, reverse: boolean): CellGradients {
  const found = traced.x.size > 0 && traced.weightHh.size > 0
    ? runGruGradient(traced, reverse)
    : null;
  return found ?? tidied(() => composedGradient(traced, reverse));
}

function composed(inputs: CellInputs, reverse: boolean): GruResults {
  const { x, weightIh, weightHh, biasIh, biasHh } = inputs;
  const width = weightHh.shape[1]!;
  const sums = projectedSteps(x, weightIh, biasIh);
  let h = inputs.initial;
  const [states, gates]: tf.Tensor[][] = [[], []];
  for (const t of walkOrder(sums.length, reverse)) {
    const product = matrixProduct(h, weightHh, { b: true });
    const hidden = biasHh ? tf.add(product, biasHh) : product;
    const [r, z] = [0, 1].map((gate) =>
      tf.sigmoid(tf.add(gateOf(sums[t], gate, width), gateOf(hidden, gate, width)))
    );
    const m = gateOf(hidden, 2, width);
    const n = tf.tanh(tf.add(gateOf(sums[t], 2, width), tf.mul(r, m)));
    h = tf.add(n, tf.mul(z, tf.sub(h, n)));
    [states[t], gates[t]] = [h, tf.concat([r, z, n, m], 1)];
  }
  return { states: tf.stack(states, 1), gates: tf.stack(gates, 1), last: h.clone() };
}

function composedGradient(traced: Traced, reverse: boolean): CellGradients {
  const { x, weightIh, weightHh } = traced;
  const width = weightHh.shape[1]!;
  const [states, gates, towards] = [traced.states, traced.gates, traced.dStates]
    .map((tensor) => tf.unstack(tensor, 1));
  const order = walkOrder(states.length, reverse);
  const one = toScalar(1);
  let carry = traced.dLast;
  const [delta, deltaHidden, before]: tf.Tensor[][] = [[], [], []];
  for (let s = order.length - 1; s >= 0; s--) {
    const t = order[s];
    before[t] = s > 0 ? states[order[s - 1]] : traced.initial;
    const [r, z, n, m] = [0, 1, 2, 3].map((gate) => gateOf(gates[t], gate, width));
    const dh = tf.add(towards[t], carry);
    const keep = tf.sub(one, z);
    const dn = tf.mul(tf.mul(dh, keep), tf.sub(one, tf.square(n)));
    const dz = tf.mul(tf.mul(dh, tf.sub(before[t], n)), tf.mul(z, keep));
    const dr = tf.mul(tf.mul(dn, m), tf.mul(r, tf.sub(one, r)));
    delta[t] = tf.concat([dr, dz, dn], 1);
    deltaHidden[t] = tf.concat([dr, dz, tf.mul(dn, r)], 1);
    carry = tf.add(tf.mul(dh, z), matrixProduct(deltaHidden[t], weightHh));
  }
  return {
    ...weightGradients({
      x,
      weightIh,
      before: tf.stack(before, 1),
      delta: tf.stack(delta, 1),
      deltaHidden: tf.stack(deltaHidden, 1),
    }),
    dInitial: carry,
  };
}
