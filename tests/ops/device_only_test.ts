/**
 * What runs where: on a GPU none of these operations may wait for values on the host, which stalls the device; on wasm
 * none may leave our kernels for those in JavaScript.
 */
import { toTensor } from "../../src/backends/tensors.ts";
import { KERNELS } from "../../src/backends/wasm/kernels/table.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { attention } from "../../src/ops/attention.ts";
import { gru } from "../../src/ops/gru.ts";
import { linear, LINEAR_ACTIVATIONS } from "../../src/ops/linear.ts";
import { lstm } from "../../src/ops/lstm.ts";
import { forEachBackend } from "../support/engines.ts";
import { normalArray } from "../support/random_arrays.ts";

const random = RandomStream.fromSeed(91);

/** Larger than what the GPU engine of TensorFlow.js forwards to the host by itself. */
function normal(shape: readonly number[]): tf.Tensor {
  return toTensor(normalArray(random, shape).data, shape);
}

function operations(): [string, (inputs: tf.Tensor[]) => tf.Tensor, tf.Tensor[]][] {
  const sequence = [16, 10, 32];
  const layer = (
    gates: number,
  ) => [normal(sequence), normal([gates * 32, 32]), normal([gates * 32, 32])];
  const dropout = { rate: 0.1, random };
  return [
    ...LINEAR_ACTIVATIONS.map((activation): ReturnType<typeof operations>[number] => [
      activation,
      ([x, weight, bias]) => linear(x, weight, { bias, activation }),
      [normal(sequence), normal([48, 32]), normal([48])],
    ]),
    [
      "attention",
      ([query, key, value]) =>
        attention({ query, key, value }, { heads: 4, causal: true, dropout }),
      [normal(sequence), normal(sequence), normal(sequence)],
    ],
    ["lstm", ([x, weightIh, weightHh]) => lstm(x, { weightIh, weightHh }).states, layer(4)],
    ["gru", ([x, weightIh, weightHh]) => gru(x, { weightIh, weightHh }).states, layer(3)],
  ];
}

/** Gradients in all inputs. */
function differentiate(operation: (inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): void {
  tf.tidy(() => {
    const dy = tf.ones(operation(inputs).shape);
    const gradients = tf.grads((...list: tf.Tensor[]) => operation(list))(inputs, dy);
    assertEquals(gradients.length, inputs.length);
  });
}

await forEachBackend("operations and their gradients read nothing back", () => {
  const backend = tf.backend();
  const { readSync, read } = backend;
  for (const [name, operation, inputs] of operations()) {
    let reads = 0;
    backend.readSync = (id) => (reads++, readSync.call(backend, id));
    backend.read = (id) => (reads++, read.call(backend, id));
    try {
      differentiate(operation, inputs);
      tf.dispose(inputs);
    } finally {
      Object.assign(backend, { readSync, read });
    }
    assertEquals(reads, 0, name);
  }
  return Promise.resolve();
}, { engines: ["webgpu"] });

await forEachBackend("operations and their gradients run in kernels of ours", async () => {
  for (const [name, operation, inputs] of operations()) {
    const { kernels } = await tf.profile(() => differentiate(operation, inputs));
    const foreign = kernels.map((kernel) => kernel.name)
      .filter((kernel) => tf.getKernel(kernel, "cpu") != null && !(kernel in KERNELS));
    assertEquals(foreign, [], name);
    tf.dispose(inputs);
  }
}, { engines: ["wasm"] });
