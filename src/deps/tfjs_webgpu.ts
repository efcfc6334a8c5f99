/**
 * The WebGPU engine of TensorFlow.js, whose declarations for the few members in use stand here. Loading it
 * registers its kernels and a factory named "webgpu".
 *
 * The specifier is no literal on purpose (see tfjs_node.ts): who computes without a GPU does not download it.
 */
import type { tf } from "./tfjs.ts";

/** What is downloaded, for messages. */
export const WEBGPU_PACKAGE = "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";

/** A tensor's data: values on the host, a buffer of the device, or both. */
interface TensorData {
  values: tf.BackendValues;
  readonly resource?: GPUBuffer;
}

/** The package's pool of buffers. */
interface BufferManager {
  readonly numBytesUsed: number;
  numBytesAllocated: number;
  acquireBuffer(size: number, usage: GPUBufferUsageFlags): GPUBuffer;
}

/** The backend of one device. */
export interface WebGPUBackend extends tf.KernelBackend {
  readonly device: GPUDevice;
  readonly tensorMap: tf.DataStorage<TensorData>;
  readonly bufferManager: BufferManager;
  makeTensorInfo(shape: number[], dtype: tf.DataType, values?: tf.BackendValues): tf.TensorInfo;
  uploadToGPU(dataId: tf.DataId): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** The class, once {@link loadWebGpuPackage} has run: a module that extends it is imported after that. */
export let WebGPUBackend: new (device: GPUDevice, info?: GPUAdapterInfo) => WebGPUBackend;

/** Loads the package, once. Downloads it when it is not cached yet. */
export async function loadWebGpuPackage(): Promise<void> {
  ({ WebGPUBackend } = await import(WEBGPU_PACKAGE));
}
