/**
 * Normalisation with LeakyReLU and its gradient (spec 3.3) composed of TensorFlow's own kernels. Tensors
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

/** y, mean and variance (kernel contract, `runNormActivation`). @param inputs Tensors. @param attributes Blocks. */
export function normActivation(inputs: NormInputs, attributes: NormAttributes): tf.Tensor[] {
  const view = blockView(inputs.x.shape, attributes);
  const x = inputs.x.reshape(view.blocks);
  const mean = inputs.mean ?? blockMeans(x, view);
  const centred = x.sub(mean.reshape(view.statistics));
  const variance = inputs.variance ?? blockMeans(centred.square(), view);
  const scale = inverseDeviation(variance, attributes).reshape(view.statistics);
  const value = centred.mul(scale).mul(inputs.gamma.reshape(view.channels))
    .add(inputs.beta.reshape(view.channels));
  const y = attributes.slope === 1 ? value : tf.leakyRelu(value, attributes.slope);
  const shape = [attributes.sampleGroups, attributes.channelGroups];
  return [y.reshape(inputs.x.shape), mean.reshape(shape), variance.reshape(shape)];
}

/** dx, dGamma, dBeta (kernel contract, `runNormActivationGradient`). @param inputs Tensors. @param attributes Blocks. */
export function normActivationGradient(
  inputs: Required<NormInputs> & { readonly dy: tf.Tensor },
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
): tf.Tensor[] {
  const { gamma, beta, mean, variance } = inputs;
  const view = blockView(inputs.x.shape, attributes);
  const x = inputs.x.reshape(view.blocks);
  const dy = inputs.dy.reshape(view.blocks);
  const gammas = gamma.reshape(view.channels);
  const scale = inverseDeviation(variance, attributes).reshape(view.statistics);
  const normal = x.sub(mean.reshape(view.statistics)).mul(scale);
  const positive = normal.mul(gammas).add(beta.reshape(view.channels)).greater(0);
  const g = attributes.slope === 1 ? dy : tf.where(positive, dy, dy.mul(attributes.slope));
  const gx = g.mul(normal);
  const dBeta = channelSums(g, view).sum(0).reshape(gamma.shape);
  const dGamma = channelSums(gx, view).sum(0).reshape(gamma.shape);
  const scaled = g.mul(gammas);
  if (attributes.fixedStatistics) {
    return [scaled.mul(scale).reshape(inputs.x.shape), dGamma, dBeta];
  }
  const meanG = blockMeans(scaled, view).reshape(view.statistics);
  const meanGx = blockMeans(gx.mul(gammas), view).reshape(view.statistics);
  const dx = scaled.sub(meanG).sub(normal.mul(meanGx)).mul(scale);
  return [dx.reshape(inputs.x.shape), dGamma, dBeta];
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
  return channelSums(x, view).sum(2).div(Math.max(1, view.rows * width));
}

/** Sums over the rows of each group, `[S, K, width]`. */
function channelSums(x: tf.Tensor, view: BlockView): tf.Tensor {
  const [groups, rows, channelGroups, width] = view.blocks;
  return sumRows(x.reshape([groups, rows, channelGroups * width]))
    .reshape([groups, channelGroups, width]);
}

function inverseDeviation(variance: tf.Tensor, { epsilon }: NormAttributes): tf.Tensor {
  return tf.scalar(1).div(variance.add(epsilon).sqrt());
}
