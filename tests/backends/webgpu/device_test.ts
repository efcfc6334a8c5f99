/** The device of the webgpu engine: probing, starting again, memory, errors, large buffers. */
import { FrameCache } from "../../../src/backends/frame_cache.ts";
import { runConv3d, runTanhSquaredError } from "../../../src/backends/kernel_contract.ts";
import { toHost, toTensor } from "../../../src/backends/tensors.ts";
import type { DeviceBackend } from "../../../src/backends/webgpu/device_backend.ts";
import { engine } from "../../../src/backends/webgpu/mod.ts";
import { splitItems } from "../../../src/backends/webgpu/parts.ts";
import type { FrameBatch } from "../../../src/base/frames.ts";
import { BackendError, ConfigError } from "../../../src/base/errors.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { gpuTest } from "../../support/gpu.ts";

const problem = { voxels: 902_629, batch: 4, frames: 120, valuesPerVolume: 4_092_906 };

Deno.test("items are cut into even ranges that fit a binding", () => {
  const limits = { maxStorageBufferBindingSize: 1056, minStorageBufferOffsetAlignment: 32 };
  assertEquals(splitItems(5, [100, 50], limits), [[0, 1], [1, 3], [3, 5]]);
  assertEquals(splitItems(0, [100], limits), []);
  assertEquals(splitItems(4, [64], limits), [[0, 4]]);
  assertThrows(() => splitItems(1, [300], limits), BackendError, "binds at most 1024 bytes");
});

gpuTest("the webgpu probe names the device and refuses software adapters to auto", async () => {
  const probe = await engine.probe();
  assertEquals(probe.available, true);
  if (/llvmpipe/.test(probe.detail)) {
    assertEquals(probe.automatic, false);
    assert(probe.hint?.includes("software"), probe.hint);
  }
});

gpuTest("webgpu can be stopped and started again, and chooses a sensible chunk", async () => {
  const first = await engine.start();
  const frames = first.framesPerChunk(problem);
  assert(frames >= 1 && frames <= 120, `${frames} frames`);
  assertEquals(first.framesPerChunk({ ...problem, frames: 2, valuesPerVolume: 10 }), 2);
  await first.stop();
  const second = await engine.start();
  const sum = tf.add(toTensor(Float32Array.of(1, 2), [2]), toTensor(Float32Array.of(3, 4), [2]));
  assertEquals([...await toHost(sum)], [4, 6]);
  assertInstanceOf(tf.backend(), tf.KernelBackend, "one tfjs-core for the package and for us");
  await second.stop();
});

gpuTest("RECVAE_GPU_MEMORY sizes the chunks, and nonsense in it is refused", async () => {
  const before = Deno.env.get("RECVAE_GPU_MEMORY");
  const framesWith = async (gibibytes: string) => {
    Deno.env.set("RECVAE_GPU_MEMORY", gibibytes);
    const active = await engine.start();
    const frames = active.framesPerChunk({ ...problem, voxels: 1000 });
    await active.stop();
    return frames;
  };
  try {
    assertEquals(await framesWith("2"), 8);
    assertEquals(await framesWith("4"), 16);
    await assertRejects(() => framesWith("much"), ConfigError, 'found "much"');
  } finally {
    if (before === undefined) Deno.env.delete("RECVAE_GPU_MEMORY");
    else Deno.env.set("RECVAE_GPU_MEMORY", before);
  }
});

gpuTest("frames kept on the GPU come back unchanged", async () => {
  const active = await engine.start();
  const cache = new FrameCache(2 ** 26);
  const shape = [6, 9, 11, 13, 1];
  const values = Float32Array.from({ length: 6 * 9 * 11 * 13 }, (_, i) => i);
  const batch: FrameBatch = {
    source: values,
    subjects: [4, 2],
    frames: 3,
    spatialShape: [13, 11, 9],
    read: () => values,
  };
  const range = { start: 0, count: 3 };
  const frames = toTensor(values, shape);
  cache.keep(batch, range, frames);
  frames.dispose();
  const found = cache.find(batch, range);
  assert(found !== null);
  assertEquals(found.shape, shape);
  assertEquals(await toHost(found), values);
  cache.clear();
  await active.stop();
});

