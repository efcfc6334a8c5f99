/** What is read off a stack beside volumes: classes and whether two sequences follow one another [brain-sequence §6]. */
import { tf } from "../../deps/tfjs.ts";
import { tanh } from "../../ops/activations.ts";
import { gather } from "../../ops/parts.ts";
import type { ParameterEntry } from "../../parameters/entry.ts";
import { linearEntries } from "../../parameters/layers.ts";
import type { SequenceConfig } from "./config.ts";
import { dense, drop, type Pass } from "./layers.ts";
import { type Prepared, TOKENS } from "./preparation.ts";

/** Entries of pooler and heads, in the order of published files. */
export function headEntries(config: SequenceConfig): ParameterEntry[] {
  const { architecture, style, embeddingDim: E, classes, parcels, length } = config;
  const layer = (name: string, inputs: number, outputs: number) =>
    linearEntries(`decoder.${name}.0`, { inputs: [inputs], outputs: [outputs] });
  const decoding = style === "decoding";
  if (architecture === "linear") {
    return [...layer("decoding_head", parcels, classes), ...layer("timseries_model", length, 1)];
  }
  const head = decoding ? layer("decoding_head", E, classes) : [];
  if (architecture === "autoencoder") return head;
  const pairs = architecture === "gpt" ? [] : layer("is_next_head", E, 1);
  return [...layer("pooler_layer", E, E), ...pairs, ...head];
}

/** The place that stands for a whole row. */
function pooledPlaces(
  { config }: Pass,
  { shape: [B, T], places, attention }: Prepared,
): Int32Array {
  return Int32Array.from({ length: B }, (_, b) => {
    if (config.architecture === "gpt") {
      const end = attention.subarray(b * T, (b + 1) * T).indexOf(0);
      return b * T + (end < 0 ? T : end) - 1;
    }
    const first = config.compatibility.lateCls
      ? 0
      : places.subarray(b * T, (b + 1) * T).indexOf(TOKENS.cls);
    return b * T + Math.max(first, 0);
  });
}

/**
 * tanh of a linear map of the row's place: CLS.
 *
 * @param states `[B, T′, E]`.
 * @returns `[B, E]`.
 */
export function pool(pass: Pass, states: tf.Tensor, prepared: Prepared): tf.Tensor {
  const E = states.shape[2]!;
  const rows = gather(tf.reshape(states, [-1, E]), pooledPlaces(pass, prepared));
  return drop(pass, "pooler", tanh(dense(pass, "decoder.pooler_layer.0", rows)));
}

/** Logits `[B, C]` of a pooled row. */
export function classLogits(pass: Pass, pooled: tf.Tensor): tf.Tensor {
  return dense(pass, "decoder.decoding_head.0", pooled);
}

/** The linear baseline: time first, then parcels; inputs `[B, T, N]`. */
export function linearBaseline(
  pass: Pass,
  inputs: tf.Tensor,
): { aggregated: tf.Tensor; logits: tf.Tensor } {
  const [B, T, N] = inputs.shape as [number, number, number];
  const columns = tf.reshape(tf.transpose(inputs, [0, 2, 1]), [B * N, T]);
  const aggregated = tf.reshape(dense(pass, "decoder.timseries_model.0", columns), [B, N]);
  return { aggregated, logits: classLogits(pass, aggregated) };
}
