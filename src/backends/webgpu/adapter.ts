/**
 * Finding a GPU: the adapter, what it is called, whether it is software, and a device with limits raised
 * to what the adapter offers (the defaults of WebGPU would cap a buffer binding at 128 MiB).
 */
import { BackendError } from "../../base/errors.ts";

/** Names of adapters that compute on the CPU; such an adapter is slower than the wasm engine. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|softpipe|software|basic render|warp/i;

/** Limits that kernels profit from; all others keep their defaults. */
const RAISED_LIMITS = [
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
] as const;

/** A GPU as WebGPU describes it. */
export interface AdapterSummary {
  /** `"NVIDIA H200"`, `"llvmpipe (LLVM 15.0.6, 256 bits)"`. */
  readonly device: string;
  /** True for adapters that compute on the CPU. */
  readonly software: boolean;
  /** Largest buffer in bytes. */
  readonly maxBufferBytes: number;
  /** Largest part of a buffer that one kernel argument may cover, in bytes. */
  readonly maxBindingBytes: number;
}

/**
 * Asks for the fastest adapter.
 *
 * @returns null where WebGPU is missing or has no adapter.
 */
export async function findAdapter(): Promise<GPUAdapter | null> {
  const gpu = (navigator as { gpu?: GPU }).gpu;
  if (gpu === undefined) return null;
  return await gpu.requestAdapter({ powerPreference: "high-performance" });
}

/**
 * What is worth telling a user about an adapter.
 *
 * @param adapter As found.
 */
export function describeAdapter(adapter: GPUAdapter): AdapterSummary {
  const { description, vendor, architecture, device } = adapter.info;
  const fallback = (adapter.info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  const name = description || [vendor, architecture, device].filter(Boolean).join(" ") || "GPU";
  return {
    device: name,
    software: fallback || SOFTWARE.test(name),
    maxBufferBytes: adapter.limits.maxBufferSize,
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
  };
}

/** One line for people: `"llvmpipe (LLVM 15.0.6, 256 bits), software, buffers to 2.0 GiB"`. */
export function summaryLine(summary: AdapterSummary): string {
  const gibibytes = (summary.maxBufferBytes / 2 ** 30).toFixed(1);
  return `${summary.device}${summary.software ? ", software" : ""}, buffers to ${gibibytes} GiB`;
}

/**
 * Opens a device with raised limits, and with timestamps where the adapter has them.
 *
 * @param adapter As found; usable for one device only.
 * @throws {BackendError} when the driver refuses.
 */
export async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const limit of RAISED_LIMITS) {
    // "No limit" may be reported as 2^64 − 1, which WebGPU's own numbers cannot say.
    requiredLimits[limit] = Math.min(adapter.limits[limit], Number.MAX_SAFE_INTEGER);
  }
  const timestamps = adapter.features.has("timestamp-query");
  try {
    return await adapter.requestDevice({
      label: "recvae",
      requiredLimits,
      requiredFeatures: timestamps ? ["timestamp-query"] : [],
    });
  } catch (error) {
    throw new BackendError(
      "webgpu",
      `Cannot open the GPU "${describeAdapter(adapter).device}": ${(error as Error).message}; ` +
        "update its driver, or choose --backend wasm",
    );
  }
}