gpuTest("webgpu gives memory back: a thousand kernels hold no more than ten", async () => {
  const active = await engine.start();
  const x = tf.ones([2, 6, 6, 6, 4]);
  const filter = tf.ones([4, 4, 4, 4, 8]);
  const attributes = { stride: [2, 2, 2], padding: [1, 1, 1] } as const;
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) runConv3d(x, filter, null, attributes).dispose();
    await x.data();
    return active.memory().reserved;
  };
  const few = await run(10);
  const tensors = tf.memory().numTensors;
  const many = await run(1000);
  assertEquals(tf.memory().numTensors, tensors);
  assertLess(many, 4 * few);
  await active.stop();
});

gpuTest("a lost GPU is reported as BackendError and the engine starts again", async () => {
  const lost = await engine.start();
  const values = tf.square(toTensor(new Float32Array(5000).fill(3), [5000]));
  (tf.backend() as DeviceBackend).device.destroy();
  const error = await assertRejects(() => toHost(values), BackendError, "The GPU was lost");
  assertEquals(error.backend, "webgpu");
  await assertRejects(() => toHost(values), BackendError, "The GPU was lost");
  const again = await engine.start();
  assertEquals([...await toHost(tf.square(toTensor(Float32Array.of(2), [1])))], [4]);
  await lost.stop();
  assertEquals(tf.getBackend(), again.tfName, "stopping the lost engine leaves the new one alone");
  await again.stop();
});

gpuTest("a tensor larger than any buffer is refused by name and size", async () => {
  const active = await engine.start();
  const backend = tf.backend() as DeviceBackend;
  const floats = backend.device.limits.maxBufferSize / 4 + 1024;
  assertThrows(() => backend.allocate([floats]), BackendError, `shape [${floats}]`);
  assertEquals([...await toHost(tf.square(toTensor(Float32Array.of(2), [1])))], [4]);
  await active.stop();
});

gpuTest("a shader error surfaces at the next read, once", async () => {
  const active = await engine.start();
  const backend = tf.backend() as DeviceBackend;
  const result = backend.allocate([4]);
  backend.dispatch({
    shader: { label: "broken", fields: {}, source: () => "this is no shader" },
    buffers: [{ tensor: result }],
    uniforms: {},
    workgroups: 1,
  });
  const two = toTensor(Float32Array.of(2), [1]);
  await assertRejects(() => toHost(tf.square(two)), BackendError, "Shader 'broken'");
  assertEquals([...await toHost(tf.square(two))], [4]);
  await active.stop();
});

gpuTest("buffers beyond the binding limit of the device are processed in parts", async () => {
  const active = await engine.start();
  const { maxStorageBufferBindingSize: limit } = (tf.backend() as DeviceBackend).device.limits;
  const samples = 3;
  const voxels = Math.ceil(limit / 4 / samples) + 1001; // odd, so that parts begin at odd places
  if (4 * samples * voxels < 2 ** 29) {
    const a = toTensor(new Float32Array(samples * voxels).fill(0.25), [samples, voxels]);
    const target = toTensor(new Float32Array(samples * voxels).fill(0.75), [samples, voxels]);
    const { sums, derivative } = runTanhSquaredError(a, target, null, {
      sampleGroups: samples,
      derivativeScale: 1,
    });
    const error = 0.75 - Math.tanh(0.25);
    for (const sum of await toHost(sums)) {
      assert(Math.abs(sum / (voxels * error * error) - 1) < 1e-6, `sum ${sum}`);
    }
    const slope = -2 * error * (1 - Math.tanh(0.25) ** 2);
    const values = await toHost(derivative);
    assert(values.every((v) => Math.abs(v / slope - 1) < 1e-6));
  }
  await active.stop();
});

gpuTest("unused buffers are given back when the memory is exceeded, not before", async () => {
  const active = await engine.start();
  const own = tf.backend() as DeviceBackend;
  const limit = 2 ** 20;
  const { DeviceBackend } = await import("../../../src/backends/webgpu/device_backend.ts");
  const backend = new DeviceBackend(own.device, { vendor: "" } as GPUAdapterInfo, limit);
  const use = async (floats: number) => {
    const tensor = backend.allocate([floats]);
    backend.clear(tensor);
    backend.disposeData(tensor.dataId);
    await backend.finished();
  };
  await use(2 ** 17); // half of the memory
  assertEquals(backend.bufferManager.numBytesAllocated, 2 ** 19);
  await use(2 ** 17 + 1024); // both fit only just not
  assertLess(backend.bufferManager.numBytesAllocated, 2 ** 19);
  await active.stop();
});
