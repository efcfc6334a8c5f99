/**
 * The `webgpu` engine: Vulkan, Metal or DirectX 12 through the WebGPU of the runtime, with nothing to
 * install. Stock TensorFlow.js kernels for the small operations, shaders of our own for the kernels of
 * kernel_contract.ts.
 */
import type { Engine, ProbeResult } from "../engine.ts";
import { probeInChild } from "../probe_child.ts";
import { describeAdapter, findAdapter, summaryLine } from "./adapter.ts";

/** The engine; see the head of this module. */
export const engine: Engine = {
  name: "webgpu",
  probe: () => probeInChild("webgpu", { permissions: [], inProcess: probeHere }),
  start: async () => (await import("./session.ts")).startSession(),
};

/** Looks for an adapter in this process; a broken driver can take the process down with it. */
export async function probeHere(): Promise<ProbeResult> {
  const adapter = await findAdapter();
  if (adapter === null) {
    return {
      name: "webgpu",
      available: false,
      automatic: false,
      detail: "no GPU adapter",
      hint: "install a Vulkan driver (Debian: apt install mesa-vulkan-drivers for a software one)",
    };
  }
  const summary = describeAdapter(adapter);
  return {
    name: "webgpu",
    available: true,
    automatic: !summary.software,
    detail: summaryLine(summary),
    ...(summary.software
      ? { hint: "a software adapter, slower than wasm; use it with --backend webgpu" }
      : {}),
  };
}
