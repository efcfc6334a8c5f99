/** The networks of the family as plain forward functions, and their losses [brain-sequence §5 to §8]. */
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { crossEntropy } from "../../losses/cross_entropy.ts";
import { absoluteError, binaryCrossEntropy } from "../../losses/pointwise.ts";
import { gather } from "../../ops/parts.ts";
import { type ParameterEntry, plainEntry } from "../../parameters/entry.ts";
import { bertEntries, runBert } from "./bert.ts";
import type { SequenceConfig } from "./config.ts";
import { embed, embedderEntries } from "./embedder.ts";
import { gptEntries, runGpt } from "./gpt.ts";
import { classLogits, headEntries, linearBaseline, pool } from "./heads.ts";
import { type Pass } from "./layers.ts";
import { autoencoderEntries, decodeSequence, encodeSequence } from "./lstm_autoencoder.ts";
import type { Prepared, SequenceBatch } from "./preparation.ts";
import { unproject, unprojectionEntries } from "./projection.ts";

/** Name of the buffer of the autoregressive model's coefficients `[p, N]`. */
export const AUTOREGRESSION = "autoregression.coefficients";

/** Name of the buffer of the number that the network's output is multiplied by before it is added to that. */
export const RESIDUAL_SCALE = "autoregression.scale";

/** Name of the buffer of the share of that which is added in use, chosen after training. */
export const RESIDUAL_SHARE = "autoregression.share";

/** Everything that a network of a configuration holds, with the names of published files. */
export function sequenceEntries(config: SequenceConfig): ParameterEntry[] {
  const stacks = {
    gpt: gptEntries,
    bert: bertEntries,
    netbert: bertEntries,
    autoencoder: autoencoderEntries,
    linear: () => [],
  };
  return [
    ...embedderEntries(config),
    ...stacks[config.architecture](config),
    ...headEntries(config),
    ...(config.architecture === "linear" ? [] : unprojectionEntries(config)),
    ...autoregressionEntries(config),
  ];
}

/** What the network's prediction is added to, kept beside its weights. */
function autoregressionEntries({ autoregression, parcels }: SequenceConfig): ParameterEntry[] {
  if (autoregression === 0) return [];
  return [
    plainEntry(AUTOREGRESSION, { shape: [autoregression, parcels], kind: "buffer" }),
    plainEntry(RESIDUAL_SCALE, { shape: [1], kind: "buffer" }),
    plainEntry(RESIDUAL_SHARE, {
      shape: [1],
      kind: "buffer",
      start: { kind: "constant", value: 1 },
    }),
  ];
}

/** Names that the loss of a style does not reach: they have no gradient and are left as they are. */
export function untrainedNames({ style, architecture }: SequenceConfig): RegExp {
  const decoding = style === "decoding";
  const parts = ["\\.wte\\.", "word_embeddings"];
  if (decoding) {
    parts.push("msk_embed", "sep_embed", "is_next_head", "^unembedder", "^decoder\\.decoder");
  }
  if (!decoding && architecture === "gpt") parts.push("cls_embed", "pooler_layer");
  return new RegExp(parts.join("|"));
}

/** How a network is run. */
export interface RunOptions {
  /** The autoencoder is given the true volumes. Default false. */
  readonly teacher?: boolean;
}

/** What a network makes of a batch. */
export interface Outputs {
  /** `[B, T′, E]`: embedded volumes. */
  readonly embedded?: tf.Tensor;
  /** `[B, T′, E]` after every layer of a transformer. */
  readonly hidden?: readonly tf.Tensor[];
  /** `[B, T′, E]`: what the volumes are read from; not for decoding. */
  readonly states?: tf.Tensor;
  /** `[B, E]`. */
  readonly pooled?: tf.Tensor;
  /** `[B, 1]`. */
  readonly pairLogits?: tf.Tensor;
  /** `[B, C]`. */
  readonly logits?: tf.Tensor;
}

/**
 * Runs a network over a prepared batch.
 *
 * @param pass Parameters and dropout.
 * @param batch Padded sequences.
 * @param prepared Their tokens.
 * @param options See {@link RunOptions}.
 */
