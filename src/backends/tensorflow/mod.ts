/**
 * The engines `cuda` and `tensorflow`: native TensorFlow through tfjs-node, on an NVIDIA GPU or on the CPU.
 * Never needed; loaded when asked for, or by `auto` when it is installed and sees a GPU. The addon is built
 * by `recvae backends install-tensorflow` (install.ts) against a TensorFlow that is there already.
 */
import type { Engine, ProbeResult } from "../engine.ts";
import { probeInChild } from "../probe_child.ts";
import { addonPath, INSTALL_COMMAND } from "./addon.ts";
import type { TensorFlowName } from "./session.ts";

/** Permissions of a probing child: read the package and the library, load it, silence its log. */
const PERMISSIONS = ["--allow-ffi", "--allow-read", "--allow-env", "--allow-sys"];

/** Native TensorFlow on the CPU. */
export const engine: Engine = tensorFlowEngine("tensorflow");

/** Native TensorFlow on an NVIDIA GPU. */
export const cudaEngine: Engine = tensorFlowEngine("cuda");

function tensorFlowEngine(name: TensorFlowName): Engine {
  return {
    name,
    probe: () => probe(name),
    start: async (options = {}) => (await import("./session.ts")).startSession(name, options),
  };
}

async function probe(name: TensorFlowName): Promise<ProbeResult> {
  const { missingPermission } = await import("./session.ts");
  const hint = missingPermission(name);
  if (hint !== null) return unavailable(name, "not looked for", hint);
  return await probeInChild(name, {
    permissions: PERMISSIONS,
    // Only a child can be kept from downloading the package, and from crashing this process.
    inProcess: () =>
      Promise.resolve(
        unavailable(
          name,
          "not looked for",
          "looking needs a process of its own; run deno with --allow-run --allow-env",
        ),
      ),
  });
}

/**
 * Looks for TensorFlow by loading it into this process.
 *
 * @param name Engine that is asked for.
 */
export async function probeHere(name: TensorFlowName): Promise<ProbeResult> {
  const { loadTensorFlowPackage } = await import("../../deps/tfjs_node.ts");
  const { fileExists } = await import("../../deps/node_fs.ts");
  // A probing child may not download: without the package in the cache, loading it fails. So would the
  // session's modules where Deno has fetched packages by the lock file alone.
  const found = await loadTensorFlowPackage().catch(() => null);
  if (found === null || !fileExists(addonPath(found.folder))) {
    return unavailable(name, "not installed", `build it with "${INSTALL_COMMAND}"`);
  }
  const { detailLine, loadTensorFlow } = await import("./session.ts");
  const { version, gpu } = await loadTensorFlow(name);
  const detail = detailLine(version, gpu);
  if (name === "cuda") {
    return gpu
      ? { name, available: true, automatic: true, detail }
      : unavailable(name, `${detail} only`, "needs an NVIDIA GPU and TensorFlow built for CUDA");
  }
  const hint = "wasm is faster on a CPU; use it with --backend tensorflow";
  return { name, available: true, automatic: false, detail, hint };
}

function unavailable(name: TensorFlowName, detail: string, hint: string): ProbeResult {
  return { name, available: false, automatic: false, detail, hint };
}
