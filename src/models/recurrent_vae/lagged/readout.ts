/**
 * From states to frames and back [recurrent-vae §16.3, §16.5]: r = m + W·s + U·h⁻ + g·decode(s) at the voxels of the
 * mask, its squared error, and at once the gradients, so that no activation outlives the chunk.
 */
import { tf } from "../../../deps/tfjs.ts";
import type { Architecture } from "../architecture.ts";
import { type DecoderActivations, decoderBackward, decoderForward } from "../decoder.ts";
import type { Network } from "../norm.ts";
import type { VoxelMap } from "./voxels.ts";

/** What frames are read out with. */
export interface ReadoutParts {
  readonly network: Network;
  /** Null without convolutions. */
  readonly convolutions: Architecture | null;
  readonly voxels: VoxelMap;
  /** `[W U]` `[V, 2D]`, or W alone with lag 0. */
  readonly paths: tf.Tensor2D;
}

/** What gradients need besides: sums over many voxels are fast where these lie side by side. */
export interface ReadoutGradientParts extends ReadoutParts {
  /** The transpose of `paths`. */
  readonly transposed: tf.Tensor2D;
}

/** States of a chunk of G frames of B runs, N = G·B. */
export interface ReadoutStates {
  /** s = h + z (or gh + z), `[N, D]`. */
  readonly states: tf.Tensor2D;
  /** h of the frame before, `[N, D]`. */
  readonly previous: tf.Tensor2D;
  /** G. */
  readonly frames: number;
}

/** Frames read out, and what the way back needs. */
interface ReadoutForward {
  /** r `[N, V]`. */
  readonly frames: tf.Tensor;
  /** Of the convolutions: activations, and decode(s) at the voxels `[N, V]`. */
  readonly convolved: { readonly saved: DecoderActivations; readonly values: tf.Tensor } | null;
}

/**
 * Frames `[N, V]` of states. Call inside a tidy.
 *
 * @param parts See {@link ReadoutParts}.
 * @param given States of a chunk.
 */
export function readOut(parts: ReadoutParts, given: ReadoutStates): tf.Tensor {
  return forward(parts, given).frames;
}

/** How frames are compared. */
export interface ReadoutError {
  /** x `[N, V]`. */
  readonly target: tf.Tensor;
  /** 0 for rows that do not count, `[N, 1]`; null: all do. */
  readonly rows: tf.Tensor | null;
  /** a/σ², a scalar or `[V]`. */
  readonly precision: tf.Tensor;
  /** Whether the sums over frames of each voxel are wanted. */
  readonly byVoxel: boolean;
}

/** Result of {@link readOutWithGradient}. */
export interface ReadoutGradient {
  /** Σ(x − r)² over the voxels of each row `[N]`, or over the rows at each voxel `[V]`. */
  readonly squaredErrors: tf.Tensor;
  /** ∂loss/∂s of the linear path, then ∂loss/∂h⁻, `[N, 2D]` (`[N, D]` with lag 0). */
  readonly towardsInputs: tf.Tensor;
  /** ∂loss/∂s through the convolutions, `[N, D]`; null without. */
  readonly towardsStates: tf.Tensor | null;
  /** By parameter name; those of the linear paths transposed, see {@link TRANSPOSED}. */
  readonly parameters: Readonly<Record<string, tf.Tensor>>;
}

/** Parameters whose gradients are `[D, V]` until all chunks are added up. */
export const TRANSPOSED = ["linear_decoder.weight", "lag_decoder.weight"] as const;

/**
 * Reads a chunk out, compares it and differentiates. Call inside a tidy.
 *
 * @param parts See {@link ReadoutParts}.
 * @param given States of the chunk.
 * @param error What it is compared with.
 */
export function readOutWithGradient(
  parts: ReadoutGradientParts,
  given: ReadoutStates,
  error: ReadoutError,
): ReadoutGradient {
  const { frames, convolved } = forward(parts, given);
  const difference = tf.sub(frames, error.target);
  const counted = error.rows ? tf.mul(difference, error.rows) : difference;
  const delta = tf.mul(counted, error.precision) as tf.Tensor2D;
  const back = convolved && convolutionsBackward(parts, convolved, delta);
  return {
    squaredErrors: tf.sum(tf.square(counted), error.byVoxel ? 0 : 1),
    towardsInputs: tf.matMul(delta, parts.transposed, false, true),
    towardsStates: back?.input ?? null,
    parameters: {
      voxel_mean: tf.reshape(tf.matMul(tf.ones([1, delta.shape[0]]), delta), [delta.shape[1]]),
      "linear_decoder.weight": tf.matMul(given.states, delta, true, false),
      ...(hasLag(parts, given)
        ? { "lag_decoder.weight": tf.matMul(given.previous, delta, true, false) }
        : {}),
      ...back?.parameters,
    },
  };
}

function hasLag({ paths }: ReadoutParts, { states }: ReadoutStates): boolean {
  return paths.shape[1] > states.shape[1];
}

function forward(
  parts: ReadoutParts,
  given: ReadoutStates,
): ReadoutForward {
  const { network, convolutions, voxels, paths } = parts;
  const { states, previous, frames } = given;
  const { state } = network;
  const inputs = hasLag(parts, given) ? tf.concat2d([states, previous], 1) : states;
  const linear = tf.add(tf.matMul(inputs, paths, false, true), state.tensor("voxel_mean"));
  if (!convolutions) return { frames: linear, convolved: null };
  const saved = decoderForward(network, convolutions, { x: states, frames });
  const values = voxels.pick(saved.output);
  const sum = tf.add(linear, tf.mul(values, state.tensor("conv_gain")));
  return { frames: sum, convolved: { saved, values } };
}

function convolutionsBackward(
  { network, voxels }: ReadoutParts,
  { saved, values }: NonNullable<ReadoutForward["convolved"]>,
  delta: tf.Tensor,
) {
  const derivative = voxels.place(tf.mul(delta, network.state.tensor("conv_gain")));
  const { input, parameters } = decoderBackward(network, saved, { derivative, parameters: true });
  return {
    input,
    parameters: {
      conv_gain: tf.sum(tf.sum(tf.mul(delta, values), 1)),
      ...Object.fromEntries(parameters),
    },
  };
}
