/** Puts the networks of an estimator and its heads together: one table of parameters, with Python's names. */
import { ConfigError, ShapeError } from "../../base/errors.ts";
import type { Reconstruction } from "../../losses/distributions.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { Network, NetworkUse } from "../../networks/network.ts";
import {
  convDecoder,
  convEncoder,
  denseDecoder,
  denseEncoder,
  residualDecoder,
  residualEncoder,
} from "../../networks/ready_networks.ts";
import { memoryShape } from "../../networks/sample_shape.ts";
import type { SequentialNetwork } from "../../networks/sequential.ts";
import { type ParameterEntry, plainEntry, sizeOf } from "../../parameters/entry.ts";
import { linearEntries } from "../../parameters/layers.ts";
import type { ResolvedVaeOptions } from "./options.ts";

/** A network that may return a distribution. */
export interface DecoderNetwork extends Omit<Network, "forward"> {
  /** As of a network. */
  forward(z: tf.Tensor, use: NetworkUse): Reconstruction;
}

/** Networks and the table of all parameters. */
export interface Assembled {
  readonly encoder: Network;
  readonly decoder: DecoderNetwork;
  readonly encoderOutDim: number;
  readonly entries: readonly ParameterEntry[];
  /** One sample in memory, where the encoder says so. */
  readonly sample: readonly number[] | null;
}

const READY = {
  dense: { encoder: denseEncoder, decoder: denseDecoder },
  conv: { encoder: convEncoder, decoder: convDecoder },
  residual: { encoder: residualEncoder, decoder: residualDecoder },
} as const;

/**
 * Networks as given, or ready ones of a shape.
 *
 * @param options Checked.
 * @throws {ConfigError} when parts are missing.
 * @throws {ShapeError} when the encoder's width is not what the options say.
 */
export function assemble(options: ResolvedVaeOptions): Assembled {
  const { latentDim, noiseScale } = options;
  const ready = readyNetworks(options);
  const encoder = options.encoder ?? ready!.encoder;
  const decoder = options.decoder ?? ready!.decoder;
  const axes = outputAxesOf(encoder, options.encoderOutDim);
  const { input, output } = { ...encoder } as Partial<SequentialNetwork>;
  const named = (part: string, { entries }: { readonly entries: readonly ParameterEntry[] }) =>
    entries.map((entry) => ({ ...entry, key: `${part}.${entry.key}` }));
  const head = (name: string) => linearEntries(name, { inputs: axes, outputs: [latentDim] });
  return {
    encoder,
    decoder,
    encoderOutDim: sizeOf(axes),
    sample: input && output ? memoryShape({ axes: input, flat: false }) : null,
    entries: [
      ...named("encoder", encoder),
      ...named("decoder", decoder),
      ...head("fc_mu"),
      ...head("fc_logvar"),
      ...noiseEntries(noiseScale, decoder as Network),
    ],
  };
}

/** Extent and kind of network by the samples' shape. */
function readyNetworks(options: ResolvedVaeOptions) {
  const { shape, channels, widths, latentDim, defaultDist } = options;
  if (!shape) return null;
  const kind = options.network ?? (shape.length === 1 && channels === undefined ? "dense" : "conv");
  const common = {
    shape,
    ...(channels === undefined ? {} : { channels }),
    ...(widths === undefined ? {} : { widths }),
  };
  const outputActivation = defaultDist === "bernoulli" ? "sigmoid" : "none";
  return {
    encoder: READY[kind].encoder(common),
    decoder: READY[kind].decoder({ ...common, latentDim, outputActivation }),
  };
}

/** Axes of the encoder's flat output, PyTorch's order. */
function outputAxesOf(encoder: Network, said: number | undefined): readonly number[] {
  const { output } = encoder as Partial<SequentialNetwork>;
  const axes = encoder.outputAxes ?? output?.axes;
  if (!axes) {
    if (said !== undefined) return [said];
    throw new ConfigError(
      "encoderOutDim",
      "Cannot make the estimator: the encoder does not say how wide its output is, needs encoderOutDim",
    );
  }
  if (said === undefined || said === sizeOf(axes)) return axes;
  throw new ShapeError(
    `Cannot make the estimator: the encoder gives ${
      sizeOf(axes)
    } features, needs encoderOutDim = ${said}; ` +
      "leave it out, or change the encoder's last layer",
    [sizeOf(axes)],
    `[${said}]`,
  );
}

function noiseEntries(kind: "fixed" | "learned" | "per-voxel", decoder: Network): ParameterEntry[] {
  const key = "log_noise_scale";
  if (kind === "fixed") return [];
  if (kind === "learned") return [plainEntry(key, { shape: [1] })];
  const { output } = decoder as Partial<SequentialNetwork>;
  if (output) {
    const memory = memoryShape(output);
    const entry = plainEntry(key, { shape: output.axes });
    return [{ ...entry, memoryShape: memory, axisGroups: [output.axes] }];
  }
  throw new ConfigError(
    "noiseScale",
    'Cannot make the estimator: noiseScale "per-voxel" needs a decoder that says its output, such as the ready ones',
  );
}
