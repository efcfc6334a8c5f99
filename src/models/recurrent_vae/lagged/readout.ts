/**
 * States → frames of the lagged model, their error, and at once the way back, a chunk of rows at a time
 * [recurrent-vae §14.2, §14.5].
 */
import { tf } from "../../../deps/tfjs.ts";
import { toTensor } from "../../../backends/tensors.ts";
import { linear } from "../../../ops/linear.ts";
import { decoderBackward, decoderForward } from "../decoder.ts";
import type { Network } from "../norm.ts";
import type { Architecture } from "../architecture.ts";
import type { VoxelMap } from "./voxels.ts";

/** What reads frames off states. */
export interface ReadoutParts {
  readonly network: Network;
  readonly convolutions: Architecture | null;
  readonly voxels: VoxelMap;
  /** Whether there is a lag path. */
  readonly lag: boolean;
}

/** Rows to read out. */
export interface ReadoutRows {
  /** h + z, `[n, D]`. */
  readonly latents: tf.Tensor;
  /** h of the frame before, `[n, D]`. */
  readonly previous: tf.Tensor;
}

/** Frames of rows and what the way back needs. */
interface Read {
  readonly frames: tf.Tensor;
  readonly joined: tf.Tensor;
  readonly weights: tf.Tensor;
  readonly convolved: {
    readonly inside: tf.Tensor;
    readonly saved: ReturnType<typeof decoderForward>;
  } | null;
}

function read({ network, convolutions, voxels, lag }: ReadoutParts, rows: ReadoutRows): Read {
  const { state } = network;
  const joined = lag ? tf.concat([rows.latents, rows.previous], 1) : rows.latents;
  const own = state.tensor("linear_decoder.weight");
  const weights = lag ? tf.concat([own, state.tensor("lag_decoder.weight")], 1) : own;
  const plain = linear(joined, weights, { bias: state.tensor("voxel_mean") });
  if (!convolutions) return { frames: plain, joined, weights, convolved: null };
  const frames = rows.latents.shape[0];
  const saved = decoderForward(network, convolutions, { x: rows.latents, frames });
  const inside = voxels.take(saved.output);
  const sum = tf.add(plain, tf.mul(inside, state.tensor("conv_gain")));
  return { frames: sum, joined, weights, convolved: { inside, saved } };
}

/**
 * Frames of states.
 *
 * @param parts The network.
 * @param rows States.
 * @returns `[n, V]`.
 */
export function readFrames(parts: ReadoutParts, rows: ReadoutRows): tf.Tensor {
  return tf.tidy(() => read(parts, rows).frames);
}

/** What frames are compared with. */
export interface ReadoutTarget {
  /** x, `[n, V]`. */
  readonly target: tf.Tensor;
  /** 1 or 0 a row, `[n, 1]`. */
  readonly counts: tf.Tensor;
  /** Factor on x − r in ∂loss/∂r, `[]` or `[V]`: a/σ_x², or κ·a/σ_x². */
  readonly scale: tf.Tensor;
}

/** Errors and gradients of a chunk. */
export interface ReadoutResult {
  /** Σ_v scale·(x − r)² of each row that counts, `[n]`. */
  readonly rowErrors: tf.Tensor;
  /** Σ_n (x − r)² of each voxel, `[V]`. */
  readonly voxelErrors: tf.Tensor;
  /** Gradients in h + z and in h of the frame before (0 without a lag path), `[n, 2D]`. */
  readonly towards: tf.Tensor;
  /** By parameter name. */
  readonly parameters: Readonly<Record<string, tf.Tensor>>;
}

/**
 * Reads rows out, compares them and differentiates ½·scale·(x − r)².
 *
 * @param parts The network.
 * @param rows States.
 * @param compared Frames they are compared with.
 */
export function readoutGradients(
  parts: ReadoutParts,
  rows: ReadoutRows,
  { target, counts, scale }: ReadoutTarget,
): ReadoutResult {
  return tf.tidy(() => {
    const { frames, joined, weights, convolved } = read(parts, rows);
    const D = rows.latents.shape[1]!;
    const error = tf.mul(tf.sub(frames, target), counts);
    const delta = tf.mul(error, scale);
    const product = (a: tf.Tensor, b: tf.Tensor, transposed: boolean) =>
      tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, transposed);
    const dWeights = product(delta, joined, true);
    let towards: tf.Tensor = product(delta, weights, false);
    const part = (begin: number) => tf.slice(dWeights, [0, begin], [dWeights.shape[0]!, D]);
    const parameters: Record<string, tf.Tensor> = {
      voxel_mean: tf.sum(delta, 0),
      "linear_decoder.weight": parts.lag ? part(0) : dWeights,
      ...(parts.lag && { "lag_decoder.weight": part(D) }),
    };
    if (!parts.lag) towards = tf.concat([towards, tf.zerosLike(rows.previous)], 1);
    if (convolved) {
      const gain = parts.network.state.tensor("conv_gain");
      parameters.conv_gain = tf.sum(tf.mul(delta, convolved.inside));
      const derivative = parts.voxels.put(tf.mul(delta, gain));
      const back = decoderBackward(parts.network, convolved.saved, {
        derivative,
        parameters: true,
      });
      for (const [name, gradient] of back.parameters) parameters[name] = gradient;
      towards = tf.add(towards, tf.concat([back.input, tf.zerosLike(rows.previous)], 1));
    }
    return {
      rowErrors: tf.sum(tf.mul(error, delta), 1),
      voxelErrors: tf.sum(tf.square(error), 0),
      towards,
      parameters,
    } as unknown as tf.TensorContainer;
  }) as unknown as ReadoutResult;
}

/** A number, or one a voxel, as a factor. */
export function factorOf(values: ArrayLike<number>): tf.Tensor {
  return toTensor(Float64Array.from(values), values.length === 1 ? [] : [values.length]);
}
