/** From volumes to the network's width and back [brain-sequence §3.1, §7]. */
import { gelu } from "../../ops/activations.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { ParameterEntry } from "../../parameters/entry.ts";
import { linearEntries, normEntries } from "../../parameters/layers.ts";
import { dense, drop, norm, type Pass } from "./layers.ts";

/** Entries of the projection into the width. */
export function projectionEntries(
  { parcels, embeddingDim, embeddingLayers }: Pass["config"],
): ParameterEntry[] {
  return Array.from({ length: embeddingLayers }, (_, i) => {
    const name = `embedder.embed_model.model`;
    const inputs = [i === 0 ? parcels : embeddingDim];
    return [
      ...linearEntries(`${name}.${4 * i}`, { inputs, outputs: [embeddingDim] }),
      ...normEntries(`${name}.${4 * i + 1}`, { channels: embeddingDim }),
    ];
  }).flat();
}

/** Hidden layers with GELU, then a linear layer with a norm; x `[M, N]` → `[M, E]`. */
export function project(pass: Pass, x: tf.Tensor): tf.Tensor {
  const { embeddingLayers } = pass.config;
  let y = x;
  for (let i = 0; i < embeddingLayers; i++) {
    const name = `embedder.embed_model.model`;
    y = norm(pass, `${name}.${4 * i + 1}`, dense(pass, `${name}.${4 * i}`, y));
    if (i < embeddingLayers - 1) y = gelu(y);
    y = drop(pass, `projection ${i}`, y);
  }
  return y;
}

/** Entries of the projection back; none where width and parcels agree. */
export function unprojectionEntries(
  { parcels, embeddingDim, unembeddingLayers, autoregression }: Pass["config"],
): ParameterEntry[] {
  // What comes on top of an autoregressive model starts as nothing.
  const nothing = { kind: "constant", value: 0 } as const;
  if (parcels === embeddingDim) return [];
  return Array.from({ length: unembeddingLayers }, (_, i) => {
    const last = i === unembeddingLayers - 1;
    const outputs = [last ? parcels : embeddingDim];
    return [
      ...linearEntries(`unembedder.model.${4 * i}`, {
        inputs: [embeddingDim],
        outputs,
        ...(last && autoregression > 0 && { start: nothing }),
      }),
      ...(last ? [] : normEntries(`unembedder.model.${4 * i + 1}`, { channels: embeddingDim })),
    ];
  }).flat();
}

/** `[…, E]` → `[…, N]`. */
export function unproject(pass: Pass, x: tf.Tensor): tf.Tensor {
  const { parcels, embeddingDim, unembeddingLayers } = pass.config;
  if (parcels === embeddingDim) return x;
  let y = x;
  for (let i = 0; i < unembeddingLayers; i++) {
    y = dense(pass, `unembedder.model.${4 * i}`, y);
    if (i === unembeddingLayers - 1) return y;
    y = drop(pass, `unprojection ${i}`, gelu(norm(pass, `unembedder.model.${4 * i + 1}`, y)));
  }
  return y;
}
