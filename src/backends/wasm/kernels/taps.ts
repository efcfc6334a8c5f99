/** Sparse linear maps along axes (tap_contract.ts), on `wasm/elementwise/taps.cpp`. */
import type { tf } from "../../../deps/tfjs.ts";
import { type AxisTaps, sampleValues, TAP_KERNEL, type TapMap } from "../../tap_contract.ts";
import type { Output, WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import type { Kernel, KernelCall, KernelTable } from "./kernel.ts";

/** Mirror of TapParams. */
const LAYOUT = new ParameterLayout({
  x: "int",
  y: "int",
  winner: "int",
  first0: "int",
  first1: "int",
  first2: "int",
  from0: "int",
  from1: "int",
  from2: "int",
  weight0: "int",
  weight1: "int",
  weight2: "int",
  to0: "int",
  to1: "int",
  to2: "int",
  places0: "int",
  places1: "int",
  places2: "int",
  samples: "int",
  fromSample: "int",
  toSample: "int",
  inner: "int",
});

/**
 * Σ of weighted taps as a new tensor; for other kernels that are such a map.
 *
 * @param x float32.
 * @param map The taps.
 * @throws {BackendError} out of memory.
 */
export function tapSum(backend: WasmBackend, x: tf.TensorInfo, map: TapMap): tf.TensorInfo {
  const y = backend.output(map.outputShape);
  const moves = map.inner === 1 ? movesOf(map) : null;
  if (moves) move(backend, { map, x, y: y.address }, moves);
  else launch(backend, "f32_tap_sum", { map, x, y: y.address });
  return y.info;
}

/** Single values that change their places: `to[i]` takes the value at `from[i]`, all other places are 0. */
interface Moves {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** By the last axis of the map. */
const knownMoves = new WeakMap<AxisTaps, Moves | null>();

/** Null for maps that do more than move single values along their last axis. */
function movesOf({ axes: [z, y, x] }: TapMap): Moves | null {
  if (z.to.length * y.to.length * z.at.length * y.at.length !== 1) return null;
  const known = knownMoves.get(x);
  if (known !== undefined) return known;
  const { first, source, weight, at, to } = x;
  const single = first.every((tap, p) => p === 0 || tap - first[p - 1] <= 1);
  const moves = single && weight.every((factor) => factor === 1)
    ? {
      from: source.map((q) => at[q]),
      to: to.filter((_, p) => first[p + 1] > first[p]),
    }
    : null;
  knownMoves.set(x, moves);
  return moves;
}

/** An axis of a hundred thousand places is moved before its tables would be with the kernel. */
function move(backend: WasmBackend, { map, x, y }: Task, { from, to }: Moves): void {
  const { input, output } = sampleValues(map);
  const { memory } = backend.runtime;
  for (let n = 0; n < map.samples; n++) {
    const source = memory.floatView(backend.addressOf(x) + 4 * n * input, input);
    const target = memory.floatView(y + 4 * n * output, output);
    if (to.length < output) target.fill(0);
    for (let i = 0; i < from.length; i++) target[to[i]] = source[from[i]];
  }
}

const sum: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<TapMap>) =>
  tapSum(backend, x, attrs);

const largest: Kernel = ({ inputs: { x }, attrs: map, backend }: KernelCall<TapMap>) => {
  const [y, winner]: Output[] = [map.outputShape, map.outputShape].map((shape) =>
    backend.output(shape)
  );
  launch(backend, "f32_tap_largest", { map, x, y: y.address, winner: winner.address });
  return [y.info, winner.info];
};

const largestGradient: Kernel = (
  { inputs: { x, winner }, attrs: map, backend }: KernelCall<TapMap>,
) => {
  const dx = backend.output(map.outputShape);
  const places = backend.addressOf(winner);
  launch(backend, "f32_tap_largest_gradient", { map, x, y: dx.address, winner: places });
  return dx.info;
};

/** Kernels of this file by contract name. */
export const TAP_KERNELS: KernelTable = {
  [TAP_KERNEL.sum]: sum,
  [TAP_KERNEL.maximum]: largest,
  [TAP_KERNEL.maximumGradient]: largestGradient,
};

interface Task {
  readonly map: TapMap;
  readonly x: tf.TensorInfo;
  /** Addresses of results, and of the winners where there are any. */
  readonly y: number;
  readonly winner?: number;
}

function launch(backend: WasmBackend, name: string, { map, x, y, winner = 0 }: Task): void {
  const { input, output } = sampleValues(map);
  if (map.samples === 0 || output === 0) return;
  const values: Record<string, number> = {
    x: backend.addressOf(x),
    y,
    winner,
    samples: map.samples,
    fromSample: input,
    toSample: output,
    inner: map.inner,
  };
  writeTables(backend, map, values);
  backend.launch(name, LAYOUT, values);
}

/** Puts the tables into a scratch block and their addresses into `values`. */
function writeTables(backend: WasmBackend, map: TapMap, values: Record<string, number>): void {
  const words = map.axes.reduce(
    (sum, { first, source, to }) => sum + first.length + 2 * source.length + to.length,
    0,
  );
  let address = backend.temporary(4 * words, "the taps of a kernel");
  const { memory } = backend.runtime;
  map.axes.forEach(({ first, source, weight, at, to }, axis) => {
    const put = (name: string, length: number) => {
      values[`${name}${axis}`] = address;
      const place = address;
      address += 4 * length;
      return place;
    };
    memory.integerView(put("first", first.length), first.length).set(first);
    const from = memory.integerView(put("from", source.length), source.length);
    for (let t = 0; t < source.length; t++) from[t] = at[source[t]];
    memory.floatView(put("weight", weight.length), weight.length).set(weight);
    memory.integerView(put("to", to.length), to.length).set(to);
    values[`places${axis}`] = to.length;
  });
}
