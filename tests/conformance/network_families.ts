/** Attention and the recurrent cells, each with its gradients, and the activations of linear layers in the battery. */
import { RandomStream } from "../../src/base/random.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { attention } from "../../src/ops/attention.ts";
import { gru } from "../../src/ops/gru.ts";
import { linear, LINEAR_ACTIVATIONS } from "../../src/ops/linear.ts";
import { lstm } from "../../src/ops/lstm.ts";
import { between, normalArray, pick } from "../support/random_arrays.ts";
import type { Case, CaseInputs, CaseTensors, Family } from "./battery.ts";
import { UNIT_ROUNDOFF as u } from "./rounding.ts";

/** Linear layers with every activation, and their gradients in x, weight and bias. */
export const LINEAR_ACTIVATION: Family = {
  name: "linear layers with activations",
  cases: (count) => Array.from({ length: count }, (_, i) => activationCase(i)),
};

/** Attention of every kind, and its gradients in query, key and value. */
export const ATTENTION: Family = {
  name: "attention",
  cases: (count) => Array.from({ length: count }, (_, i) => attentionCase(i)),
};

/** LSTM and GRU, one after the other, with gradients in everything. */
export const CELLS: Family = {
  name: "recurrent cells",
  cases: (count) => Array.from({ length: count }, (_, i) => cellCase(i)),
};

/**
 * The activations err by what engines grant them: TensorFlow.js' own erf is right to 1.5e-7, others to a few units. Products of
 * K normal terms err by (2 + 6√K)·u of the root of their sum of squares, which is about √K.
 */
const FUNCTION_ERROR = 1e-6;

function activationCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("linear activation");
  const activation = LINEAR_ACTIVATIONS[i % LINEAR_ACTIVATIONS.length];
  const [rows, inner, columns] = [
    between(random, 1, 40),
    between(random, 1, 33),
    between(random, 1, 40),
  ];
  const inputs = {
    x: normalArray(random, [rows, inner]),
    weight: normalArray(random, [columns, inner], 1 / Math.sqrt(inner)),
    bias: normalArray(random, [columns]),
    dy: normalArray(random, [rows, columns]),
  };
  const slope = pick(random, [0.2, 0.01]);
  return {
    label: `${activation} [${rows}, ${inner}] → ${columns}`,
    inputs,
    run: ({ dy, ...given }) =>
      withGradients(given, [dy], ({ x, weight, bias }) => [
        linear(x, weight, { bias, activation, slope }),
      ]),
    tolerances: (results) => relativeToSize(results, FUNCTION_ERROR * Math.sqrt(inner)),
  };
}

function attentionCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("attention");
  const heads = pick(random, [1, 2, 3, 4]);
  const sizes = {
    batch: between(random, 1, 3),
    queries: between(random, 1, 20),
    keys: between(random, 1, 20),
    depth: pick(random, [1, 2, 3, 4, 8, 16]),
    valueDepth: pick(random, [1, 2, 4, 7, 16]),
  };
  const { batch, queries, keys, depth, valueDepth } = sizes;
  const masked = i % 3 === 0;
  const causal = i % 2 === 0;
  const dropped = i % 5 === 0;
  const inputs: CaseInputs = {
    query: normalArray(random, [batch, queries, heads * depth]),
    key: normalArray(random, [batch, keys, heads * depth]),
    value: normalArray(random, [batch, keys, heads * valueDepth]),
    dy: normalArray(random, [batch, queries, heads * valueDepth]),
    mask: {
      data: Float64Array.from(random.uniforms(batch * keys), (v) => v < 0.3 ? 0 : 1),
      shape: [batch, keys],
    },
  };
  const dropout = dropped ? { rate: 0.25, random: RandomStream.fromSeed(i) } : null;
  return {
    label: `${JSON.stringify(sizes)} heads ${heads}${masked ? " masked" : ""}` +
      `${causal ? " causal" : ""}${dropped ? " dropout" : ""}`,
    inputs,
    run: ({ dy, mask, ...given }) =>
      withGradients(given, [dy], ({ query, key, value }) => [
        attention({ query, key, value }, { heads, causal, mask: masked ? mask : null, dropout }),
      ]),
    tolerances: (results) => relativeToSize(results, 16 * u * Math.sqrt(depth + keys)),
  };
}

function cellCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("cells");
  const kind = i % 2 === 0 ? "lstm" : "gru";
  const gates = kind === "lstm" ? 4 : 3;
  const [batch, steps] = [pick(random, [1, 2, 5, 6, 7, 13]), between(random, 1, 4)];
  const [features, width] = [between(random, 1, 9), pick(random, [1, 2, 3, 4, 5, 8, 10, 17])];
  const reverse = i % 3 === 0;
  const inputs: CaseInputs = {
    x: normalArray(random, [batch, steps, features]),
    weightIh: normalArray(random, [gates * width, features], 0.5),
    weightHh: normalArray(random, [gates * width, width], 0.5),
    biasIh: normalArray(random, [gates * width], 0.5),
    biasHh: normalArray(random, [gates * width], 0.5),
    initialState: normalArray(random, [batch, width]),
    ...(kind === "lstm" ? { initialCell: normalArray(random, [batch, width]) } : {}),
    dStates: normalArray(random, [batch, steps, width]),
    dLast: normalArray(random, [batch, width]),
  };
  return {
    label: `${kind} [${batch}, ${steps}, ${features}] → ${width}${reverse ? " reversed" : ""}`,
    inputs,
    run: ({ dStates, dLast, ...given }) =>
      withGradients(given, kind === "lstm" ? [dStates, dLast, dLast] : [dStates, dLast], (t) => {
        const { initialState, initialCell } = t;
        return Object.values(
          kind === "lstm"
            ? lstm(t.x, weightsOf(t), { initialState, initialCell, reverse })
            : gru(t.x, weightsOf(t), { initialState, reverse }),
        );
      }),
    // Every step rounds a sum of features + width products; what a step errs by passes through those after it.
    tolerances: (results) => relativeToSize(results, 16 * u * steps * Math.sqrt(features + width)),
  };
}

function weightsOf({ weightIh, weightHh, biasIh, biasHh }: CaseTensors) {
  return { weightIh, weightHh, biasIh, biasHh };
}

/** Results of an operation, then the gradients of Σ dy·result in all its inputs, summed over results. */
function withGradients(
  given: CaseTensors,
  dys: readonly tf.Tensor[],
  operation: (tensors: CaseTensors) => tf.Tensor[],
): tf.Tensor[] {
  const names = Object.keys(given);
  const named = (list: readonly tf.Tensor[]) =>
    Object.fromEntries(names.map((name, i) => [name, list[i]]));
  const gradients = dys.map((dy, i) =>
    tf.grads((...list: tf.Tensor[]) => operation(named(list))[i])(Object.values(given), dy)
  );
  const sums = names.map((_, i) => gradients.map((one) => one[i]).reduce((a, b) => tf.add(a, b)));
  return [...operation(given), ...sums];
}

/** `relative` times the largest value of each result, but at least times 1. */
function relativeToSize(results: readonly Float64Array[], relative: number): Float64Array[] {
  return results.map((values) => {
    const size = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    return new Float64Array(values.length).fill(relative * size);
  });
}
