/** Encoders and decoders that are ready for use: of features and of images with one, two or three axes and any extent. */
import { ConfigError } from "../base/errors.ts";
import { checkOptions, choice, integer, list, record } from "../base/fields.ts";
import { convolution, transposedConvolution } from "./convolution_layers.ts";
import {
  activation,
  ACTIVATION_NAMES,
  type ActivationName,
  dense,
  flatten,
  type Layer,
  unflatten,
} from "./layers.ts";
import type { NetworkDescription } from "./network.ts";
import { residual } from "./residual.ts";
import { sequential, type SequentialNetwork } from "./sequential.ts";

/** Options of a ready encoder. */
export interface EncoderOptions {
  /** Extent of an image `[X]`, `[X, Y]` or `[X, Y, Z]`; with `channels` left out, `[F]` of the dense networks is a table's width. */
  readonly shape: readonly number[];
  /** Channels of an image; default 1. */
  readonly channels?: number;
  /**
   * Channels (of the dense networks: widths) of the levels. Default: 256 of the dense ones; of the others 16, 32, 64, 128, as many as
   * the shortest axis has halvings.
   */
  readonly widths?: readonly number[];
  /** Behind every layer but the last of a decoder; default `"relu"`. The residual networks have ReLU. */
  readonly activation?: ActivationName;
}

/** Options of a ready decoder: those of the encoder that it mirrors. */
export interface DecoderOptions extends EncoderOptions {
  /** Width of its input. */
  readonly latentDim: number;
  /** Behind the last layer; default `"none"`. `"sigmoid"` gives probabilities. */
  readonly outputActivation?: ActivationName;
}

const ENCODER_FIELDS = {
  shape: list(integer({ least: 1 })),
  channels: integer({ least: 1 }),
  widths: list(integer({ least: 1 })),
  activation: choice(ACTIVATION_NAMES),
};
const ENCODER_OPTIONS = record<EncoderOptions>(ENCODER_FIELDS, ["shape"]);
const DECODER_OPTIONS = record<DecoderOptions>({
  ...ENCODER_FIELDS,
  latentDim: integer({ least: 1 }),
  outputActivation: choice(ACTIVATION_NAMES),
}, ["shape", "latentDim"]);

const DOING = { doing: "Cannot make the network" };
const IMAGE_WIDTHS = [16, 32, 64, 128];
const DENSE_WIDTHS = [256];

/**
 * Linear layers `fc1`, `fc2`, … of a table's rows or of flattened images.
 *
 * @param options See {@link EncoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function denseEncoder(options: EncoderOptions): SequentialNetwork {
  checkOptions(options, ENCODER_OPTIONS, DOING);
  const { widths = DENSE_WIDTHS, activation: name = "relu" } = options;
  const layers: Record<string, Layer> = isTable(options) ? {} : { flatten: flatten() };
  widths.forEach((width, i) => {
    layers[`fc${i + 1}`] = dense(width);
    layers[`act${i + 1}`] = activation(name);
  });
  return made("denseEncoder", layers, { options, input: axesOf(options) });
}

/**
 * The mirror image of {@link denseEncoder}: `fc1`, `fc2`, …
 *
 * @param options See {@link DecoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function denseDecoder(options: DecoderOptions): SequentialNetwork {
  checkOptions(options, DECODER_OPTIONS, DOING);
  const { widths = DENSE_WIDTHS, activation: name = "relu", latentDim } = options;
  const layers: Record<string, Layer> = {};
  widths.toReversed().forEach((width, i) => {
    layers[`fc${i + 1}`] = dense(width);
    layers[`act${i + 1}`] = activation(name);
  });
  layers[`fc${widths.length + 1}`] = dense(axesOf(options));
  layers.unflatten = unflatten();
  return made("denseDecoder", withOutput(layers, options), { options, input: [latentDim] });
}

/**
 * Convolutions `conv1`, `conv2`, … of 3 places and stride 2, each halving every axis (rounding up), then flattened.
 *
 * @param options See {@link EncoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function convEncoder(options: EncoderOptions): SequentialNetwork {
  checkOptions(options, ENCODER_OPTIONS, DOING);
  const { activation: name = "relu" } = options;
  const layers: Record<string, Layer> = {};
  widthsOf(options).forEach((width, i) => {
    layers[`conv${i + 1}`] = convolution(width, { stride: 2 });
    layers[`act${i + 1}`] = activation(name);
  });
  layers.flatten = flatten();
  return made("convEncoder", layers, { options, input: imageAxes(options) });
}

/**
 * The mirror image of {@link convEncoder}: a linear layer `fc`, then transposed convolutions `deconv1`, `deconv2`, …
 *
 * @param options See {@link DecoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function convDecoder(options: DecoderOptions): SequentialNetwork {
  checkOptions(options, DECODER_OPTIONS, DOING);
  const { activation: name = "relu", channels = 1, shape, latentDim } = options;
  const widths = widthsOf(options);
  const extents = halvings(shape, widths.length);
  const layers: Record<string, Layer> = {
    fc: dense([widths.at(-1)!, ...extents.at(-1)!]),
    act: activation(name),
    unflatten: unflatten(),
  };
  [channels, ...widths].slice(0, -1).toReversed().forEach((width, i) => {
    const finer = extents[widths.length - 1 - i];
    layers[`deconv${i + 1}`] = doubling(width, finer);
    if (i < widths.length - 1) layers[`act${i + 1}`] = activation(name);
  });
  return made("convDecoder", withOutput(layers, options), { options, input: [latentDim] });
}

/**
 * As {@link convEncoder} with a residual block (group norm) behind every convolution: `conv1`, `block1`, …;
 * the result is flattened.
 *
 * @param options See {@link EncoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function residualEncoder(options: EncoderOptions): SequentialNetwork {
  checkOptions(options, ENCODER_OPTIONS, DOING);
  const layers: Record<string, Layer> = {};
  widthsOf(options).forEach((width, i) => {
    layers[`conv${i + 1}`] = convolution(width, { stride: 2 });
    layers[`block${i + 1}`] = residual();
  });
  layers.act = activation("relu");
  layers.flatten = flatten();
  return made("residualEncoder", layers, { options, input: imageAxes(options) });
}

/**
 * The mirror image of {@link residualEncoder}: `fc`, `block1`, `deconv1`, …
 *
 * @param options See {@link DecoderOptions}.
 * @throws {ConfigError} when an option cannot be.
 */
