/**
 * The norm layers of the network in the modes it runs in [recurrent-vae §3.3, §8 GroupNorm].
 *
 * Training with batch norm: statistics per frame over its B subjects, also when several frames are
 * processed together. Evaluation with batch norm: the running statistics. Group norm: statistics per
 * sample and group, always. LeakyReLU 0.2 is part of the layer.
 */
import { tf } from "../../deps/tfjs.ts";
import {
  batchNormActivation,
  fixedNormActivation,
  groupNormActivation,
  normActivationGradient,
} from "../../ops/norm_activation.ts";
import { groupCount, type RecurrentVaeConfig } from "./config.ts";
import type { ParameterStore } from "../../parameters/parameter_store.ts";

/** Weights and mode of a forward pass. */
export interface Network {
  readonly state: Pick<ParameterStore, "tensor">;
  readonly normalization: RecurrentVaeConfig["normalization"];
  /** Statistics of the batch (true) or the running ones (false); group norm ignores it. */
  readonly training: boolean;
  /** Whether a bias before a group norm of one channel a group has its exact gradient, 0, and not a sum's rounding. */
  readonly exactBiases?: boolean;
}

/** What the backward pass of a norm layer needs. */
export interface NormActivations {
  /** Name of the layer, e.g. `"encoder1.1"`. */
  readonly layer: string;
  /** Its input, `[G·B, Z, Y, X, C]`. */
  readonly x: tf.Tensor;
  /** Its output. */
  readonly y: tf.Tensor;
  /** Block statistics `[G, C]` (batch norm, training) or `[G·B, groups]`; null: the running ones were used. */
  readonly statistics: { readonly mean: tf.Tensor; readonly variance: tf.Tensor } | null;
}

/** Gradients by parameter name. */
export type Gradients = Map<string, tf.Tensor>;

/**
 * Applies a norm layer and LeakyReLU.
 *
 * @param network Weights and mode.
 * @param layer Its name.
 * @param input x and the frames G in it.
 */
export function normForward(
  network: Network,
  layer: string,
  input: { readonly x: tf.Tensor; readonly frames: number },
): NormActivations {
  const { x, frames } = input;
  const affine = affineOf(network, layer);
  if (usesRunningStatistics(network)) {
    const y = fixedNormActivation(x, affine, runningStatistics(network, layer));
    return { layer, x, y, statistics: null };
  }
  const { y, mean, variance } = network.normalization === "group"
    ? groupNormActivation(x, affine, { groups: groupCount(affine.gamma.size) })
    : batchNormActivation(x, affine, { sampleGroups: frames });
  return { layer, x, y, statistics: { mean, variance } };
}

/**
 * Gradient of {@link normForward}.
 *
 * @param network As in the forward pass.
 * @param saved What it returned.
 * @param dy Gradient of its output.
 * @param gradients Receives those of weight and bias, or null when they are not wanted.
 * @returns Gradient of its input.
 */
export function normBackward(
  network: Network,
  saved: NormActivations,
  { dy, gradients }: { readonly dy: tf.Tensor; readonly gradients: Gradients | null },
): tf.Tensor {
  const { layer, x, statistics } = saved;
  const affine = affineOf(network, layer);
  const blocks = statistics
    ? { sampleGroups: statistics.mean.shape[0], channelGroups: statistics.mean.shape[1] }
    : {};
  const { dx, dGamma, dBeta } = normActivationGradient(dy, {
    x,
    ...affine,
    ...(statistics ?? runningStatistics(network, layer)),
    ...blocks,
    fixedStatistics: statistics === null,
  });
  if (gradients) {
    gradients.set(`${layer}.weight`, dGamma).set(`${layer}.bias`, dBeta);
  } else tf.dispose([dGamma, dBeta]);
  return dx;
}

/** Batch statistics of a layer over one chunk. */
export interface BatchStatistics {
  readonly layer: string;
  /** `[G, C]`. */
  readonly mean: tf.Tensor;
  /** `[G, C]`, biased. */
  readonly variance: tf.Tensor;
  /** Values behind each mean. */
  readonly count: number;
}

/**
 * Copies of the batch statistics of some layers, which outlive the activations.
 *
 * @param blocks After a forward pass with batch norm in training mode.
 * @param frames G.
 */
export function batchStatistics(
  blocks: readonly NormActivations[],
  frames: number,
): BatchStatistics[] {
  return blocks.flatMap(({ layer, x, statistics }) =>
    statistics === null ? [] : [{
      layer,
      mean: statistics.mean.clone(),
      variance: statistics.variance.clone(),
      count: x.size / (frames * (x.shape[x.shape.length - 1] as number)),
    }]
  );
}

/** Frees what a norm layer saved, its input included. */
export function disposeNorm({ x, y, statistics }: NormActivations): void {
  x.dispose();
  y.dispose();
  statistics?.mean.dispose();
  statistics?.variance.dispose();
}

/** Whether the layer is a fixed affine map of its input (batch norm in evaluation mode). */
export function usesRunningStatistics(network: Network): boolean {
  return network.normalization === "batch" && !network.training;
}

/**
 * Whether adding a constant per channel before the norm layer changes nothing, so that the gradient of a
 * bias there is exactly zero [recurrent-vae §3.2]: batch statistics subtract it again, and so do those of a group that
 * is one channel.
 */
export function absorbsBias(network: Network, channels: number): boolean {
  if (network.normalization === "batch") return network.training;
  return network.exactBiases === true && groupCount(channels) === channels;
}

function affineOf({ state }: Network, layer: string) {
  return { gamma: state.tensor(`${layer}.weight`), beta: state.tensor(`${layer}.bias`) };
}

function runningStatistics({ state }: Network, layer: string) {
  return {
    mean: state.tensor(`${layer}.running_mean`),
    variance: state.tensor(`${layer}.running_var`),
  };
}
