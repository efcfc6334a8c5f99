/** Multi-head scaled dot-product attention as one operation, and its gradient. */
import {
  type AttentionAttributes,
  type AttentionTensors,
  runAttention,
  runAttentionGradient,
} from "../backends/attention_contract.ts";
import { ConfigError } from "../base/errors.ts";
import { checkOptions, flag, integer, number, other, record } from "../base/fields.ts";
import type { RandomStream } from "../base/random.ts";
import { tf } from "../deps/tfjs.ts";
import { composedAttention, composedAttentionGradient } from "./attention_composed.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** What attends to what. */
export interface AttentionInputs {
  /** `[B, queries, H·D]`: H heads of D columns side by side. */
  readonly query: tf.Tensor;
  /** `[B, keys, H·D]`. */
  readonly key: tf.Tensor;
  /** `[B, keys, H·E]`. */
  readonly value: tf.Tensor;
}

/** Dropout of attention weights. */
export interface AttentionDropout {
  /** Share of weights set to 0, 0 ≤ rate < 1; the others are multiplied by 1/(1 − rate). */
  readonly rate: number;
  /**
   * Decides which: weight `[b, h, i, j]` is dropped when draw number ((b·H + h)·queries + i)·keys + j of the stream, cut to
   * 24 bits, is below the rate. The stream does not advance: give every call one of its own.
   */
  readonly random: RandomStream;
}

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** H; divides the columns of query, key and value. */
  readonly heads: number;
  /** Query i sees key j only where j ≤ i + keys − queries. Default false. */
  readonly causal?: boolean;
  /** `[B, keys]`: 0 hides a key from all queries of its item (padding). None by default. */
  readonly mask?: tf.Tensor | null;
  /** None by default. */
  readonly dropout?: AttentionDropout | null;
  /** Factor of the scores; default 1/√D. */
  readonly scale?: number;
}

const OPTIONS = record<AttentionOptions>({
  heads: integer({ least: 1 }),
  causal: flag(),
  mask: other("a tensor [B, keys] or null"),
  dropout: other("{ rate, random } or null"),
  scale: number(),
}, ["heads"]);

/**
 * softmax(scale·query·keyᵀ + masks)·value, head by head. A query that sees no key gives 0. Differentiable in query, key and
 * value. Scores are held in blocks of at most 16 MiB and made anew for the gradient, so memory grows with the
 * length, not with its square.
 *
 * @param inputs Query, key and value; at least one query and one key.
 * @param options Heads, masks, dropout.
 * @returns `[B, queries, H·E]`.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when heads do not divide the columns, or an option is out of range.
 *
 * @example Self-attention of a decoder, its projections side by side beforehand.
 * ```ts ignore
 * const y = attention({ query, key, value }, { heads: 8, causal: true });
 * ```
 */
export function attention(inputs: AttentionInputs, options: AttentionOptions): tf.Tensor {
  checkOptions(options, OPTIONS, { doing: "Cannot compute attention" });
  checkShapes(inputs, options);
  const mask = options.mask ?? null;
  const { attributes, draws } = resolve(inputs, options);
  return runDifferentiable([inputs.query, inputs.key, inputs.value], {
    forward([query, key, value], save) {
      const tensors = { query, key, value, mask };
      if (query.size === 0 || value.size === 0) {
        save([query, key, value]);
        return tf.zeros([query.shape[0], query.shape[1]!, value.shape[2]!]);
      }
      const found = runAttention(tensors, attributes);
      save([query, key, value, ...(mask ? [mask] : []), ...(found ? [found.statistics] : [])]);
      return found?.y ?? composedAttention(tensors, { ...attributes, draws });
    },
    gradient(dy, [query, key, value, ...more]) {
      if (query.size === 0 || value.size === 0) {
        return [query, key, value].map((tensor) => tf.zerosLike(tensor));
      }
      const tensors = { query, key, value, mask: mask && more[0] };
      const statistics = more[mask ? 1 : 0];
      return statistics
        ? runAttentionGradient({ ...tensors, dy, statistics }, attributes)!
        : tf.tidy(() => composedAttentionGradient(dy, tensors, { ...attributes, draws }));
    },
  });
}

function resolve(
  { query }: AttentionInputs,
  { heads, causal = false, dropout, scale }: AttentionOptions,
): { attributes: AttentionAttributes; draws: () => RandomStream } {
  const rate = dropout?.rate ?? 0;
  if (!(rate >= 0 && rate < 1)) {
    throw new ConfigError(
      "dropout.rate",
      `Cannot compute attention: dropout.rate is ${rate}, needs a number of at least 0 and below 1`,
    );
  }
  const stream = dropout?.random.split("attention");
  const attributes = {
    heads,
    causal,
    scale: scale ?? 1 / Math.sqrt(query.shape[2]! / heads),
    threshold: Math.ceil(rate * 2 ** 24),
    keep: 1 / (1 - rate),
    identity: [...stream?.identity ?? [0, 0, 0, 0]],
  };
  return { attributes, draws: () => dropout!.random.split("attention") };
}

function checkShapes(
  { query, key, value }: AttentionTensors | AttentionInputs,
  { heads, mask }: AttentionOptions,
): void {
  const doing = "Computing attention";
  const [batch, queries, width] = query.shape;
  const [, keys] = key.shape;
  requireShape(doing, "query", {
    shape: query.shape,
    pattern: [-1, -1, -1],
    words: "[B, queries, H·D]",
  });
  requireShape(doing, "key", {
    shape: key.shape,
    pattern: [batch, -1, width!],
    words: "[B, keys, H·D]",
  });
  requireShape(doing, "value", {
    shape: value.shape,
    pattern: [batch, keys!, -1],
    words: "[B, keys, H·E]",
  });
  if (mask) {
    requireShape(doing, "mask", { shape: mask.shape, pattern: [batch, keys!], words: "[B, keys]" });
  }
  for (const [name, { shape }] of Object.entries({ query, value })) {
    const columns = shape[2]!;
    if (columns % heads === 0 && columns > 0) continue;
    throw new ConfigError(
      "heads",
      `Cannot compute attention: ${name} has ${columns} columns, needs a multiple of heads = ${heads}`,
    );
  }
  if (queries === 0 || keys === 0) {
    throw new ConfigError(
      "query",
      `Cannot compute attention: found ${queries} queries and ${keys} keys, needs at least one of each`,
    );
  }
}