export function residualDecoder(options: DecoderOptions): SequentialNetwork {
  checkOptions(options, DECODER_OPTIONS, DOING);
  const { channels = 1, shape, latentDim } = options;
  const widths = widthsOf(options);
  const extents = halvings(shape, widths.length);
  const layers: Record<string, Layer> = {
    fc: dense([widths.at(-1)!, ...extents.at(-1)!]),
    unflatten: unflatten(),
  };
  [channels, ...widths].slice(0, -1).toReversed().forEach((width, i) => {
    layers[`block${i + 1}`] = residual();
    layers[`act${i + 1}`] = activation("relu");
    layers[`deconv${i + 1}`] = doubling(width, extents[widths.length - 1 - i]);
  });
  return made("residualDecoder", withOutput(layers, options), { options, input: [latentDim] });
}

const KINDS = {
  denseEncoder,
  denseDecoder,
  convEncoder,
  convDecoder,
  residualEncoder,
  residualDecoder,
} as const;

/**
 * A ready network from its description.
 *
 * @param description As in the network.
 * @throws {ConfigError} when this version knows no such network, or an option cannot be.
 */
export function networkFrom({ kind, options }: NetworkDescription): SequentialNetwork {
  const make = KINDS[kind as keyof typeof KINDS] as
    | ((options: DecoderOptions) => SequentialNetwork)
    | undefined;
  if (make) return make(options as unknown as DecoderOptions);
  throw new ConfigError(
    "network",
    `Cannot make the network: found "${kind}", needs one of ${Object.keys(KINDS).join(", ")}`,
  );
}

/** Halvings until the shortest axis is one place. */
export function levelsOf(shape: readonly number[]): number {
  return Math.max(1, Math.floor(Math.log2(Math.min(...shape))));
}

function isTable({ shape, channels }: EncoderOptions): boolean {
  return shape.length === 1 && channels === undefined;
}

function axesOf(options: EncoderOptions): number[] {
  return isTable(options) ? [...options.shape] : imageAxes(options);
}

function imageAxes({ shape, channels = 1 }: EncoderOptions): number[] {
  if (shape.length >= 1 && shape.length <= 3) return [channels, ...shape];
  throw new ConfigError(
    "shape",
    `Cannot make the network: shape is [${shape}], needs one to three axes such as [91, 109, 91]`,
  );
}

function widthsOf(options: EncoderOptions): readonly number[] {
  imageAxes(options);
  const { shape, widths = IMAGE_WIDTHS.slice(0, levelsOf(shape)) } = options;
  if (widths.length > 0) return widths;
  throw new ConfigError("widths", "Cannot make the network: widths is [], needs one a level");
}

/** The extent itself, then after each level. */
function halvings(shape: readonly number[], levels: number): number[][] {
  const extents = [[...shape]];
  for (let l = 0; l < levels; l++) extents.push(extents[l].map((n) => Math.ceil(n / 2)));
  return extents;
}

/** What a convolution of stride 2 made of `finer`, back to it. */
function doubling(channels: number, finer: readonly number[]): Layer {
  return transposedConvolution(channels, {
    stride: 2,
    outputPadding: finer.map((n) => (n + 1) % 2),
  });
}

function withOutput(layers: Record<string, Layer>, { outputActivation }: DecoderOptions) {
  if (outputActivation && outputActivation !== "none") layers.out = activation(outputActivation);
  return layers;
}

function made(
  kind: string,
  layers: Readonly<Record<string, Layer>>,
  { options, input }: { readonly options: EncoderOptions; readonly input: readonly number[] },
): SequentialNetwork {
  return sequential(layers, { input, description: { kind, options: { ...options } } });
}
