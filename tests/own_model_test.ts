/** A model of a user's own, made from the subpaths of the library alone: it trains, and its loss falls. */
import { selectBackend } from "../mod.ts";
import * as ops from "../src/ops/mod.ts";
import * as training from "../src/training/mod.ts";
import { assert, assertEquals } from "../src/deps/std.ts";

Deno.test("./ops and ./training give what a model of one's own needs", () => {
  assertEquals(Object.keys(ops).sort(), [
    "LINEAR_ACTIVATIONS",
    ...["attention", "averagePool", "concatenate", "conv1d", "conv2d", "conv3d", "convTranspose1d"],
    ...["convTranspose2d", "convTranspose3d", "dropout", "elu", "embedding", "gather", "gelu"],
    ...["gru", "layerNorm", "leakyRelu", "linear", "logSoftmax", "lstm", "maxPool", "reflectPad"],
    ...["relu", "replicatePad", "sigmoid", "silu", "slice", "softmax", "softplus", "split", "tanh"],
    ...["tf", "upsampleLinear", "upsampleNearest"],
  ]);
  assertEquals(Object.keys(training).sort(), [
    ...["createOptimiser", "createSchedule", "rowStream", "runTraining", "tapeGradients"],
    "withoutVariables",
  ]);
});

Deno.test("an autoencoder of a user's own learns sines by the tape", async () => {
  const { tf, linear, tanh } = ops;
  const engine = await selectBackend("wasm", { threads: 1 });
  const [rows, length, latent] = [16, 12, 2];
  const sines = tf.tensor2d(
    Float32Array.from(
      { length: rows * length },
      (_, i) => Math.sin(i % length / 2 + Math.floor(i / length)),
    ),
    [rows, length],
  );
  const start = (shape: [number, number], phase: number) =>
    tf.variable(tf.tensor2d(
      Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i + phase) / 4),
      shape,
    ));
  const variables = new Map([
    ["encoder", start([latent, length], 1)],
    ["decoder", start([length, latent], 2)],
  ]);
  const trainable = {
    variables,
    computeGradients: () =>
      training.tapeGradients(variables, () => {
        const code = tanh(linear(sines, variables.get("encoder")!));
        const error = tf.sub(linear(code, variables.get("decoder")!), sines);
        return { loss: tf.mean(tf.square(error)) as ReturnType<typeof tf.scalar> };
      }),
  };
  const epochs = 150;
  const optimiser = training.createOptimiser("adam", variables);
  const { metrics } = await training.runTraining(
    trainable,
    { batches: () => [{ rows: [...Array(rows).keys()] }] },
    {
      epochs,
      optimiser,
      schedule: training.createSchedule("constant", { learningRate: 0.05, epochs }),
    },
  );
  // Sines of one frequency span two dimensions: nearly nothing is left of their mean square of a half.
  assert(metrics[0].loss > 0.3, `${metrics[0].loss} at first`);
  assert(metrics.at(-1)!.loss < 0.05, `${metrics.at(-1)!.loss} at last`);
  optimiser.dispose?.();
  for (const variable of variables.values()) variable.dispose();
  sines.dispose();
  await engine.stop();
});
