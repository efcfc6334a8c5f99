/** Encoder trunk and decoder of every streamline model [streamlines §3]. */
import { tf } from "../../deps/tfjs.ts";
import { conv1d } from "../../ops/convolution.ts";
import { relu } from "../../ops/activations.ts";
import { linear } from "../../ops/linear.ts";
import { batchNormActivation, fixedNormActivation } from "../../ops/norm_activation.ts";
import { upsampleLinear, upsampleNearest } from "../../ops/upsampling.ts";
import { type ParameterEntry, plainEntry, type StartingValues } from "../../parameters/entry.ts";
import { filterEntry, linearEntries, normEntries } from "../../parameters/layers.ts";
import { channelsOf, type CompleteConfig, INNER_PLACES } from "./config.ts";

/** How a forward pass gets at its parameters. */
export interface NetworkUse {
  /** Parameter or buffer by key. */
  tensor(key: string): tf.Tensor;
  /** Batch statistics instead of running ones; they are handed to {@link NetworkUse.onStatistics}. */
  readonly training?: boolean;
  /** Told mean and biased variance of a norm layer; the tensors are the receiver's. */
  onStatistics?(layer: string, statistics: { mean: tf.Tensor; variance: tf.Tensor }): void;
  /** Told every activation: `h1` … of the encoder, `d1` … of the decoder. */
  onActivation?(name: string, value: tf.Tensor): void;
}

/** The original's norm layers: Keras' constants. */
export const NORM_EPSILON = 1e-3;

/** One bound for every encoder convolution, as if each had three channels [streamlines §9]. */
const ORIGINAL_BOUND: StartingValues = { kind: "uniform", from: -1 / 3, to: 1 / 3 };

function glorot(fanIn: number, fanOut: number): StartingValues {
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return { kind: "uniform", from: -bound, to: bound };
}

function convolution(
  name: string,
  { inputs, outputs, start, biasStart }: {
    readonly inputs: number;
    readonly outputs: number;
    readonly start?: StartingValues;
    readonly biasStart?: StartingValues;
  },
): ParameterEntry[] {
  const weight = filterEntry(`${name}.weight`, { axes: [outputs, inputs, 3], start });
  const bias = { shape: [outputs], start: biasStart ?? weight.start };
  return [weight, plainEntry(`${name}.bias`, bias)];
}

/**
 * Entries of the convolutions that halve the places, and of their norm layers.
 *
 * @param config Of the network.
 */
export function trunkEntries(config: CompleteConfig): ParameterEntry[] {
  const channels = channelsOf(config);
  const start = config.init === "original-bound" ? ORIGINAL_BOUND : undefined;
  return channels.flatMap((outputs, i) => [
    ...convolution(`encoder.conv${i + 1}`, {
      inputs: i === 0 ? 3 : channels[i - 1],
      outputs,
      start,
    }),
    ...(config.batchNorm
      ? normEntries(`encoder.bn${i + 1}`, { channels: outputs, running: true })
      : []),
  ]);
}

/**
 * Entries of a linear layer on the flattened trunk.
 *
 * @param name E.g. `"encoder.fc1"`.
 * @param config Of the network.
 * @param outputs Width.
 */
export function headEntries(
  name: string,
  config: CompleteConfig,
  outputs = config.latentDim,
): ParameterEntry[] {
  const channels = channelsOf(config).at(-1)!;
  const inputs = config.encoderFlatten === "channel-major"
    ? [channels, INNER_PLACES]
    : [channels * INNER_PLACES];
  return linearEntries(name, { inputs, outputs: [outputs] });
}

/**
 * Entries of the decoder.
 *
 * @param config Of the network.
 * @param inputs Values it receives: the code, and what stands beside it.
 */
