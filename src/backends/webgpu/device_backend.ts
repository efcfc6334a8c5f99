/**
 * The TensorFlow.js backend of one GPU device: the stock WebGPU backend, plus a way to run shaders of our
 * own on parts of buffers, faster uploads, a bounded pool of free buffers, and errors of the device that
 * surface as {@link BackendError} at the next read-back.
 *
 * Nothing in here waits for the GPU except `read`.
 */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { WebGPUBackend } from "../../deps/tfjs_webgpu.ts";
import type { BindingLimits } from "./parts.ts";
import { type Fields, type FieldValues, packUniforms, type Shader } from "./shader.ts";

/** A contiguous part of a tensor as a kernel argument. */
export interface TensorPart {
  readonly tensor: tf.TensorInfo;
  /** First byte; a multiple of the device's offset alignment. Default 0. */
  readonly byteOffset?: number;
  /** Default: to the end of the tensor. */
  readonly byteLength?: number;
}

/** One run of a shader. */
export interface Dispatch<F extends Fields> {
  readonly shader: Shader<F>;
  /** One per storage binding, in order. */
  readonly buffers: readonly TensorPart[];
  readonly uniforms: FieldValues<F>;
  /** Number of workgroups; the grid's shape is chosen here. */
  readonly workgroups: number;
}

/** Members of the stock backend that its declarations hide although kernels outside the package need them. */
interface Recorder {
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandEncoder: GPUCommandEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  readonly uniformPendingDisposal: GPUBuffer[];
  dispatchCountInPass: number;
}

/** The pool's list of buffers that wait to be used again. */
interface BufferPool {
  readonly freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
}

/** Least share of the memory that is worth giving back. */
const SPARE_SHARE = 1 / 8;

/** The backend; one instance per device. */
export class DeviceBackend extends WebGPUBackend {
  /** Kernels split what exceeds these; the device's own limits, which tests lower. */
  bindingLimits: BindingLimits;
  /** Memory to stay within while unused buffers can be given back to the driver instead of being kept. */
  readonly #memoryBytes: number;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  #failure: BackendError | null = null;
  #lost = false;
  #closing = false;

