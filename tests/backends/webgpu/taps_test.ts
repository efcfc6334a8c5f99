import { toTensor } from "../../../src/backends/tensors.ts";
import type { DeviceBackend } from "../../../src/backends/webgpu/device_backend.ts";
import { engine as webgpu } from "../../../src/backends/webgpu/mod.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { maxPool } from "../../../src/ops/pooling.ts";
import { upsampleLinear } from "../../../src/ops/upsampling.ts";
import { gpuTest } from "../../support/gpu.ts";
import { normalArray } from "../../support/random_arrays.ts";

/** 5 samples of 5 KiB, so that sums begin in the middle of an aligned piece. */
const SHAPE = [5, 16, 27, 3];

/** Results and gradients of a sum and of a largest value. */
async function results(): Promise<Float32Array[]> {
  const x = toTensor(normalArray(RandomStream.fromSeed(81), SHAPE).data, SHAPE);
  const operations = [
    (v: tf.Tensor) => upsampleLinear(v, [1, 2]),
    (v: tf.Tensor) => maxPool(v, { kernel: 3, stride: 2, padding: 1 }),
  ];
  const tensors = tf.tidy(() => operations.flatMap((run) => [run(x), tf.grad(run)(x)]));
  const values = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
  tf.dispose([x, ...tensors]);
  return values;
}

gpuTest("maps along axes are the same when every tensor has to be cut to be bound", async () => {
  const { tfName } = await webgpu.start({});
  await tf.setBackend(tfName);
  const backend = tf.backend() as DeviceBackend;
  const whole = await results();
  const own = backend.bindingLimits;
  try {
    backend.bindingLimits = {
      maxStorageBufferBindingSize: 12_000,
      minStorageBufferOffsetAlignment: 256,
    };
    const cut = await results();
    assertEquals(cut, whole);
    assert(whole.every((values) => values.some((v) => v !== 0)));
  } finally {
    backend.bindingLimits = own;
  }
});
