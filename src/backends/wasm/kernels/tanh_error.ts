/** The fused reconstruction error of the contract, on `wasm/elementwise/tanh_error.cpp`. */
import { KERNEL } from "../../kernel_contract.ts";
import { ParameterLayout } from "../parameters.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Mirror of TanhErrorParams. */
const LAYOUT = new ParameterLayout({
  a: "int",
  target: "int",
  weight: "int",
  derivative: "int",
  sums: "int",
  workspace: "int",
  groups: "int",
  groupValues: "int",
  sampleValues: "int",
  derivativeScale: "float",
});

const squaredError: Kernel = (
  { inputs, attrs, backend }: KernelCall<{ sampleGroups: number; derivativeScale: number }>,
) => {
  const { a, target, weight } = inputs;
  const size = sizeOf(a.shape);
  const sums = backend.output([attrs.sampleGroups]);
  const derivative = backend.output(a.shape);
  if (size === 0) {
    backend.runtime.memory.floatView(sums.address, attrs.sampleGroups).fill(0);
    return [sums.info, derivative.info];
  }
  backend.launch("f32_tanh_error", LAYOUT, {
    a: backend.addressOf(a),
    target: backend.addressOf(target),
    weight: weight ? backend.addressOf(weight) : 0,
    derivative: derivative.address,
    sums: sums.address,
    groups: attrs.sampleGroups,
    groupValues: size / attrs.sampleGroups,
    sampleValues: size / a.shape[0],
    derivativeScale: attrs.derivativeScale,
  });
  return [sums.info, derivative.info];
};

/** Kernels of this file by contract name. */
export const TANH_ERROR_KERNELS: KernelTable = { [KERNEL.tanhSquaredError]: squaredError };