  /**
   * @param device Opened by {@link openDevice}.
   * @param info Of its adapter.
   * @param memoryBytes To stay within.
   */
  constructor(device: GPUDevice, info: GPUAdapterInfo, memoryBytes: number) {
    super(device, info);
    this.bindingLimits = device.limits;
    this.#memoryBytes = memoryBytes;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#failure ??= deviceError((event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ reason, message }) => {
      if (this.#closing) return;
      this.#lost = true;
      this.#failure = new BackendError(
        "webgpu",
        `The GPU was lost (${reason}): ${message || "no reason given"}; its tensors are gone, ` +
          "start the engine again and continue from the last checkpoint",
      );
    });
  }

  /** True once the device is gone: every later use throws. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Throws what the device reported since the last call; a lost device throws every time. */
  throwFailure(): void {
    const failure = this.#failure;
    if (failure === null) return;
    if (!this.#lost) this.#failure = null;
    throw failure;
  }

  /**
   * A tensor with a buffer and unspecified contents.
   *
   * @throws {BackendError} when no buffer of this device can be that large.
   */
  allocate(shape: readonly number[]): tf.TensorInfo {
    const bytes = 4 * tf.util.sizeFromShape([...shape]);
    const limit = this.device.limits.maxBufferSize;
    if (bytes > limit) {
      throw new BackendError(
        "webgpu",
        `Cannot make a tensor of shape [${shape}]: it takes ${bytes} bytes, a buffer of this GPU ` +
          `at most ${limit}; process fewer frames per call`,
      );
    }
    if (bytes === 0) return this.makeTensorInfo([...shape], "float32", new Float32Array(0));
    const tensor = this.makeTensorInfo([...shape], "float32");
    this.uploadToGPU(tensor.dataId);
    return tensor;
  }

  /**
   * Records one run of a shader; it is submitted with its neighbours.
   *
   * @param dispatch What to run.
   */
  dispatch<F extends Fields>(dispatch: Dispatch<F>): void {
    if (this.#lost) this.throwFailure();
    if (dispatch.workgroups === 0) return;
    const recorder = this as unknown as Recorder;
    for (const { tensor } of dispatch.buffers) this.uploadToGPU(tensor.dataId);
    const pipeline = this.#pipeline(dispatch.shader);
    const bindGroup = this.#bindGroup(pipeline, dispatch);
    this.ensureCommandEncoderReady();
    recorder.computePassEncoder ??= recorder.commandEncoder!.beginComputePass();
    const pass = recorder.computePassEncoder;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    const [columns, rows] = grid(
      dispatch.workgroups,
      this.device.limits.maxComputeWorkgroupsPerDimension,
    );
    pass.dispatchWorkgroups(columns, rows);
    for (const { tensor } of dispatch.buffers) recorder.commandQueueOwnedIds.add(tensor.dataId);
    recorder.dispatchCountInPass++;
    if (recorder.dispatchCountInPass >= tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  /**
   * Submits what is recorded and waits until the GPU has done it.
   *
   * @throws {BackendError} of the device.
   */
  async finished(): Promise<void> {
    this.endComputePassEncoder();
    if ((this as unknown as Recorder).commandEncoder != null) this.submitQueue();
    await this.device.queue.onSubmittedWorkDone();
    this.throwFailure();
  }

  /**
   * Makes every value of a fresh tensor 0.
   *
   * @param tensor From {@link allocate}.
   */
  clear(tensor: tf.TensorInfo): void {
    const buffer = this.tensorMap.get(tensor.dataId).resource;
    if (buffer == null) return;
    const recorder = this as unknown as Recorder;
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    recorder.commandEncoder!.clearBuffer(buffer as unknown as GPUBuffer);
    recorder.commandQueueOwnedIds.add(tensor.dataId);
  }

  /** Copies values to the GPU; float32 in one copy through the queue, without a mapped buffer between. */
  override uploadToGPU(dataId: tf.DataId): void {
    const data = this.tensorMap.get(dataId);
    if (data.resource != null || !(data.values instanceof Float32Array)) {
      super.uploadToGPU(dataId);
      return;
    }
    const values = data.values;
    data.values = null as unknown as Float32Array;
    super.uploadToGPU(dataId);
    // A recycled buffer is in no recorded command, so writing before the next submission is in order.
    // The queue takes no shared memory; wasm hands such views over.
    const owned = values.buffer instanceof ArrayBuffer;
    const bytes = (owned ? values : values.slice()) as Float32Array<ArrayBuffer>;
    // Deno 2.9.6 panics when it is handed nothing to write.
    if (bytes.byteLength === 0) return;
    this.device.queue.writeBuffer(data.resource as unknown as GPUBuffer, 0, bytes);
  }

  override submitQueue(): void {
    super.submitQueue();
    const { numBytesAllocated, numBytesUsed } = this.bufferManager;
    // Giving back a little would be done again at every submission.
    const unused = numBytesAllocated - numBytesUsed;
    if (numBytesAllocated > this.#memoryBytes && unused > SPARE_SHARE * this.#memoryBytes) {
      this.#emptyPool();
    }
  }

  /**
   * Waits for a tensor's values.
   *
   * @throws {BackendError} when the device failed before they were ready.
   */
  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    if (this.#lost) this.throwFailure();
    try {
      const values = await super.read(dataId);
      this.throwFailure();
      return values;
    } catch (error) {
      await this.#lossReport();
      this.throwFailure();
      throw error instanceof BackendError ? error : deviceError(error as Error);
    }
  }

  /** Marks the end of use, so that the loss of the device that follows is no failure. */
  close(): void {
    this.#closing = true;
    this.endComputePassEncoder();
    this.device.destroy();
  }

  /** Lets a pending report about the loss of the device arrive. */
  async #lossReport(): Promise<void> {
    await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
  }

  #pipeline(shader: Shader): GPUComputePipeline {
    const known = this.#pipelines.get(shader.label);
    if (known !== undefined) return known;
    const module = this.device.createShaderModule({ code: shader.source(), label: shader.label });
    const pipeline = this.device.createComputePipeline({
      label: shader.label,
      layout: "auto",
      compute: { module, entryPoint: "main" },
    });
    this.#pipelines.set(shader.label, pipeline);
    return pipeline;
  }

  #bindGroup<F extends Fields>(pipeline: GPUComputePipeline, dispatch: Dispatch<F>): GPUBindGroup {
    const uniforms = packUniforms(dispatch.shader.fields, dispatch.uniforms);
    const uniformBuffer = this.bufferManager.acquireBuffer(
      uniforms.byteLength,
      GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM,
    );
    this.device.queue.writeBuffer(uniformBuffer, 0, uniforms);
    (this as unknown as Recorder).uniformPendingDisposal.push(uniformBuffer);
    const parts = dispatch.buffers.map(({ tensor, byteOffset, byteLength }) => ({
      buffer: this.tensorMap.get(tensor.dataId).resource as unknown as GPUBuffer,
      offset: byteOffset ?? 0,
      size: byteLength,
    }));
    return this.device.createBindGroup({
      label: dispatch.shader.label,
      layout: pipeline.getBindGroupLayout(0),
      entries: [...parts, { buffer: uniformBuffer }].map((resource, binding) => ({
        binding,
        resource,
      })),
    });
  }

  #emptyPool(): void {
    const pool = this.bufferManager as unknown as BufferPool;
    for (const buffers of pool.freeBuffers.values()) {
      for (const buffer of buffers) {
        this.bufferManager.numBytesAllocated -= buffer.size;
        buffer.destroy();
      }
      pool.numFreeBuffers -= buffers.length;
      buffers.length = 0;
    }
  }
}

/** Shape of a grid of at least `count` workgroups, no side above `limit`. */
function grid(count: number, limit: number): [columns: number, rows: number] {
  const rows = Math.ceil(count / limit);
  return [Math.ceil(count / rows), rows];
}

function deviceError(error: { readonly message: string }): BackendError {
  const outOfMemory = error.constructor.name === "GPUOutOfMemoryError" ||
    /out of memory|not enough memory/i.test(error.message);
  return new BackendError(
    "webgpu",
    outOfMemory
      ? `The GPU is out of memory: ${error.message}; process fewer frames per call`
      : `The GPU reported an error: ${error.message}; choose --backend wasm and report this`,
  );
}
