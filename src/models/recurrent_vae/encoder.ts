/**
 * The encoder: volumes → features, and the way back [recurrent-vae §3.2].
 *
 * Forward and backward are explicit, so that the time-parallel step decides what is kept, recomputed and
 * freed. Samples are frame-major: N = G·B for G frames of B subjects.
 */
import { tf } from "../../deps/tfjs.ts";
import {
  conv3d,
  conv3dBiasGradient,
  conv3dFilterGradient,
  conv3dInputGradient,
} from "../../ops/conv3d.ts";
import { linear, linearGradient } from "../../ops/linear.ts";
import { type Architecture, blockName, GEOMETRY, KERNEL } from "./architecture.ts";
import {
  absorbsBias,
  disposeNorm,
  type Gradients,
  type Network,
  type NormActivations,
  normBackward,
  normForward,
} from "./norm.ts";
import type { Triple } from "../../backends/kernel_contract.ts";

/** What the encoder's backward pass needs. */
export interface EncoderActivations {
  /** Input volumes `[N, Z, Y, X, 1]`; not owned. */
  readonly input: tf.Tensor;
  /** One per level: the convolution's output and what the norm layer made of it. */
  readonly blocks: readonly NormActivations[];
  /** Result f `[N, E]`. */
  readonly features: tf.Tensor;
}

/**
 * Encodes volumes.
 *
 * @param network Weights and mode.
 * @param architecture Sizes.
 * @param input.x `[G·B, Z, Y, X, 1]`.
 * @param input.frames G.
 * @returns Activations; the caller frees them with {@link disposeEncoder}.
 */
export function encoderForward(
  network: Network,
  architecture: Architecture,
  input: { readonly x: tf.Tensor; readonly frames: number },
): EncoderActivations {
  const { state } = network;
  const blocks: NormActivations[] = [];
  let x = input.x;
  architecture.levels.forEach((_, l) => {
    const name = blockName.encoder(l);
    const convolved = conv3d(x, state.tensor(`${name}.0.weight`), {
      bias: state.tensor(`${name}.0.bias`),
      ...GEOMETRY,
    });
    const block = normForward(network, `${name}.1`, { x: convolved, frames: input.frames });
    blocks.push(block);
    x = block.y;
  });
  const head = blockName.encoderLinear(architecture.levels.length);
  const features = tf.tidy(() =>
    tf.tanh(linear(flatten(x), state.tensor(`${head}.weight`), {
      bias: state.tensor(`${head}.bias`),
    }))
  );
  return { input: input.x, blocks, features };
}

/**
 * Vector-Jacobian product of {@link encoderForward} in the weights; the volumes are data. Frees the
 * activations as it goes.
 *
 * @param network As in the forward pass.
 * @param saved Its activations, freed here.
 * @param dFeatures `[N, E]`; not owned.
 * @returns Gradients of the encoder's parameters. A convolution's bias in front of batch statistics has
 *   gradient exactly zero and is given as such, not as the rounding noise of a sum.
 */
export function encoderBackward(
  network: Network,
  saved: EncoderActivations,
  dFeatures: tf.Tensor,
): Gradients {
  const gradients: Gradients = new Map();
  const { blocks } = saved;
  let dy = linearBackward(network, saved, { dFeatures, gradients });
  for (let l = blocks.length - 1; l >= 0; l--) {
    const name = blockName.encoder(l);
    const block = blocks[l];
    const filter = network.state.tensor(`${name}.0.weight`);
    const x = l === 0 ? saved.input : blocks[l - 1].y;
    const da = normBackward(network, block, { dy, gradients });
    dy.dispose();
    disposeNorm(block);
    gradients.set(`${name}.0.weight`, conv3dFilterGradient(x, da, { ...GEOMETRY, kernel: KERNEL }));
    gradients.set(
      `${name}.0.bias`,
      absorbsBias(network, da.shape[4] as number)
        ? tf.zeros([da.shape[4] as number])
        : conv3dBiasGradient(da),
    );
    if (l > 0) {
      const inputSize = x.shape.slice(1, 4) as unknown as Triple;
      dy = conv3dInputGradient(da, filter, { ...GEOMETRY, inputSize });
    }
    da.dispose();
  }
  return gradients;
}

/** Frees a forward pass's activations, features included. */
export function disposeEncoder({ blocks, features }: EncoderActivations): void {
  blocks.forEach(disposeNorm);
  features.dispose();
}

/** Back through tanh and encoder5; frees the features. */
function linearBackward(
  network: Network,
  saved: EncoderActivations,
  { dFeatures, gradients }: { dFeatures: tf.Tensor; gradients: Gradients },
): tf.Tensor {
  const last = saved.blocks[saved.blocks.length - 1];
  const head = blockName.encoderLinear(saved.blocks.length);
  const [dx, dWeight, dBias] = tf.tidy(() => {
    const slope = tf.sub(1, tf.square(saved.features));
    const gradient = linearGradient(tf.mul(dFeatures, slope), {
      x: flatten(last.y),
      weight: network.state.tensor(`${head}.weight`),
    });
    return [tf.reshape(gradient.dx, last.y.shape), gradient.dWeight, gradient.dBias];
  });
  gradients.set(`${head}.weight`, dWeight).set(`${head}.bias`, dBias);
  saved.features.dispose();
  return dx;
}

function flatten(volumes: tf.Tensor): tf.Tensor {
  return tf.reshape(volumes, [volumes.shape[0], volumes.size / volumes.shape[0]]);
}
