/** Models with the parameter values of the fixtures' fill formula, and their gradients in the fixtures' layouts. */
import type { FloatArray, NdArray, NumericArray } from "../../src/base/arrays.ts";
import { toHost } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import type { StreamlineModel } from "../../src/models/streamlines/model.ts";
import type { ParameterEntry } from "../../src/parameters/entry.ts";
import { toFileOrder } from "../../src/parameters/state_dict.ts";
import { filledTensors, filledValues } from "./streamline_fixtures.ts";

const fills = filledTensors();
const cache = new Map<string, Float32Array>();

/** Our name of a fixture's tensor. */
function ourName(name: string): string {
  return name.replace(/\.kernel$/, ".weight")
    .replace(/(bn\d)\.gamma$/, "$1.weight").replace(/(bn\d)\.beta$/, "$1.bias")
    .replace(/\.moving_mean$/, ".running_mean").replace(/\.moving_variance$/, ".running_var");
}

/** Keras' order of a tensor's values → files' and back: axes reversed, for kernels of two and three axes. */
function reversed(values: ArrayLike<number>, shape: readonly number[]): Float64Array {
  const result = new Float64Array(values.length);
  if (shape.length < 2) return Float64Array.from(values);
  const [a, b, c] = shape.length === 2 ? [1, ...shape] : shape;
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) result[(k * b + j) * a + i] = values[(i * b + j) * c + k];
    }
  }
  return result;
}

/** A state dictionary of the fill formula for a model. */
export async function fillModel(model: StreamlineModel): Promise<void> {
  const state = new Map(await model.stateDict()) as Map<string, NdArray<NumericArray>>;
  for (const [name, tensor] of Object.entries(fills)) {
    const key = ourName(name);
    if (!state.has(key)) continue;
    const values = cache.get(name) ?? filledValues(tensor);
    cache.set(name, values);
    const data = Float32Array.from(reversed(values, tensor.shape));
    state.set(key, { data, shape: state.get(key)!.shape });
  }
  model.loadStateDict(state);
}

/** Values of an array in file order as Keras orders them. */
function kerasOrder(entry: ParameterEntry, values: FloatArray): Float64Array {
  return reversed(values, entry.shape);
}

/** Eight values of an array, at floor(j·n/8), or in turn where there are fewer. */
function sampled(values: ArrayLike<number>, count = 8): number[] {
  const n = values.length;
  return Array.from(
    { length: count },
    (_, j) => values[n < count ? j % n : Math.floor(j * n / count)],
  );
}

/** Elements of a tensor that the fixtures keep of activations. */
export function samplesOf(values: ArrayLike<number>, count = 32): number[] {
  return sampled(values, count);
}

/** Norms, samples and the global norm of gradients, in the order of a fixture. */
export async function gradientFacts(
  model: StreamlineModel,
  gradients: ReadonlyMap<string, tf.Tensor>,
  order: readonly string[],
) {
  const norms: number[] = [];
  const samples: number[] = [];
  for (const name of order) {
    const key = ourName(name);
    const entry = model.entries.find((one) => one.key === key)!;
    const values = kerasOrder(entry, toFileOrder(entry, await toHost(gradients.get(key)!)));
    norms.push(Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)));
    samples.push(...sampled(values));
  }
  tf.dispose([...gradients.values()]);
  return { norms, samples, global: [Math.hypot(...norms)] };
}

/** Sums, sums of squares and samples of parameters, in the order of a fixture. */
export async function parameterFacts(model: StreamlineModel, order: readonly string[]) {
  const state = await model.stateDict();
  const sums: number[] = [];
  const squares: number[] = [];
  const samples: number[] = [];
  for (const name of order) {
    const entry = model.entries.find(({ key }) => key === ourName(name))!;
    const values = kerasOrder(entry, state.get(entry.key)!.data as FloatArray);
    sums.push(values.reduce((sum, value) => sum + value, 0));
    squares.push(values.reduce((sum, value) => sum + value * value, 0));
    samples.push(...sampled(values));
  }
  return { sums, squares, samples };
}
