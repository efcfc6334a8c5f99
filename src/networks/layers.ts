/**
 * Layers, each a description that {@link sequential} puts together: names, shapes and starting values are PyTorch's, and
 * images of one, two and three axes take the same layers.
 */
import { tf } from "../deps/tfjs.ts";
import { ConfigError } from "../base/errors.ts";
import { gelu, leakyRelu, relu, sigmoid, softplus, tanh } from "../ops/activations.ts";
import { dropout as dropOut } from "../ops/dropout.ts";
import { layerNorm as normaliseFeatures } from "../ops/layer_norm.ts";
import { linear } from "../ops/linear.ts";
import { groupNormActivation } from "../ops/norm_activation.ts";
import { averagePool, maxPool } from "../ops/pooling.ts";
import { upsampleLinear, upsampleNearest } from "../ops/upsampling.ts";
import type { ParameterEntry } from "../parameters/entry.ts";
import { linearEntries, normEntries } from "../parameters/layers.ts";
import type { NetworkUse } from "./network.ts";
import { isImage, memoryShape, requireImage, type SampleShape } from "./sample_shape.ts";

/** A layer put in its place: what it holds, makes and does. */
export interface PlacedLayer {
  /** Names begin with the layer's. */
  readonly entries: readonly ParameterEntry[];
  /** What it makes of a sample. */
  readonly output: SampleShape;
  /** For people: `"convolution 3, stride 2"`. */
  readonly kind: string;
  /**
   * Its part of the forward pass.
   *
   * @param x `[B, …]` in memory order.
   * @param use Parameters, mode and random numbers.
   */
  forward(x: tf.Tensor, use: NetworkUse): tf.Tensor;
}

/**
 * A layer.
 *
 * @param name Its name in files.
 * @param input What it is given.
 */
export type Layer = (name: string, input: SampleShape) => PlacedLayer;

/** Names of {@link activation}. */
export type ActivationName =
  | "relu"
  | "leaky-relu"
  | "gelu"
  | "sigmoid"
  | "tanh"
  | "softplus"
  | "none";

const ACTIVATIONS: Readonly<Record<ActivationName, (x: tf.Tensor) => tf.Tensor>> = {
  relu,
  "leaky-relu": leakyRelu,
  gelu: (x) => gelu(x),
  sigmoid,
  tanh,
  softplus,
  none: (x) => x,
};

/** Those names. */
export const ACTIVATION_NAMES = Object.keys(ACTIVATIONS) as readonly ActivationName[];

/**
 * A function of every value.
 *
 * @param name Which; `"leaky-relu"` has slope 0.01, as in PyTorch.
 * @throws {ConfigError} when there is none of that name.
 */
export function activation(name: ActivationName): Layer {
  const compute = ACTIVATIONS[name];
  if (!compute) {
    throw new ConfigError(
      "activation",
      `Cannot make the network: found activation "${name}", needs one of ${
        ACTIVATION_NAMES.join(", ")
      }`,
    );
  }
  return (_, input) => ({ entries: [], output: input, kind: name, forward: (x) => compute(x) });
}

/**
 * A linear layer: `NAME.weight` `[O, I]`, `NAME.bias`.
 *
 * @param outputs O, or the axes `[C, X, Y, Z]` of an image that {@link unflatten} makes of the result.
 */
export function dense(outputs: number | readonly number[]): Layer {
  const axes = typeof outputs === "number" ? [outputs] : outputs;
  return (name, input) => {
    if (isImage(input)) {
      throw new ConfigError(
        "layers",
        `Cannot make the network: ${name} is given an image [${input.axes}], needs features; flatten it first`,
      );
    }
    return {
      entries: linearEntries(name, { inputs: input.axes, outputs: axes }),
      output: { axes, flat: true },
      kind: "linear",
      forward: (x, { tensor }) =>
        linear(x, tensor(`${name}.weight`), { bias: tensor(`${name}.bias`) }),
    };
  };
}

