/**
 * Encoder, decoder and transition applied once, outside a rollout: `encode`, `decode` and `g` of the model.
 */
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { tidied } from "../../ops/tensor_scope.ts";
import { type Like, onHost, requireValues, type Values } from "./arrays_or_tensors.ts";
import { activate, decoderForward } from "./decoder.ts";
import { encoderForward } from "./encoder.ts";
import type { ModelParts } from "./model_parts.ts";
import { advance } from "./latent_chain.ts";
import type { Network } from "./norm.ts";

/**
 * Features of single volumes.
 *
 * @param parts Sizes.
 * @param network Weights and mode.
 * @param volumes `[B, Z, Y, X]`.
 * @returns `[B, E]`.
 * @throws {ShapeError} for volumes of another size.
 */
export async function encodeVolumes<V extends Values>(
  { config, architecture }: ModelParts,
  network: Network,
  volumes: V,
): Promise<Like<V>> {
  const [x, y, z] = config.spatialShape;
  requireValues("volumes", volumes, { pattern: [-1, z, y, x], words: "[B, Z, Y, X]" });
  return await apply(
    volumes,
    [volumes.shape[0], z, y, x, 1],
    (tensor) => encoderForward(network, architecture, { x: tensor, frames: 1 }).features,
  );
}

/**
 * Volumes of latent vectors.
 *
 * @param parts Sizes.
 * @param network Weights and mode.
 * @param latents `[B, D]`.
 * @returns `[B, Z, Y, X]`.
 * @throws {ShapeError} for another width; the message contains "latent_dim".
 */
export async function decodeLatents<V extends Values>(
  { config, architecture }: ModelParts,
  network: Network,
  latents: V,
): Promise<Like<V>> {
  const [x, y, z] = config.spatialShape;
  requireLatents("latents", latents, config.latentDim);
  return await apply(latents, latents.shape, (tensor) => {
    const { output } = decoderForward(network, architecture, { x: tensor, frames: 1 });
    return tf.reshape(activate(output, config.outputActivation), [latents.shape[0], z, y, x]);
  });
}

/**
 * Prior mean of the next state, h·Fᵀ.
 *
 * @param parts Weights.
 * @param h `[B, D]`.
 * @returns `[B, D]`.
 * @throws {ShapeError} for another width; the message contains "latent_dim".
 */
export async function priorMean<V extends Values>(
  { config, state }: ModelParts,
  h: V,
): Promise<Like<V>> {
  requireLatents("h", h, config.latentDim);
  return await apply(h, h.shape, (tensor) => advance(tensor, state.tensor("F_mat")));
}

/** Computes on a tensor of the given shape and answers in kind; frees everything in between. */
async function apply<V extends Values>(
  values: V,
  shape: readonly number[],
  compute: (tensor: tf.Tensor) => tf.Tensor,
): Promise<Like<V>> {
  if (values instanceof tf.Tensor) {
    return tidied(() => compute(tf.reshape(values, [...shape]))) as Like<V>;
  }
  const { data } = await onHost(values);
  const result = tidied(() => compute(toTensor(data, shape)));
  try {
    return await onHost(result) as Like<V>;
  } finally {
    result.dispose();
  }
}

function requireLatents(name: string, values: Values, latentDim: number): void {
  requireValues(name, values, { pattern: [-1, latentDim], words: "[B, latent_dim]" });
}
