/** Two kernels an engine may provide: multi-head attention over blocks of scores, and the way back through it. */
import type { tf } from "../deps/tfjs.ts";
import { runIfPresent } from "./kernel_calls.ts";

/** Names under which engines register the kernels. */
export const ATTENTION_KERNEL = {
  attention: "RecvaeAttention",
  gradient: "RecvaeAttentionGradient",
} as const;

/** Memory for the scores of one block, in bytes of float32; attention never holds more of them at a time. */
export const SCORE_BYTES = 16 * 2 ** 20;

/** What kind of attention. */
export interface AttentionAttributes {
  /** H; query, key and value hold them side by side in their last axis. */
  readonly heads: number;
  /** Query i sees key j where j ≤ i + keys − queries. */
  readonly causal: boolean;
  /** Factor of the scores. */
  readonly scale: number;
  /** Draws below threshold/2²⁴ are dropped, what stays is multiplied by `keep`; 0 drops nothing. */
  readonly threshold: number;
  /** 1/(1 − rate). */
  readonly keep: number;
  /** Words of the stream of draws; draw ((b·H + h)·queries + i)·keys + j decides about score [b, h, i, j]. */
  readonly identity: readonly number[];
}

/** Tensors of an attention. */
export interface AttentionTensors {
  /** `[B, queries, H·D]`. */
  readonly query: tf.Tensor;
  /** `[B, keys, H·D]`. */
  readonly key: tf.Tensor;
  /** `[B, keys, H·E]`. */
  readonly value: tf.Tensor;
  /** `[B, keys]`, 0 hides a key; or null. */
  readonly mask: tf.Tensor | null;
}

/** Range of batch items and query rows whose scores are held together. */
export interface ScoreBlock {
  readonly batch: number;
  readonly batches: number;
  readonly row: number;
  readonly rows: number;
}

/**
 * Cuts an attention into blocks of scores of at most {@link SCORE_BYTES}: whole batch items as far as they fit, else
 * rows of one item (at least one).
 *
 * @param sizes Batch items, heads, queries, keys.
 */
export function scoreBlocks(
  sizes: { batch: number; heads: number; queries: number; keys: number },
): ScoreBlock[] {
  const { batch, heads, queries, keys } = sizes;
  const rowsInAll = Math.max(1, Math.floor(SCORE_BYTES / (4 * heads * keys)));
  const batches = Math.max(1, Math.floor(rowsInAll / Math.max(1, queries)));
  const rows = Math.min(queries, rowsInAll);
  const blocks: ScoreBlock[] = [];
  for (let b = 0; b < batch; b += batches) {
    for (let row = 0; row < queries; row += rows) {
      blocks.push({
        batch: b,
        batches: Math.min(batches, batch - b),
        row,
        rows: Math.min(rows, queries - row),
      });
    }
  }
  return blocks;
}

/**
 * softmax(scale·query·keyᵀ)·value head by head.
 *
 * @returns The result `[B, queries, H·E]` and what the gradient needs beside the inputs; null without a kernel.
 */
export function runAttention(
  tensors: AttentionTensors,
  attributes: AttentionAttributes,
): { readonly y: tf.Tensor; readonly statistics: tf.Tensor } | null {
  const results = runIfPresent(ATTENTION_KERNEL.attention, { ...tensors }, { ...attributes });
  return results && { y: results[0], statistics: results[1] };
}

/**
 * Gradients of {@link runAttention} in query, key and value.
 *
 * @returns In this order; null without a kernel.
 */
export function runAttentionGradient(
  tensors: AttentionTensors & { readonly dy: tf.Tensor; readonly statistics: tf.Tensor },
  attributes: AttentionAttributes,
): tf.Tensor[] | null {
  return runIfPresent(ATTENTION_KERNEL.gradient, { ...tensors }, { ...attributes });
}
