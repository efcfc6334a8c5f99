/**
 * Forward convolutions of the encoder on the stock WebAssembly backend of TensorFlow.js: a peer for speed only. Its
 * forward pass is right; the gradients of its conv3d are wrong (the input gradient always, the filter gradient with
 * stride 2), so it can train nothing and is no engine of this library.
 *
 *   deno run -A --no-lock bench/peers/stock_wasm.ts 91,109,91 4 10
 *
 * Prints one line of JSON per layer: {"layer", "times": milliseconds of each call}. Exit code 77: the package is not
 * there and cannot be fetched.
 */
import { tf } from "../../src/deps/tfjs.ts";
import { convolutionLayers } from "../layers.ts";

// No literal, so that Deno fetches the package only when this peer is asked for.
const PACKAGE = "npm:@tensorflow/tfjs-backend-wasm@4.22.0";

/** Exit status without the package. */
export const NOT_INSTALLED = 77;

async function main([shape, batch, repeats]: readonly string[]): Promise<void> {
  try {
    await import(PACKAGE);
  } catch (fault) {
    console.error(`${PACKAGE}: ${(fault as Error).message}`);
    Deno.exit(NOT_INSTALLED);
  }
  await tf.setBackend("wasm");
  const [x, y, z] = shape.split(",").map(Number);
  const layers = convolutionLayers([x, y, z]).filter(({ transposed }) => !transposed);
  for (const layer of layers) {
    const { fine, fineChannels, coarseChannels } = layer;
    const input = tf.randomUniform([Number(batch), ...fine, fineChannels], -0.5, 0.5);
    // Its only paddings are "valid" and "same"; a border of zeros gives ours, on the same number of outputs.
    const padded = tf.pad(input, [[0, 0], [1, 1], [1, 1], [1, 1], [0, 0]]) as tf.Tensor5D;
    const filter = tf.randomUniform([4, 4, 4, fineChannels, coarseChannels]) as tf.Tensor5D;
    const times: number[] = [];
    for (let i = 0; i < Number(repeats) + 1; i++) {
      const started = performance.now();
      const output = tf.conv3d(padded, filter, 2, "valid");
      times.push(performance.now() - started);
      output.dispose();
    }
    tf.dispose([input, padded, filter]);
    console.log(JSON.stringify({ layer: layer.name, times: times.slice(1) }));
  }
}

if (import.meta.main) await main(Deno.args);
