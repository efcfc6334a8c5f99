import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { assertEquals, assertRejects } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { linear } from "../../src/ops/linear.ts";
import { tanhSquaredErrorWithGradient } from "../../src/ops/tanh_squared_error.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { tapeGradients } from "../../src/training/tape_gradients.ts";
import { forEachBackend } from "../support/engines.ts";

function variables(names: readonly string[], shape: number[]) {
  return new Map(names.map((name, i) => {
    const start = toTensor(
      Float64Array.from({ length: shape[0] * shape[1] }, (_, j) => (i + j + 1) / 8),
      shape,
    );
    const variable = tf.variable(start);
    start.dispose();
    return [name, variable];
  }));
}

const mean = (x: tf.Tensor) => tf.mean(x) as tf.Scalar;

await forEachBackend("tapeGradients gives every term and gradient by name", async () => {
  const model = variables(["first", "second", "unused"], [2, 2]);
  const x = toTensor(Float64Array.of(1, 2, -1, 0.5), [2, 2]);
  const { losses, gradients } = await tapeGradients(model, () => {
    const error = mean(tf.square(linear(x, model.get("first")!)));
    const penalty = tf.sum(model.get("second")!) as tf.Scalar;
    return { loss: tf.add(error, penalty) as tf.Scalar, error, penalty };
  });
  // first = [[1/8, 2/8], [3/8, 4/8]]: products 0.625, 1.375, 0, −0.125; second sums to 14/8.
  assertEquals(losses.penalty, 1.75);
  assertEquals(losses.error, (0.625 ** 2 + 1.375 ** 2 + 0.125 ** 2) / 4);
  assertEquals(losses.loss, losses.error + 1.75);
  assertEquals([...gradients.keys()], ["first", "second", "unused"]);
  assertEquals([...await toHost(gradients.get("first")!)], [0.3125, 0.625, 0.75, 1.34375]);
  assertEquals([...await toHost(gradients.get("second")!)], [1, 1, 1, 1]);
  assertEquals([...await toHost(gradients.get("unused")!)], [0, 0, 0, 0]);
  tf.dispose([x, ...gradients.values(), ...model.values()]);
}, { engines: ["cpu", "reference", "wasm", "webgpu"] });

await forEachBackend(
  "a thousand steps by tape leave no tensor and no byte behind",
  async (engine) => {
    const model = variables(["weight", "other"], [3, 3]);
    const x = toTensor(new Float64Array(12).fill(0.5), [4, 3]);
    const optimiser = createOptimiser("adam", model);
    const step = async () => {
      const { gradients } = await tapeGradients(model, () => {
        const hidden = linear(x, model.get("weight")!, { activation: "gelu" });
        const y = linear(hidden, model.get("other")!, { activation: "tanh" });
        const loss = mean(tf.square(y));
        return { loss, again: mean(hidden) };
      });
      optimiser.step(gradients, 1e-3);
      tf.dispose([...gradients.values()]);
    };
    await step();
    const [tensors, used] = [tf.memory().numTensors, engine.memory().used];
    for (let i = 0; i < 1000; i++) await step();
    assertEquals(tf.memory().numTensors, tensors);
    assertEquals(engine.memory().used, used);
    optimiser.dispose();
    tf.dispose([x, ...model.values()]);
  },
  { engines: ["cpu", "wasm"] },
);

Deno.test("all terms travel to the host in one transfer", async () => {
  await selectBackend("cpu");
  const model = variables(["weight"], [2, 2]);
  const backend = tf.backend();
  const read = backend.read;
  let reads = 0;
  backend.read = (id) => {
    reads++;
    return read.call(backend, id);
  };
  try {
    const { gradients } = await tapeGradients(model, () => {
      const a = mean(model.get("weight")!);
      return { loss: a, a, b: tf.square(a) as tf.Scalar, c: tf.add(a, 1) as tf.Scalar };
    });
    tf.dispose([...gradients.values()]);
  } finally {
    backend.read = read;
  }
  assertEquals(reads, 1);
  tf.dispose([...model.values()]);
});

Deno.test("tapeGradients differentiates operations of its own beside stock ones", async () => {
  await selectBackend("reference");
  const model = variables(["weight"], [2, 2]);
  const target = tf.zeros([2, 2]);
  const { losses, gradients } = await tapeGradients(model, () => {
    const { sums } = tanhSquaredErrorWithGradient(tf.ones([2, 2]), target, { sampleGroups: 1 });
    return { loss: tf.sum(model.get("weight")!) as tf.Scalar, apart: tf.sum(sums) as tf.Scalar };
  });
  assertEquals(losses.loss, 1.25);
  tf.dispose([target, ...gradients.values(), ...model.values()]);
});

Deno.test("a forward function that fails leaves nothing behind", async () => {
  await selectBackend("cpu");
  const model = variables(["weight"], [2, 2]);
  const before = tf.memory().numTensors;
  const forward = () => mean(tf.square(linear(tf.ones([2, 2]), model.get("weight")!)));
  await assertRejects(
    () =>
      tapeGradients(model, () => {
        forward();
        throw new Error("a fault of the model");
      }),
    Error,
    "a fault of the model",
  );
  await assertRejects(
    () => tapeGradients(model, () => ({ loss: forward(), rows: tf.ones([2]) })),
    ConfigError,
    'term "rows" is a tensor of shape [2], needs one number',
  );
  assertEquals(tf.memory().numTensors, before);
  await assertRejects(
    () => tapeGradients(new Map(), () => ({ loss: forward() })),
    ConfigError,
    "found no variables",
  );
  tf.dispose([...model.values()]);
});
