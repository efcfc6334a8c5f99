/**
 * Normalisation with LeakyReLU and its gradient [recurrent-vae §3.3] composed of TensorFlow's own kernels. Tensors
 * are seen as `[S, rows, K, channels per group]`; a block is what has one (s, k).
 */
import { tf } from "../../deps/tfjs.ts";
import type { NormAttributes } from "../kernel_contract.ts";
import { sumRows } from "./row_sums.ts";

/** Inputs of {@link normActivation}; mean and variance are given in evaluation mode only. */
export interface NormInputs {
  readonly x: tf.Tensor;
  readonly gamma: tf.Tensor;
  readonly beta: tf.Tensor;
  readonly mean?: tf.Tensor;
  readonly variance?: tf.Tensor;
}

/**
 * y, mean and variance (kernel contract, `runNormActivation`).
 *
 * @param inputs Tensors.
 * @param attributes Blocks.
 */
export function normActivation(inputs: NormInputs, attributes: NormAttributes): tf.Tensor[] {
  const view = blockView(inputs.x.shape, attributes);
  const x = tf.reshape(inputs.x, view.blocks);
  const mean = inputs.mean ?? blockMeans(x, view);
  const centred = tf.sub(x, tf.reshape(mean, view.statistics));
  const variance = inputs.variance ?? blockMeans(tf.square(centred), view);
  const scale = tf.reshape(inverseDeviation(variance, attributes), view.statistics);
  const normal = tf.mul(centred, scale);
  const value = tf.add(
    tf.mul(normal, tf.reshape(inputs.gamma, view.channels)),
    tf.reshape(inputs.beta, view.channels),
  );
  const y = attributes.slope === 1 ? value : tf.leakyRelu(value, attributes.slope);
  const shape = [attributes.sampleGroups, attributes.channelGroups];
  return [tf.reshape(y, inputs.x.shape), tf.reshape(mean, shape), tf.reshape(variance, shape)];
}

/**
 * dx, dGamma, dBeta (kernel contract, `runNormActivationGradient`).
 *
 * @param inputs Tensors.
 * @param attributes Blocks.
 */
export function normActivationGradient(
  inputs: Required<NormInputs> & { readonly dy: tf.Tensor },
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
): tf.Tensor[] {
  const { gamma, beta, mean, variance } = inputs;
  const view = blockView(inputs.x.shape, attributes);
  const x = tf.reshape(inputs.x, view.blocks);
  const dy = tf.reshape(inputs.dy, view.blocks);
  const gammas = tf.reshape(gamma, view.channels);
  const scale = tf.reshape(inverseDeviation(variance, attributes), view.statistics);
  const normal = tf.mul(tf.sub(x, tf.reshape(mean, view.statistics)), scale);
  const value = tf.add(tf.mul(normal, gammas), tf.reshape(beta, view.channels));
  const g = attributes.slope === 1
    ? dy
    : tf.where(tf.greater(value, 0), dy, tf.mul(dy, attributes.slope));
  const gx = tf.mul(g, normal);
  const dBeta = tf.reshape(tf.sum(channelSums(g, view), 0), gamma.shape);
  const dGamma = tf.reshape(tf.sum(channelSums(gx, view), 0), gamma.shape);
  const scaled = tf.mul(g, gammas);
  if (attributes.fixedStatistics) {
    return [tf.reshape(tf.mul(scaled, scale), inputs.x.shape), dGamma, dBeta];
  }
  const meanG = tf.reshape(blockMeans(scaled, view), view.statistics);
  const meanGx = tf.reshape(blockMeans(tf.mul(gx, gammas), view), view.statistics);
  const dx = tf.mul(tf.sub(tf.sub(scaled, meanG), tf.mul(normal, meanGx)), scale);
  return [tf.reshape(dx, inputs.x.shape), dGamma, dBeta];
}

/** Shapes that make blocks, their statistics and the channels broadcast against each other. */
interface BlockView {
  readonly rows: number;
  readonly blocks: [number, number, number, number];
  readonly statistics: [number, number, number, number];
  readonly channels: [number, number, number, number];
}

function blockView(shape: readonly number[], attributes: NormAttributes): BlockView {
  const { sampleGroups, channelGroups } = attributes;
  const channels = shape[shape.length - 1];
  const width = channels / channelGroups;
  const values = shape.reduce((product, n) => product * n, 1);
  const rows = sampleGroups === 0 ? 0 : values / sampleGroups / channels;
  return {
    rows,
    blocks: [sampleGroups, rows, channelGroups, width],
    statistics: [sampleGroups, 1, channelGroups, 1],
    channels: [1, 1, channelGroups, width],
  };
}

/** Means of all blocks, `[S, K]`; 0 for blocks without values. */
function blockMeans(x: tf.Tensor, view: BlockView): tf.Tensor {
  const [, , , width] = view.blocks;
  return tf.div(tf.sum(channelSums(x, view), 2), Math.max(1, view.rows * width));
}

/** Sums over the rows of each group, `[S, K, width]`. */
function channelSums(x: tf.Tensor, view: BlockView): tf.Tensor {
  const [groups, rows, channelGroups, width] = view.blocks;
  const sums = sumRows(tf.reshape(x, [groups, rows, channelGroups * width]) as tf.Tensor3D);
  return tf.reshape(sums, [groups, channelGroups, width]);
}

function inverseDeviation(variance: tf.Tensor, { epsilon }: NormAttributes): tf.Tensor {
  return tf.div(1, tf.sqrt(tf.add(variance, epsilon)));
}
