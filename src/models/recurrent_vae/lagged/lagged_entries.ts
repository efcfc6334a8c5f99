/** Sizes and parameters of the lagged model, in the order and with the names of files [recurrent-vae §16.2]. */
import { type ParameterEntry, plainEntry } from "../../../parameters/entry.ts";
import { linearEntries } from "../../../parameters/layers.ts";
import { type Architecture, describeArchitecture } from "../architecture.ts";
import { type RecurrentVaeConfig, resolveConfig } from "../config.ts";
import type { LaggedConfig } from "./lagged_config.ts";

/** The network's description. */
export interface LaggedArchitecture {
  /** Of the convolutional paths; null without. */
  readonly convolutions: Architecture | null;
  readonly entries: readonly ParameterEntry[];
}

/** The convolutional part as the recurrent VAE describes it. */
function convolutionConfig(config: LaggedConfig): RecurrentVaeConfig {
  const { encOutDim, latentDim, tolTime, spatialShape, channels, decoderChannels } = config;
  return resolveConfig({
    encOutDim,
    latentDim,
    tolTime,
    spatialShape,
    channels,
    decoderChannels,
    normalization: "group",
  });
}

/**
 * Derives the network from a configuration.
 *
 * @param config Complete.
 * @param size Runs N, masked voxels V.
 */
export function describeLagged(
  config: LaggedConfig,
  { subjects, voxels: V }: { readonly subjects: number; readonly voxels: number },
): LaggedArchitecture {
  const { latentDim: D, encOutDim, lag, noise, channels } = config;
  const convolutions = channels.length > 0
    ? describeArchitecture(convolutionConfig(config), subjects)
    : null;
  const E = convolutions ? encOutDim : 0;
  const of = (pattern: RegExp) =>
    convolutions?.entries.filter(({ key }) => pattern.test(key)) ?? [];
  const constant = (value: number) => ({ kind: "constant", value }) as const;
  const heads = ["hidden2mu", "hidden2log_var"].flatMap((name) =>
    linearEntries(name, { inputs: [E + D], outputs: [D], start: constant(0) })
  );
  const linear = (name: string, shape: number[]) => plainEntry(`${name}.weight`, { shape });
  const entries: ParameterEntry[] = [
    plainEntry("z_vectors", {
      shape: [subjects, D],
      start: config.offsets ? { kind: "normal", deviation: 0.01 } : constant(0),
    }),
    plainEntry("voxel_mean", { shape: [V] }),
    ...(convolutions ? [plainEntry("conv_gain", { shape: [], start: constant(0.1) })] : []),
    plainEntry("log_sig_x", { shape: noise === "voxel" ? [V] : [] }),
    plainEntry("F_mat", { shape: [D, D], kind: "buffer" }),
    plainEntry("q", { shape: [D], kind: "buffer", start: constant(1) }),
    plainEntry("residual_autocorrelation", { shape: [V], kind: "buffer" }),
    plainEntry("voxel_index", { shape: [V], kind: "index" }),
    linear("linear_encoder", [D, V]),
    ...of(/^encoder/),
    ...heads,
    linear("linear_decoder", [V, D]),
    ...(lag === 1 ? [linear("lag_decoder", [V, D])] : []),
    ...of(/^decoder/),
  ];
  return { convolutions, entries };
}

/** Variables that the linear paths and the noise are made of: those of the fast group. */
export const FAST =
  /^(linear_encoder|linear_decoder|lag_decoder)\.weight$|^voxel_mean$|^log_sig_x$/;

/** Names of the parameters that are trained: all, but for the offsets where they are off. */
export function trainedNames({ offsets }: LaggedConfig, names: readonly string[]): string[] {
  return names.filter((name) => offsets || name !== "z_vectors");
}