/** An image as features; files have PyTorch's order of them, memory its own. */
export function flatten(): Layer {
  return (_, { axes }) => reshaped({ axes, flat: true }, "flatten");
}

/** The image again that {@link dense} was given the axes of. */
export function unflatten(): Layer {
  return (_, { axes }) => reshaped({ axes, flat: false }, "unflatten");
}

function reshaped(output: SampleShape, kind: string): PlacedLayer {
  const forward = (x: tf.Tensor) => tf.reshape(x, [x.shape[0], ...memoryShape(output)]);
  return { entries: [], output, kind, forward };
}

/**
 * Up-sampling of an image.
 *
 * @param method `"nearest"` or `"linear"` (PyTorch's, corners not aligned).
 * @param factor Default 2.
 */
export function upsample(method: "nearest" | "linear", factor = 2): Layer {
  return (name, input) => {
    requireImage(name, input);
    const [channels, ...extent] = input.axes;
    return {
      entries: [],
      output: { axes: [channels, ...extent.map((n) => n * factor)], flat: false },
      kind: `up-sampling ${factor} (${method})`,
      forward: (x) => method === "nearest" ? upsampleNearest(x, factor) : upsampleLinear(x, factor),
    };
  };
}

/**
 * Pooling of an image in windows that do not overlap.
 *
 * @param method `"average"` or `"max"`.
 * @param kernel Length of the windows; default 2.
 */
export function pool(method: "average" | "max", kernel = 2): Layer {
  return (name, input) => {
    requireImage(name, input);
    const [channels, ...extent] = input.axes;
    const run = method === "average" ? averagePool : maxPool;
    return {
      entries: [],
      output: { axes: [channels, ...extent.map((n) => Math.floor(n / kernel))], flat: false },
      kind: `${method} pooling ${kernel}`,
      forward: (x) => run(x, { kernel }),
    };
  };
}

/**
 * Group norm of an image, the same in training and evaluation: `NAME.weight`, `NAME.bias`.
 *
 * @param groups A divisor of the channels.
 * @throws {ConfigError} when it is none.
 */
export function groupNorm(groups: number): Layer {
  return (name, input) => {
    requireImage(name, input);
    const [channels] = input.axes;
    if (channels % groups !== 0) {
      throw new ConfigError(
        "groups",
        `Cannot make the network: ${name} has ${groups} groups, needs a divisor of its ${channels} channels`,
      );
    }
    return {
      entries: normEntries(name, { channels }),
      output: input,
      kind: `group norm ${groups}`,
      forward: (x, { tensor }) =>
        groupNormActivation(x, { gamma: tensor(`${name}.weight`), beta: tensor(`${name}.bias`) }, {
          groups,
          activation: "none",
        }).y,
    };
  };
}

/**
 * Layer norm of features: `NAME.weight`, `NAME.bias`.
 *
 * @throws {ConfigError} before or right behind an image.
 */
export function layerNorm(): Layer {
  return (name, input) => {
    if (input.axes.length !== 1) {
      throw new ConfigError(
        "layers",
        `Cannot make the network: ${name} is given an image [${input.axes}], needs features; put it behind a linear layer`,
      );
    }
    return {
      entries: normEntries(name, { channels: input.axes[0] }),
      output: input,
      kind: "layer norm",
      forward: (x, { tensor }) =>
        normaliseFeatures(x, { gamma: tensor(`${name}.weight`), beta: tensor(`${name}.bias`) }),
    };
  };
}

/**
 * Dropout, in training only.
 *
 * @param rate Probability of a value to become 0.
 */
export function dropout(rate: number): Layer {
  return (name, input) => ({
    entries: [],
    output: input,
    kind: `dropout ${rate}`,
    forward: (x, { training, draw }) =>
      dropOut(x, { rate, stream: draw.split("dropout").split(name), training }),
  });
}
