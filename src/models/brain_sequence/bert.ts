/** A BERT encoder over embedded volumes [brain-sequence §5.2]. */
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { attention } from "../../ops/attention.ts";
import { embedding } from "../../ops/embedding.ts";
import { slice } from "../../ops/parts.ts";
import { type ParameterEntry, plainEntry } from "../../parameters/entry.ts";
import { linearEntries, normEntries } from "../../parameters/layers.ts";
import type { SequenceConfig } from "./config.ts";
import { attentionDropout, dense, drop, norm, type Pass, stackActivation } from "./layers.ts";
import type { Prepared } from "./preparation.ts";

const EPSILON = 1e-12;
const STACK = "decoder.transformer";
const START = { kind: "normal", deviation: 0.02 } as const;

/** Entries of the encoder. */
export function bertEntries(
  { layers, embeddingDim: E, innerFactor, positions }: SequenceConfig,
): ParameterEntry[] {
  // Biases start at zero here, unlike those of PyTorch's own linear layers.
  const layer = (name: string, [inputs, outputs]: number[]) => [
    ...linearEntries(name, { inputs: [inputs], outputs: [outputs], bias: false, start: START }),
    plainEntry(`${name}.bias`, { shape: [outputs] }),
  ];
  const table = (name: string, rows: number) =>
    plainEntry(`${STACK}.embeddings.${name}.weight`, { shape: [rows, E], start: START });
  const blocks = Array.from({ length: layers }, (_, i) => {
    const block = `${STACK}.encoder.layer.${i}`;
    return [
      ...["query", "key", "value"].flatMap((part) =>
        layer(`${block}.attention.self.${part}`, [E, E])
      ),
      ...layer(`${block}.attention.output.dense`, [E, E]),
      ...normEntries(`${block}.attention.output.LayerNorm`, { channels: E }),
      ...layer(`${block}.intermediate.dense`, [E, innerFactor * E]),
      ...layer(`${block}.output.dense`, [innerFactor * E, E]),
      ...normEntries(`${block}.output.LayerNorm`, { channels: E }),
    ];
  }).flat();
  return [
    plainEntry(`${STACK}.embeddings.word_embeddings.weight`, { shape: [1, E] }),
    table("position_embeddings", positions),
    table("token_type_embeddings", 2),
    ...normEntries(`${STACK}.embeddings.LayerNorm`, { channels: E }),
    ...blocks,
  ];
}

/**
 * The encoder.
 *
 * @param x Embedded, `[B, T′, E]`.
 * @param prepared For its mask and token types.
 * @returns The hidden states: after the embedding's norm and after every layer.
 */
export function runBert(
  pass: Pass,
  x: tf.Tensor,
  { attention: mask, tokenTypes }: Prepared,
): tf.Tensor[] {
  const [B, T, E] = x.shape as [number, number, number];
  const types = tf.tensor(tokenTypes ?? new Int32Array(B * T), [B * T], "int32");
  const kinds = embedding(types, pass.tensor(`${STACK}.embeddings.token_type_embeddings.weight`));
  const places = slice(pass.tensor(`${STACK}.embeddings.position_embeddings.weight`), {
    length: T,
  });
  const sum = tf.add(tf.add(x, tf.reshape(kinds, [B, T, E])), places);
  const keys = toTensor(Float32Array.from(mask), [B, T]);
  let y = drop(pass, "embedding", norm(pass, `${STACK}.embeddings.LayerNorm`, sum, EPSILON));
  const hidden = [y];
  for (let i = 0; i < pass.config.layers; i++) {
    y = block(pass, y, { i, keys });
    hidden.push(y);
  }
  return hidden;
}

function block(pass: Pass, x: tf.Tensor, { i, keys }: { i: number; keys: tf.Tensor }): tf.Tensor {
  const name = `${STACK}.encoder.layer.${i}`;
  const [query, key, value] = ["query", "key", "value"].map((part) =>
    dense(pass, `${name}.attention.self.${part}`, x)
  );
  const dropout = attentionDropout(pass, `${name}.attention`);
  const seen = attention({ query, key, value }, { heads: pass.config.heads, mask: keys, dropout });
  const mixed = drop(
    pass,
    `${name}.attention.output`,
    dense(pass, `${name}.attention.output.dense`, seen),
  );
  const y = norm(pass, `${name}.attention.output.LayerNorm`, tf.add(x, mixed), EPSILON);
  const inner = dense(pass, `${name}.intermediate.dense`, y, stackActivation(pass.config));
  const outer = drop(pass, `${name}.output`, dense(pass, `${name}.output.dense`, inner));
  return norm(pass, `${name}.output.LayerNorm`, tf.add(y, outer), EPSILON);
}
