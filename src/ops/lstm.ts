/** LSTM over time with PyTorch's gates and weights, and exact back-propagation through time. */
import {
  type CellGradients,
  type CellInputs,
  type LstmResults,
  type LstmTrace,
  runLstm,
  runLstmGradient,
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

export type { CellWeights } from "./cell_checks.ts";

/** Options of {@link lstm}. */
export interface LstmOptions {
  /** State before the first step, `[B, H]`; zeros by default. */
  readonly initialState?: tf.Tensor;
  /** Cell before the first step, `[B, H]`; zeros by default. */
  readonly initialCell?: tf.Tensor;
  /** Walk from the last step to the first, the other half of a bidirectional layer. Default false. */
  readonly reverse?: boolean;
}

/** Results of {@link lstm}. */
export interface LstmOutput {
  /** h of every step, `[B, T, H]`, in the order of x also when the walk is reversed. */
  readonly states: tf.Tensor;
  /** h of the step walked last, `[B, H]`. */
  readonly last: tf.Tensor;
  /** c of the step walked last, `[B, H]`. */
  readonly lastCell: tf.Tensor;
}

type Inputs = CellInputs & { readonly initialCell: tf.Tensor };

/**
 * One layer of `torch.nn.LSTM`: c ← σ(f)·c + σ(i)·tanh(g), h ← σ(o)·tanh(c) with [i, f, g, o] =
 * x_t·weightIhᵀ + biasIh + h·weightHhᵀ + biasHh. Differentiable in x, weights, biases and initial states through all three
 * results. A bidirectional layer is two calls, one of them reversed.
 *
 * @param x `[B, T, I]` float32, T ≥ 1.
 * @param weights In PyTorch's layout, gates i, f, g, o.
 * @param options Initial states, direction.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when T is 0.
 *
 * @example
 * ```ts ignore
 * const { states } = lstm(x, { weightIh, weightHh, biasIh, biasHh });
 * ```
 */
export function lstm(x: tf.Tensor, weights: CellWeights, options: LstmOptions = {}): LstmOutput {
  const { initialState, initialCell, reverse = false } = options;
  const { batch, width } = checkCell({ name: "an LSTM", gates: 4 }, {
    x,
    weights,
    initial: { initialState, initialCell },
  });
  const zeros = tf.zeros([batch, width]);
  const inputs: Inputs = {
    x,
    weightIh: weights.weightIh,
    weightHh: weights.weightHh,
    initial: initialState ?? zeros,
    initialCell: initialCell ?? zeros,
    biasIh: weights.biasIh ?? null,
    biasHh: weights.biasHh ?? null,
  };
  const [states, last, lastCell] = runCell(inputs, {
    forward(named) {
      const found = forward(named, reverse);
      return {
        results: [found.states, found.last, found.lastCell],
        kept: [found.states, found.cells, found.gates],
      };
    },
    gradient([dStates, dLast, dLastCell], named, [states, cells, gates]) {
      const traced = { ...named, states, cells, gates, dStates, dLast, dLastCell };
      const found = backward(traced, reverse);
      return {
        x: found.dx,
        weightIh: found.dWeightIh,
        weightHh: found.dWeightHh,
        initial: found.dInitial,
        initialCell: found.dInitialCell,
        biasIh: found.dBiasIh,
        biasHh: found.dBiasHh,
      };
    },
  });
  zeros.dispose();
  return { states, last, lastCell };
}

function forward(inputs: Inputs, reverse: boolean): LstmResults {
  const found = inputs.x.size > 0 && inputs.weightHh.size > 0 ? runLstm(inputs, reverse) : null;
  return found ?? composed(inputs, reverse);
}

type Traced = Inputs & LstmTrace & {
  readonly dStates: tf.Tensor;
  readonly dLast: tf.Tensor;
  readonly dLastCell: tf.Tensor;
};
type Gradients = CellGradients & { readonly dInitialCell: tf.Tensor };

function backward(traced: Traced, reverse: boolean): Gradients {
  const found = traced.x.size > 0 && traced.weightHh.size > 0
    ? runLstmGradient(traced, reverse)
    : null;
  return found ?? tidied(() => composedGradient(traced, reverse));
}

function composed(inputs: Inputs, reverse: boolean): LstmResults {
  const { x, weightIh, weightHh, biasIh, biasHh } = inputs;
  const width = weightHh.shape[1]!;
  const sums = projectedSteps(x, weightIh, biasIh);
  let [h, c] = [inputs.initial, inputs.initialCell];
  const [states, cells, gates]: tf.Tensor[][] = [[], [], []];
  for (const t of walkOrder(sums.length, reverse)) {
    const product = tf.add(sums[t], matrixProduct(h, weightHh, { b: true }));
    const z = biasHh ? tf.add(product, biasHh) : product;
    const [i, f, o] = [0, 1, 3].map((gate) => tf.sigmoid(gateOf(z, gate, width)));
    const g = tf.tanh(gateOf(z, 2, width));
    c = tf.add(tf.mul(f, c), tf.mul(i, g));
    h = tf.mul(o, tf.tanh(c));
    [states[t], cells[t], gates[t]] = [h, c, tf.concat([i, f, g, o], 1)];
  }
  return {
    states: tf.stack(states, 1),
    cells: tf.stack(cells, 1),
    gates: tf.stack(gates, 1),
    last: h.clone(),
    lastCell: c.clone(),
  };
}

function composedGradient(traced: Traced, reverse: boolean): Gradients {
  const { x, weightIh, weightHh } = traced;
  const width = weightHh.shape[1]!;
  const [states, cells, gates, towards] = [
    traced.states,
    traced.cells,
    traced.gates,
    traced.dStates,
  ].map((tensor) => tf.unstack(tensor, 1));
  const order = walkOrder(states.length, reverse);
  const one = toScalar(1);
  const slope = (s: tf.Tensor) => tf.mul(s, tf.sub(one, s));
  const bend = (t: tf.Tensor) => tf.sub(one, tf.square(t));
  let [carry, carryCell] = [traced.dLast, traced.dLastCell];
  const [delta, before]: tf.Tensor[][] = [[], []];
  for (let s = order.length - 1; s >= 0; s--) {
    const t = order[s];
    const cellBefore = s > 0 ? cells[order[s - 1]] : traced.initialCell;
    before[t] = s > 0 ? states[order[s - 1]] : traced.initial;
    const [i, f, g, o] = [0, 1, 2, 3].map((gate) => gateOf(gates[t], gate, width));
    const dh = tf.add(towards[t], carry);
    const squashed = tf.tanh(cells[t]);
    const dc = tf.add(carryCell, tf.mul(tf.mul(dh, o), bend(squashed)));
    delta[t] = tf.concat([
      tf.mul(tf.mul(dc, g), slope(i)),
      tf.mul(tf.mul(dc, cellBefore), slope(f)),
      tf.mul(tf.mul(dc, i), bend(g)),
      tf.mul(tf.mul(dh, squashed), slope(o)),
    ], 1);
    carryCell = tf.mul(dc, f);
    carry = matrixProduct(delta[t], weightHh);
  }
  const deltas = tf.stack(delta, 1);
  return {
    ...weightGradients({
      x,
      weightIh,
      before: tf.stack(before, 1),
      delta: deltas,
      deltaHidden: deltas,
    }),
    dInitial: carry,
    dInitialCell: carryCell,
  };
}
