/** The convolutions of the model on random data, ready to be timed on any engine. */
import {
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
} from "../src/backends/kernel_contract.ts";
import { tf } from "../src/deps/tfjs.ts";
import type { Layer } from "./layers.ts";

const GEOMETRY = { stride: [2, 2, 2], padding: [1, 1, 1] } as const;

/** What is computed of a layer. */
export const OPERATIONS = ["forward", "input gradient", "filter gradient"] as const;

/** One of {@link OPERATIONS}. */
export type Operation = typeof OPERATIONS[number];

/** A layer's arrays on the current engine. */
export interface PreparedLayer {
  /** To be disposed of by the caller. */
  readonly tensors: tf.Tensor[];
  /** Each computes a new tensor. */
  readonly operations: Readonly<Record<Operation, () => tf.Tensor>>;
}

/**
 * Random data of a layer and what is computed with it. A transposed convolution is the input gradient of the
 * convolution it inverts, and the other way round.
 *
 * @param layer From `convolutionLayers`.
 * @param samples Volumes per call.
 */
export function prepareLayer(layer: Layer, samples: number): PreparedLayer {
  const fine = tf.randomUniform([samples, ...layer.fine, layer.fineChannels], -1, 1);
  const coarse = tf.randomUniform([samples, ...layer.coarse, layer.coarseChannels], -1, 1);
  const filter = tf.randomUniform([4, 4, 4, layer.fineChannels, layer.coarseChannels], -1, 1);
  const bias = layer.transposed ? null : tf.randomUniform([layer.coarseChannels], -1, 1);
  const down = () => runConv3d(fine, filter, bias, GEOMETRY);
  const up = () => runConv3dInputGradient(coarse, filter, { ...GEOMETRY, inputSize: layer.fine });
  const operations = {
    "forward": layer.transposed ? up : down,
    "input gradient": layer.transposed ? down : up,
    "filter gradient": () =>
      runConv3dFilterGradient(fine, coarse, { ...GEOMETRY, kernel: [4, 4, 4] }),
  };
  return { tensors: [fine, coarse, filter, ...(bias ? [bias] : [])], operations };
}

/** Reads one value of a result, which waits for everything queued before it, and disposes of the result. */
export async function finished(result: tf.Tensor): Promise<void> {
  const one = tf.tidy(() => tf.slice(tf.reshape(result, [-1]), 0, 1));
  await one.data();
  tf.dispose([one, result]);
}