export function runNetwork(
  pass: Pass,
  batch: SequenceBatch,
  { prepared, teacher = false }: RunOptions & { readonly prepared: Prepared },
): Outputs {
  const { architecture, style } = pass.config;
  const decoding = style === "decoding";
  if (architecture === "linear") {
    return { logits: linearBaseline(pass, toTensor(batch.inputs, batch.shape)).logits };
  }
  const embedded = embed(pass, batch, prepared);
  if (architecture === "autoencoder") {
    const encoded = encodeSequence(pass, embedded);
    if (decoding) {
      return { embedded, pooled: encoded.pooled, logits: classLogits(pass, encoded.pooled) };
    }
    const given = { length: embedded.shape[1]!, teacher: teacher ? embedded : null };
    return { embedded, pooled: encoded.pooled, states: decodeSequence(pass, encoded, given) };
  }
  const hidden = architecture === "gpt"
    ? runGpt(pass, embedded, prepared.attention)
    : runBert(pass, embedded, prepared);
  const states = hidden.at(-1)!;
  if (style === "csm") return { embedded, hidden, states };
  const pooled = pool(pass, states, prepared);
  if (decoding) return { embedded, hidden, pooled, logits: classLogits(pass, pooled) };
  return { embedded, hidden, states, pooled, pairLogits: pairLogits(pass, pooled) };
}

function pairLogits(pass: Pass, pooled: tf.Tensor): tf.Tensor {
  const [weight, bias] = ["weight", "bias"].map((part) =>
    pass.tensor(`decoder.is_next_head.0.${part}`)
  );
  return tf.add(tf.matMul(pooled as tf.Tensor2D, weight as tf.Tensor2D, false, true), bias);
}

/** Loss terms of a batch; `loss` is what is differentiated. */
export function lossTerms(
  pass: Pass,
  batch: SequenceBatch,
  options: RunOptions & { readonly prepared: Prepared },
): { readonly loss: tf.Tensor } & Readonly<Record<string, tf.Tensor>> {
  const outputs = runNetwork(pass, batch, options);
  if (outputs.logits) {
    const labels = tf.tensor(batch.labels!, [batch.shape[0]], "int32");
    const loss = crossEntropy(outputs.logits, labels);
    return { loss, decoding_loss: loss };
  }
  const reconstruction = reconstructionLoss(pass, outputs.states!, { batch, ...options });
  if (pass.config.style === "autoencoder") {
    return { loss: reconstruction, reconstruction_loss: reconstruction };
  }
  if (!outputs.pairLogits || !batch.isNext) {
    return { loss: reconstruction, masking_loss: reconstruction };
  }
  const labels = toTensor(Float32Array.from(batch.isNext), [batch.shape[0], 1]);
  const pairs = binaryCrossEntropy(outputs.pairLogits, labels);
  return { loss: tf.add(reconstruction, pairs), masking_loss: reconstruction, is_next_loss: pairs };
}

/**
 * Mean |prediction − volume| over what was hidden (autoencoder: over all volumes). Only the places that are compared are
 * projected back.
 */
function reconstructionLoss(
  pass: Pass,
  states: tf.Tensor,
  { batch, prepared }: { readonly batch: SequenceBatch; readonly prepared: Prepared },
): tf.Tensor {
  const { places, volumes } = comparedPlaces(prepared);
  const [, T, N] = batch.shape;
  const [, width, E] = states.shape as [number, number, number];
  const target = new Float32Array(places.length * N);
  const mask = prepared.hiddenParcels ? new Float32Array(places.length * N) : null;
  places.forEach((place, i) => {
    const from = (Math.floor(place / width) * T + volumes[i]) * N;
    target.set((batch.targets ?? batch.inputs).subarray(from, from + N), i * N);
    mask?.set(prepared.hiddenParcels!.subarray(from, from + N), i * N);
  });
  const chosen = gather(tf.reshape(states, [-1, E]), Int32Array.from(places));
  const shape = [places.length, N];
  return absoluteError(unproject(pass, chosen), toTensor(target, shape), {
    mask: mask && toTensor(mask, shape),
  });
}

/** Places `[B·T′]` whose output is compared, and the volume of the row that each is compared with. */
export function comparedPlaces(
  { targets, places }: Prepared,
): { places: number[]; volumes: number[] } {
  const wanted = targets ?? places;
  const found: number[] = [];
  wanted.forEach((volume, i) => {
    if (volume >= 0) found.push(i);
  });
  return { places: found, volumes: found.map((i) => wanted[i]) };
}
