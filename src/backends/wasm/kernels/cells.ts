/**
 * LSTM and GRU over time: one matrix product for the inputs of all steps, one call of `wasm/recurrence/lstm.cpp` or `gru.cpp`
 * for the steps, and on the way back two more products.
 */
import type { tf } from "../../../deps/tfjs.ts";
import { CELL_KERNEL } from "../../cell_contract.ts";
import type { Output, WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { multiply } from "./gemm.ts";
import type { Inputs, Kernel, KernelCall, KernelTable } from "./kernel.ts";
import { sumRows } from "./linear.ts";

/** Mirror of CellParams. */
const LAYOUT = new ParameterLayout({
  gates: "int",
  weights: "int",
  bias: "int",
  initial: "int",
  initialCell: "int",
  states: "int",
  cells: "int",
  last: "int",
  lastCell: "int",
  towardsStates: "int",
  towardsLast: "int",
  towardsCell: "int",
  delta: "int",
  deltaHidden: "int",
  before: "int",
  workspace: "int",
  batch: "int",
  steps: "int",
  width: "int",
  reverse: "int",
});

type Call = KernelCall<{ reverse: boolean }>;

/** B, T, I, H, and G·H. */
function sizesOf({ x, weightHh }: Inputs) {
  const [batch, steps, features] = x.shape;
  const [columns, width] = weightHh.shape;
  return { batch, steps, features, width, columns };
}

/** x·weightIhᵀ + biasIh for all steps, in rows of 4H; what lies behind the gates of a GRU is left as it is. */
function projection(backend: WasmBackend, inputs: Inputs): Output {
  const { batch, steps, features, width, columns } = sizesOf(inputs);
  const gates = backend.output([batch, steps, 4 * width]);
  multiply(backend, {
    a: backend.addressOf(inputs.x),
    b: backend.addressOf(inputs.weightIh),
    c: gates.address,
    bias: inputs.biasIh ? backend.addressOf(inputs.biasIh) : 0,
    m: batch * steps,
    n: columns,
    k: features,
    aRow: features,
    aColumn: 1,
    bRow: 1,
    bColumn: features,
    cRow: 4 * width,
  });
  return gates;
}

/** Fields that every call has. */
function shared(backend: WasmBackend, inputs: Inputs, reverse: boolean) {
  const { batch, steps, width } = sizesOf(inputs);
  return {
    weights: backend.addressOf(inputs.weightHh),
    initial: backend.addressOf(inputs.initial),
    batch,
    steps,
    width,
    reverse: reverse ? 1 : 0,
  };
}

/** aᵀ·b over all steps of all sequences: `[columns of a, columns of b]`. */
function weightGradient(
  backend: WasmBackend,
  a: { at: number; columns: number },
  b: { at: number; columns: number; rows: number },
): tf.TensorInfo {
  const result = backend.output([a.columns, b.columns]);
  multiply(backend, {
    a: a.at,
    b: b.at,
    c: result.address,
    m: a.columns,
    n: b.columns,
    k: b.rows,
    aRow: 1,
    aColumn: a.columns,
    bRow: b.columns,
    bColumn: 1,
    cRow: b.columns,
  });
  return result.info;
}

/** δ·weightIh, the gradient in x. */
function inputGradient(backend: WasmBackend, inputs: Inputs, delta: number): tf.TensorInfo {
  const { batch, steps, features, columns } = sizesOf(inputs);
  const dx = backend.output(inputs.x.shape);
  multiply(backend, {
    a: delta,
    b: backend.addressOf(inputs.weightIh),
    c: dx.address,
    m: batch * steps,
    n: features,
    k: columns,
    aRow: columns,
    aColumn: 1,
    bRow: features,
    bColumn: 1,
    cRow: features,
  });
  return dx.info;
}

const lstm: Kernel = ({ inputs, attrs, backend }: Call) => {
  const { batch, steps, width } = sizesOf(inputs);
  const gates = projection(backend, inputs);
  const [states, cells] = [0, 1].map(() => backend.output([batch, steps, width]));
  const [last, lastCell] = [0, 1].map(() => backend.output([batch, width]));
  backend.launch("f32_lstm", LAYOUT, {
    ...shared(backend, inputs, attrs.reverse),
    gates: gates.address,
    bias: inputs.biasHh ? backend.addressOf(inputs.biasHh) : 0,
    initialCell: backend.addressOf(inputs.initialCell),
    states: states.address,
    cells: cells.address,
    last: last.address,
    lastCell: lastCell.address,
  });
  return [states, last, lastCell, cells, gates].map(({ info }) => info);
};

const lstmGradient: Kernel = ({ inputs, attrs, backend }: Call) => {
  const { batch, steps, features, width, columns } = sizesOf(inputs);
  const rows = batch * steps;
  const delta = backend.temporary(4 * rows * columns, "gradients of an LSTM's gates");
  const before = backend.temporary(4 * rows * width, "states of an LSTM");
  const [dInitial, dInitialCell] = [0, 1].map(() => backend.output([batch, width]));
  backend.launch("f32_lstm_gradient", LAYOUT, {
    ...shared(backend, inputs, attrs.reverse),
    gates: backend.addressOf(inputs.gates),
    initialCell: backend.addressOf(inputs.initialCell),
    states: backend.addressOf(inputs.states),
    cells: backend.addressOf(inputs.cells),
    towardsStates: backend.addressOf(inputs.dStates),
    towardsLast: backend.addressOf(inputs.dLast),
    towardsCell: backend.addressOf(inputs.dLastCell),
    last: dInitial.address,
    lastCell: dInitialCell.address,
    delta,
    before,
  });
  const x = { at: backend.addressOf(inputs.x), columns: features, rows };
  const deltas = { at: delta, columns };
  return [
    inputGradient(backend, inputs, delta),
    weightGradient(backend, deltas, x),
    weightGradient(backend, deltas, { at: before, columns: width, rows }),
    sumRows(backend, { from: delta, rows, columns }),
    dInitial.info,
    dInitialCell.info,
  ];
};

const gru: Kernel = ({ inputs, attrs, backend }: Call) => {
  const { batch, steps, width } = sizesOf(inputs);
  const gates = projection(backend, inputs);
  const states = backend.output([batch, steps, width]);
  const last = backend.output([batch, width]);
  backend.launch("f32_gru", LAYOUT, {
    ...shared(backend, inputs, attrs.reverse),
    gates: gates.address,
    bias: inputs.biasHh ? backend.addressOf(inputs.biasHh) : 0,
    states: states.address,
    last: last.address,
  });
  return [states, last, gates].map(({ info }) => info);
};

const gruGradient: Kernel = ({ inputs, attrs, backend }: Call) => {
  const { batch, steps, features, width, columns } = sizesOf(inputs);
  const rows = batch * steps;
  const [delta, deltaHidden] = [0, 1].map(() =>
    backend.temporary(4 * rows * columns, "gradients of a GRU's gates")
  );
  const before = backend.temporary(4 * rows * width, "states of a GRU");
  const dInitial = backend.output([batch, width]);
  backend.launch("f32_gru_gradient", LAYOUT, {
    ...shared(backend, inputs, attrs.reverse),
    gates: backend.addressOf(inputs.gates),
    states: backend.addressOf(inputs.states),
    towardsStates: backend.addressOf(inputs.dStates),
    towardsLast: backend.addressOf(inputs.dLast),
    last: dInitial.address,
    delta,
    deltaHidden,
    before,
  });
  const x = { at: backend.addressOf(inputs.x), columns: features, rows };
  return [
    inputGradient(backend, inputs, delta),
    weightGradient(backend, { at: delta, columns }, x),
    weightGradient(backend, { at: deltaHidden, columns }, { at: before, columns: width, rows }),
    sumRows(backend, { from: delta, rows, columns }),
    sumRows(backend, { from: deltaHidden, rows, columns }),
    dInitial.info,
  ];
};

/** Kernels of this file by contract name. */
export const CELL_KERNELS: KernelTable = {
  [CELL_KERNEL.lstm]: lstm,
  [CELL_KERNEL.lstmGradient]: lstmGradient,
  [CELL_KERNEL.gru]: gru,
  [CELL_KERNEL.gruGradient]: gruGradient,
};