export function decoderEntries(
  config: CompleteConfig,
  inputs = config.latentDim,
): ParameterEntry[] {
  const channels = channelsOf(config).reverse();
  const original = config.init === "original-bound";
  const zero = { kind: "constant", value: 0 } as const;
  const inner = channels[0] * INNER_PLACES;
  const outputs = config.decoderReshape === "channel-major" ? [channels[0], INNER_PLACES] : [inner];
  const [weight, bias] = linearEntries("decoder.fc2", {
    inputs: [inputs],
    outputs,
    start: original ? glorot(inputs, inner) : undefined,
  });
  const layers = [...channels.slice(1), 3].flatMap((out, i) => {
    const into = channels[i];
    const start = original ? glorot(3 * into, 3 * out) : undefined;
    const biasStart = original ? zero : undefined;
    return convolution(`decoder.conv${i + 1}`, { inputs: into, outputs: out, start, biasStart });
  });
  return [weight, original ? { ...bias, start: zero } : bias, ...layers];
}

/**
 * The trunk: convolutions with reflected edges, ReLU behind all but the last, norm layers where there are any.
 *
 * @param x `[B, P, 3]`.
 * @param config Of the network.
 * @param use Parameters.
 * @returns `[B, 8·C]`, place by place.
 */
export function runTrunk(x: tf.Tensor, config: CompleteConfig, use: NetworkUse): tf.Tensor {
  const last = channelsOf(config).length;
  let h = x;
  for (let i = 1; i <= last; i++) {
    const name = `encoder.conv${i}`;
    h = conv1d(h, use.tensor(`${name}.weight`), {
      bias: use.tensor(`${name}.bias`),
      stride: i < last ? 2 : 1,
      padding: 1,
      paddingMode: "reflect",
    });
    if (i < last) h = relu(h);
    if (config.batchNorm) h = runNorm(h, `encoder.bn${i}`, use);
    use.onActivation?.(`h${i}`, h);
  }
  return tf.reshape(h, [x.shape[0], -1]);
}

function runNorm(x: tf.Tensor, layer: string, use: NetworkUse): tf.Tensor {
  const affine = { gamma: use.tensor(`${layer}.weight`), beta: use.tensor(`${layer}.bias`) };
  const constants = { epsilon: NORM_EPSILON, activation: "none" } as const;
  if (!use.training) {
    return fixedNormActivation(x, affine, {
      ...constants,
      mean: use.tensor(`${layer}.running_mean`),
      variance: use.tensor(`${layer}.running_var`),
    });
  }
  const { y, mean, variance } = batchNormActivation(x, affine, constants);
  use.onStatistics?.(layer, { mean, variance });
  return y;
}

/**
 * A linear layer on the trunk's result.
 *
 * @param h `[B, 8·C]`.
 * @param name Of the layer.
 * @param use Parameters.
 */
export function runHead(h: tf.Tensor, name: string, use: NetworkUse): tf.Tensor {
  return linear(h, use.tensor(`${name}.weight`), { bias: use.tensor(`${name}.bias`) });
}

/**
 * The decoder: a linear layer, then convolutions each with ReLU and twice the places behind it, the last alone.
 *
 * @param z `[B, D]`, with what stands beside the code.
 * @param config Of the network.
 * @param use Parameters.
 * @returns `[B, P, 3]`.
 */
export function runDecoder(z: tf.Tensor, config: CompleteConfig, use: NetworkUse): tf.Tensor {
  const last = channelsOf(config).length;
  const flat = runHead(z, "decoder.fc2", use);
  let h = tf.reshape(flat, [z.shape[0], INNER_PLACES, -1]);
  const upsample = config.upsampling === "linear" ? upsampleLinear : upsampleNearest;
  for (let i = 1; i <= last; i++) {
    const name = `decoder.conv${i}`;
    h = conv1d(h, use.tensor(`${name}.weight`), {
      bias: use.tensor(`${name}.bias`),
      padding: 1,
      paddingMode: "reflect",
    });
    if (i < last) h = upsample(relu(h), 2);
    use.onActivation?.(`d${i}`, h);
  }
  return h;
}
