/** Small models of the coming families' kinds, as plain forward functions of their weights. */
import { tf } from "../../src/deps/tfjs.ts";
import { conv1d, convTranspose1d } from "../../src/ops/convolution.ts";
import { embedding } from "../../src/ops/embedding.ts";
import { linear } from "../../src/ops/linear.ts";
import { split } from "../../src/ops/parts.ts";
import { maxPool } from "../../src/ops/pooling.ts";
import { upsampleLinear } from "../../src/ops/upsampling.ts";
import "../../src/ops/stock_gradients.ts";

/** A scalar of some weights. */
export type TapeModel = (...weights: tf.Tensor[]) => tf.Tensor;

function normalised(x: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  return tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5)));
}

/** Two heads of width 8 over 6 tokens of two sequences, post-norm, with a mask. */
function transformerLayer(table: tf.Tensor, qkv: tf.Tensor, out: tf.Tensor, up: tf.Tensor) {
  const tokens = tf.tensor2d([0, 1, 2, 1, 0, 3, 3, 3, 2, 1, 0, 0], [2, 6], "int32");
  const x = tf.reshape(embedding(tokens, table), [12, 16]);
  const heads = split(linear(x, qkv), [16, 16, 16]).map((part) =>
    tf.transpose(tf.reshape(part, [2, 6, 2, 8]), [0, 2, 1, 3])
  );
  const mask = tf.tensor2d(Array.from({ length: 36 }, (_, i) => i % 6 > i / 6 ? -1e9 : 0), [6, 6]);
  const scores = tf.mul(tf.matMul(heads[0], heads[1], false, true), 8 ** -0.5);
  const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), heads[2]);
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [12, 16]);
  const attended = normalised(tf.add(x, linear(joined, out)));
  return tf.sum(tf.square(normalised(tf.relu(linear(attended, up)))));
}

/** Three frames of an LSTM of width 8. */
function longShortTermMemory(input: tf.Tensor, gates: tf.Tensor): tf.Tensor {
  let h: tf.Tensor = tf.zeros([4, 8]);
  let c: tf.Tensor = tf.zeros([4, 8]);
  for (const frame of tf.unstack(input, 0)) {
    const [i, f, g, o] = split(linear(tf.concat([frame, h], 1), gates), [8, 8, 8, 8]);
    c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
    h = tf.mul(tf.sigmoid(o), tf.tanh(c));
  }
  return tf.sum(tf.square(h));
}

function convolutionalAutoencoder(x: tf.Tensor, down: tf.Tensor, mid: tf.Tensor, up: tf.Tensor) {
  const reflect = { padding: 1, paddingMode: "reflect" } as const;
  const code = tf.relu(conv1d(x, down, { ...reflect, stride: 2 }));
  const pooled = maxPool(tf.relu(conv1d(code, mid, { dilation: 2, padding: 2 })), { kernel: 2 });
  const grown = tf.concat([upsampleLinear(pooled, 2), code], 2);
  const y = convTranspose1d(grown, up, { stride: 2, padding: 1, outputPadding: 1 });
  return tf.mean(tf.square(tf.sub(y, x)));
}

/** Models by name, with the shapes of their weights. */
export const TAPE_MODELS: Readonly<Record<string, readonly [TapeModel, number[][]]>> = {
  "a transformer layer": [transformerLayer, [[5, 16], [48, 16], [16, 16], [32, 16]]],
  "an LSTM": [longShortTermMemory, [[3, 4, 5], [32, 13]]],
  "a 1-D convolutional autoencoder": [
    convolutionalAutoencoder,
    [[2, 16, 3], [3, 3, 8], [3, 8, 8], [3, 3, 16]],
  ],
  "gathered and mirrored tensors": [
    (x) => {
      const rows = tf.gather(x, tf.tensor1d([2, 0, 2], "int32"));
      return tf.sum(tf.square(tf.pad(tf.slice(rows, [0, 1], [3, 4]), [[1, 1], [0, 2]])));
    },
    [[4, 6]],
  ],
};
