/** Layers by their names in files, as the stacks use them. */
import type { LinearActivation } from "../../backends/linear_contract.ts";
import type { RandomStream } from "../../base/random.ts";
import type { tf } from "../../deps/tfjs.ts";
import { dropout } from "../../ops/dropout.ts";
import { layerNorm } from "../../ops/layer_norm.ts";
import { linear } from "../../ops/linear.ts";
import type { SequenceConfig } from "./config.ts";

/** What a forward pass reads: parameters by name, and how dropout is drawn. */
export interface Pass {
  readonly config: SequenceConfig;
  tensor(key: string): tf.Tensor;
  /** Null in evaluation. */
  readonly draw: RandomStream | null;
}

/** x·Wᵀ + b of the layer of that name, and an activation. */
export function dense(
  pass: Pass,
  name: string,
  x: tf.Tensor,
  activation: LinearActivation = "linear",
): tf.Tensor {
  const bias = pass.tensor(`${name}.bias`);
  return linear(x, pass.tensor(`${name}.weight`), { bias, activation });
}

/** Layer normalisation of that name. */
export function norm(pass: Pass, name: string, x: tf.Tensor, epsilon = 1e-5): tf.Tensor {
  const affine = { gamma: pass.tensor(`${name}.weight`), beta: pass.tensor(`${name}.bias`) };
  return layerNorm(x, affine, { epsilon });
}

/** Dropout at a named place; nothing in evaluation. */
export function drop(pass: Pass, place: string, x: tf.Tensor): tf.Tensor {
  const { dropout: rate } = pass.config;
  if (!pass.draw || rate === 0) return x;
  return dropout(x, { rate, stream: pass.draw.split(place) });
}

/** Dropout of attention weights at a named place. */
export function attentionDropout(pass: Pass, place: string) {
  const { dropout: rate } = pass.config;
  return pass.draw && rate > 0 ? { rate, random: pass.draw.split(place) } : null;
}

/** The activation of the stacks, as the linear layer calls it. */
export function stackActivation({ activation }: SequenceConfig): LinearActivation {
  return activation === "gelu_new" ? "gelu-tanh" : activation;
}
