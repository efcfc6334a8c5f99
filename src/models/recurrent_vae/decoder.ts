/**
 * The decoder: states plus offsets → reconstructions, their squared error, and the way back [recurrent-vae §3.2].
 *
 * Forward and backward are explicit, as in encoder.ts. The last activation is not stored: the fused
 * error gives its derivative directly.
 */
import type { Triple } from "../../backends/kernel_contract.ts";
import { tf } from "../../deps/tfjs.ts";
import { CLAMP, clampSquaredError } from "./losses/reconstruction.ts";
import {
  convTranspose3d,
  convTranspose3dFilterGradient,
  convTranspose3dInputGradient,
} from "../../ops/conv_transpose3d.ts";
import { linear, linearGradient } from "../../ops/linear.ts";
import { tanhSquaredErrorWithGradient } from "../../ops/tanh_squared_error.ts";
import { type Architecture, blockName, GEOMETRY, KERNEL } from "./architecture.ts";
import type { RecurrentVaeConfig } from "./config.ts";
import {
  absorbsBias,
  disposeNorm,
  type Gradients,
  type Network,
  type NormActivations,
  normBackward,
  normForward,
} from "./norm.ts";

/** What the decoder's backward pass needs. */
export interface DecoderActivations {
  /** h + z `[N, D]`; not owned. */
  readonly input: tf.Tensor;
  /** One per level, coarse to fine. */
  readonly blocks: readonly NormActivations[];
  /** Output before the last activation, `[N, Z, Y, X, 1]`. */
  readonly output: tf.Tensor;
}

/** Gradients of the decoder. */
export interface DecoderGradients {
  /** ∂loss/∂(h + z) `[N, D]`. */
  readonly input: tf.Tensor;
  /** By parameter name; empty when they were not wanted. */
  readonly parameters: Gradients;
}

/** How reconstructions are compared. */
export interface ErrorOptions {
  readonly activation: RecurrentVaeConfig["outputActivation"];
  /** Frames G: the sums are per frame. */
  readonly frames: number;
  /** Weight per voxel, `[Z, Y, X]` (a mask), or null. */
  readonly weight: tf.Tensor | null;
  /** Factor on the derivative, e.g. 1/(2·B·T·σ_x²). */
  readonly scale: number;
}

/**
 * Decodes latent vectors, up to the last activation.
 *
 * @param network Weights and mode.
 * @param architecture Sizes.
 * @param input.x h + z, `[G·B, D]`.
 * @param input.frames G.
 */
export function decoderForward(
  network: Network,
  architecture: Architecture,
  input: { readonly x: tf.Tensor; readonly frames: number },
): DecoderActivations {
  const { state } = network;
  const { frames } = input;
  const { levels, bottom, decoder } = architecture;
  const name = blockName.decoderLinear;
  const unfolded = tf.tidy(() =>
    tf.reshape(
      linear(input.x, state.tensor(`${name}.0.weight`), { bias: state.tensor(`${name}.0.bias`) }),
      [input.x.shape[0], ...zyx(bottom), decoder[0].inChannels],
    )
  );
  const blocks = [normForward(network, `${name}.2`, { x: unfolded, frames })];
  let output = unfolded;
  for (let l = 0; l < levels.length; l++) {
    const block = blockName.decoder(l);
    output = convTranspose3d(blocks[l].y, state.tensor(`${block}.0.weight`), {
      ...GEOMETRY,
      outputSize: zyx(levels[levels.length - 1 - l].fine),
    });
    if (l < levels.length - 1) {
      blocks.push(normForward(network, `${block}.1`, { x: output, frames }));
    }
  }
  return { input: input.x, blocks, output };
}

/**
 * Reconstructions from the decoder's output. Shape of `output`.
 *
 * @param output Before the activation.
 * @param activation Which.
 */
export function activate(
  output: tf.Tensor,
  activation: RecurrentVaeConfig["outputActivation"],
): tf.Tensor {
  return activation === "tanh" ? tf.tanh(output) : tf.clipByValue(output, -CLAMP, CLAMP);
}

/**
 * Squared error of the reconstructions and its derivative in the decoder's output.
 *
 * @param output Before the activation, `[G·B, Z, Y, X, 1]`.
 * @param target Same size.
 * @param options See there.
 * @returns `sums` `[G]` (not scaled) and `derivative` (scaled), shape of `output`.
 */
export function reconstructionError(
  output: tf.Tensor,
  target: tf.Tensor,
  options: ErrorOptions,
): { sums: tf.Tensor; derivative: tf.Tensor } {
  const { activation, frames, weight, scale } = options;
  const request = { weight, sampleGroups: frames, derivativeScale: scale };
  return activation === "tanh"
    ? tanhSquaredErrorWithGradient(output, target, request)
    : clampSquaredError(output, target, request);
}

/**
 * Vector-Jacobian product of {@link decoderForward}. Frees the activations as it goes.
 *
 * @param network As in the forward pass.
 * @param saved Its activations, freed here.
 * @param towards.derivative Gradient of the output, freed here.
 * @param towards.parameters Whether parameter gradients are wanted (not when only z is fitted).
 */
export function decoderBackward(
  network: Network,
  saved: DecoderActivations,
  towards: { readonly derivative: tf.Tensor; readonly parameters: boolean },
): DecoderGradients {
  const gradients: Gradients | null = towards.parameters ? new Map() : null;
  const { blocks } = saved;
  saved.output.dispose();
  let da = towards.derivative;
  for (let l = blocks.length - 1; l >= 0; l--) {
    const name = blockName.decoder(l);
    const block = blocks[l];
    const filter = network.state.tensor(`${name}.0.weight`);
    gradients?.set(
      `${name}.0.weight`,
      convTranspose3dFilterGradient(block.y, da, { ...GEOMETRY, kernel: KERNEL }),
    );
    const dy = convTranspose3dInputGradient(da, filter, GEOMETRY);
    da.dispose();
    da = normBackward(network, block, { dy, gradients });
    dy.dispose();
    disposeNorm(block);
  }
  const input = linearBackward(network, saved.input, { da, gradients });
  da.dispose();
  return { input, parameters: gradients ?? new Map() };
}

function linearBackward(
  network: Network,
  x: tf.Tensor,
  { da, gradients }: { da: tf.Tensor; gradients: Gradients | null },
): tf.Tensor {
  const name = `${blockName.decoderLinear}.0`;
  const weight = network.state.tensor(`${name}.weight`);
  const rows = tf.reshape(da, [da.shape[0], weight.shape[0]]);
  if (!gradients) {
    const dx = tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D);
    rows.dispose();
    return dx;
  }
  const { dx, dWeight, dBias } = linearGradient(rows, { x, weight });
  gradients.set(`${name}.weight`, dWeight);
  // One voxel at the bottom makes each bias a constant of its channel, see absorbsBias.
  const channels = da.shape[4] as number;
  const absorbed = absorbsBias(network, channels) && weight.shape[0] === channels;
  gradients.set(`${name}.bias`, absorbed ? tf.zerosLike(dBias) : dBias);
  if (absorbed) dBias.dispose();
  rows.dispose();
  return dx;
}

function zyx(shape: readonly number[]): Triple {
  return [shape[2], shape[1], shape[0]];
}
