/** Kernels an engine may provide: LSTM and GRU over all steps in one call, and the ways back. */
import type { tf } from "../deps/tfjs.ts";
import { runIfPresent } from "./kernel_calls.ts";

/** Names under which engines register the kernels. */
export const CELL_KERNEL = {
  lstm: "RecvaeLstm",
  lstmGradient: "RecvaeLstmGradient",
  gru: "RecvaeGru",
  gruGradient: "RecvaeGruGradient",
} as const;

/** Inputs of a layer: B sequences of T steps, I features, H units, G gates (LSTM 4: i f g o, GRU 3: r z n). */
export interface CellInputs {
  /** `[B, T, I]`. */
  readonly x: tf.Tensor;
  /** `[G·H, I]`. */
  readonly weightIh: tf.Tensor;
  /** `[G·H, H]`. */
  readonly weightHh: tf.Tensor;
  /** `[G·H]` or null. */
  readonly biasIh: tf.Tensor | null;
  /** `[G·H]` or null. */
  readonly biasHh: tf.Tensor | null;
  /** State before the first step, `[B, H]`. */
  readonly initial: tf.Tensor;
}

/** Gradients that every cell gives. */
export interface CellGradients {
  readonly dx: tf.Tensor;
  readonly dWeightIh: tf.Tensor;
  readonly dWeightHh: tf.Tensor;
  readonly dBiasIh: tf.Tensor;
  readonly dBiasHh: tf.Tensor;
  readonly dInitial: tf.Tensor;
}

/** What the gradient of an LSTM reads. */
export interface LstmTrace {
  /** h of every step, `[B, T, H]`. */
  readonly states: tf.Tensor;
  /** c of every step, `[B, T, H]`. */
  readonly cells: tf.Tensor;
  /** Values of i, f, g, o, `[B, T, 4H]`. */
  readonly gates: tf.Tensor;
}

/** Results of an LSTM; the last state and cell are `[B, H]`. */
export interface LstmResults extends LstmTrace {
  readonly last: tf.Tensor;
  readonly lastCell: tf.Tensor;
}

/** What the gradient of a GRU reads. */
export interface GruTrace {
  /** h of every step, `[B, T, H]`. */
  readonly states: tf.Tensor;
  /** Values of r, z, n and W_hn·h + b_hn, `[B, T, 4H]`. */
  readonly gates: tf.Tensor;
}

/** Results of a GRU; the last state is `[B, H]`. */
export interface GruResults extends GruTrace {
  readonly last: tf.Tensor;
}

/** @returns null when the current engine has no such kernel. */
export function runLstm(
  inputs: CellInputs & { readonly initialCell: tf.Tensor },
  reverse: boolean,
): LstmResults | null {
  const found = runIfPresent(CELL_KERNEL.lstm, { ...inputs }, { reverse });
  if (!found) return null;
  const [states, last, lastCell, cells, gates] = found;
  return { states, last, lastCell, cells, gates };
}

/** @returns null when the current engine has no such kernel. */
export function runLstmGradient(
  inputs: CellInputs & LstmTrace & {
    readonly initialCell: tf.Tensor;
    readonly dStates: tf.Tensor;
    readonly dLast: tf.Tensor;
    readonly dLastCell: tf.Tensor;
  },
  reverse: boolean,
): CellGradients & { readonly dInitialCell: tf.Tensor } | null {
  const found = runIfPresent(CELL_KERNEL.lstmGradient, { ...inputs }, { reverse });
  if (!found) return null;
  const [dx, dWeightIh, dWeightHh, dBiasIh, dInitial, dInitialCell] = found;
  return { dx, dWeightIh, dWeightHh, dBiasIh, dBiasHh: dBiasIh, dInitial, dInitialCell };
}

/** @returns null when the current engine has no such kernel. */
export function runGru(inputs: CellInputs, reverse: boolean): GruResults | null {
  const found = runIfPresent(CELL_KERNEL.gru, { ...inputs }, { reverse });
  if (!found) return null;
  const [states, last, gates] = found;
  return { states, last, gates };
}

/** @returns null when the current engine has no such kernel. */
export function runGruGradient(
  inputs: CellInputs & GruTrace & { readonly dStates: tf.Tensor; readonly dLast: tf.Tensor },
  reverse: boolean,
): CellGradients | null {
  const found = runIfPresent(CELL_KERNEL.gruGradient, { ...inputs }, { reverse });
  if (!found) return null;
  const [dx, dWeightIh, dWeightHh, dBiasIh, dBiasHh, dInitial] = found;
  return { dx, dWeightIh, dWeightHh, dBiasIh, dBiasHh, dInitial };
}
