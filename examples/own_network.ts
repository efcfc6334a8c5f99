/**
 * A variational autoencoder of signals with an encoder of one's own: any object with parameters and a differentiable forward pass.
 *
 * Run with: deno run examples/own_network.ts
 */
import { selectBackend } from "../mod.ts";
import { tanh, tf } from "../src/ops/mod.ts";
import { linearEntries } from "../src/parameters/mod.ts";
import { denseDecoder, type Network, VAE } from "../src/models/vae/mod.ts";

await selectBackend("wasm", { threads: 1 });

/** tanh(W·x + b) of the absolute values, so that a signal and its negative have one code. */
const encoder: Network = {
  entries: linearEntries("lin", { inputs: [32], outputs: [16] }),
  forward(x, { tensor }) {
    const sum = tf.matMul(
      tf.abs(x) as tf.Tensor2D,
      tensor("lin.weight") as tf.Tensor2D,
      false,
      true,
    );
    return tanh(tf.add(sum, tensor("lin.bias")));
  },
};

const waves = Float32Array.from(
  { length: 64 * 32 },
  (_, i) => Math.abs(Math.sin(i * (1 + i % 7) / 9)),
);
const signals = { data: waves, shape: [64, 32] };
const vae = new VAE({
  encoder,
  decoder: denseDecoder({ shape: [32], widths: [16], latentDim: 2 }),
  encoderOutDim: 16,
  latentDim: 2,
  lr: 0.01,
  maxEpochs: 30,
});
const before = (await vae.score(signals)).mse;
await vae.fit(signals);
console.log(
  `mean squared error ${before.toFixed(3)} -> ${(await vae.score(signals)).mse.toFixed(3)}`,
);
