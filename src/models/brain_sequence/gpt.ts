/** A GPT-2 stack over embedded volumes [brain-sequence §5.1]. */
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { attention } from "../../ops/attention.ts";
import { slice, split } from "../../ops/parts.ts";
import { type ParameterEntry, plainEntry, type StartingValues } from "../../parameters/entry.ts";
import { normEntries } from "../../parameters/layers.ts";
import type { SequenceConfig } from "./config.ts";
import { attentionDropout, dense, drop, norm, type Pass, stackActivation } from "./layers.ts";

const DEVIATION = 0.02;
const STACK = "decoder.transformer";

/** Entries of the stack; its matrices stand as `[in, out]` in files. */
export function gptEntries(
  { layers, embeddingDim: E, innerFactor, positions }: SequenceConfig,
): ParameterEntry[] {
  const normal = (deviation: number): StartingValues => ({ kind: "normal", deviation });
  const matrix = (name: string, [inputs, outputs]: number[], deviation = DEVIATION) => [
    {
      ...plainEntry(`${name}.weight`, { shape: [inputs, outputs], start: normal(deviation) }),
      memoryShape: [outputs, inputs],
      axisGroups: [[inputs, outputs]],
    },
    plainEntry(`${name}.bias`, { shape: [outputs] }),
  ];
  const table = (name: string, rows: number) =>
    plainEntry(`${STACK}.${name}.weight`, { shape: [rows, E], start: normal(DEVIATION) });
  const blocks = Array.from({ length: layers }, (_, i) => {
    const block = `${STACK}.h.${i}`;
    const residual = DEVIATION / Math.sqrt(2 * layers);
    return [
      ...normEntries(`${block}.ln_1`, { channels: E }),
      ...matrix(`${block}.attn.c_attn`, [E, 3 * E]),
      ...matrix(`${block}.attn.c_proj`, [E, E], residual),
      ...normEntries(`${block}.ln_2`, { channels: E }),
      ...matrix(`${block}.mlp.c_fc`, [E, innerFactor * E]),
      ...matrix(`${block}.mlp.c_proj`, [innerFactor * E, E], residual),
    ];
  }).flat();
  return [
    table("wte", 1),
    table("wpe", positions),
    ...blocks,
    ...normEntries(`${STACK}.ln_f`, { channels: E }),
  ];
}

/**
 * The stack.
 *
 * @param x Embedded, `[B, T′, E]`.
 * @param mask `[B, T′]`, 1 where something stands.
 * @returns The hidden states: the input with positions, after every block, and normalised.
 */
export function runGpt(pass: Pass, x: tf.Tensor, mask: Int32Array): tf.Tensor[] {
  const [B, T] = x.shape as [number, number, number];
  const places = slice(pass.tensor(`${STACK}.wpe.weight`), { length: T });
  const start = tf.add(x, places);
  const hidden = [start];
  let y = drop(pass, "embedding", start);
  const keys = toTensor(Float32Array.from(mask), [B, T]);
  for (let i = 0; i < pass.config.layers; i++) {
    y = block(pass, y, { i, keys });
    hidden.push(y);
  }
  return [...hidden, norm(pass, `${STACK}.ln_f`, y)];
}

function block(pass: Pass, x: tf.Tensor, { i, keys }: { i: number; keys: tf.Tensor }): tf.Tensor {
  const { embeddingDim: E, heads } = pass.config;
  const name = `${STACK}.h.${i}`;
  const projected = dense(pass, `${name}.attn.c_attn`, norm(pass, `${name}.ln_1`, x));
  const [query, key, value] = split(projected, [E, E, E]);
  const dropout = attentionDropout(pass, `${name}.attention`);
  const seen = attention({ query, key, value }, { heads, causal: true, mask: keys, dropout });
  const y = tf.add(x, drop(pass, `${name}.attn`, dense(pass, `${name}.attn.c_proj`, seen)));
  const inner = dense(
    pass,
    `${name}.mlp.c_fc`,
    norm(pass, `${name}.ln_2`, y),
    stackActivation(pass.config),
  );
  return tf.add(y, drop(pass, `${name}.mlp`, dense(pass, `${name}.mlp.c_proj`, inner)));
}
