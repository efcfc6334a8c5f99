/** The matrix product `wasm/linear/gemm.h`, for every kernel that is made of it. */
import type { WasmBackend } from "../backend.ts";
import { type FieldValues, ParameterLayout } from "../parameters.ts";

/** Mirror of GemmParams. */
const GEMM = new ParameterLayout({
  a: "int",
  b: "int",
  c: "int",
  bias: "int",
  preactivation: "int",
  workspace: "int",
  activation: "int",
  slope: "float",
  batch: "int",
  heads: "int",
  m: "int",
  n: "int",
  k: "int",
  aBatch: "int",
  aHead: "int",
  aRow: "int",
  aColumn: "int",
  bBatch: "int",
  bHead: "int",
  bRow: "int",
  bColumn: "int",
  cBatch: "int",
  cHead: "int",
  cRow: "int",
});

/** Name of a field of GemmParams. */
type Field = typeof GEMM extends ParameterLayout<infer Name> ? Name : never;

/** Runs a product; one matrix unless `batch` or `heads` say otherwise, none where a size is 0. */
export function multiply(backend: WasmBackend, values: FieldValues<Field>): void {
  backend.launch("f32_gemm", GEMM, { batch: 1, heads: 1, ...values });
}
