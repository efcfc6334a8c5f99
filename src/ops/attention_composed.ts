/**
 * Attention and its gradient composed of stock operations, block by block like the kernels (attention_contract.ts), for
 * engines without them. Not on the tape.
 */
import {
  type AttentionAttributes,
  type AttentionTensors,
  type ScoreBlock,
  scoreBlocks,
} from "../backends/attention_contract.ts";
import { toScalar, toTensor } from "../backends/tensors.ts";
import type { RandomStream } from "../base/random.ts";
import { tf } from "../deps/tfjs.ts";

/** What hides a score: e^−this is 0, and what is added to it does not matter. */
const HIDDEN = 1e30;

/** Attributes, and a way to make the draws from the first on. */
export interface ComposedAttributes extends AttentionAttributes {
  readonly draws: () => RandomStream;
}

type BlockAttributes = ComposedAttributes & { readonly queries: number };

/** `[B, queries, H·E]`. */
export function composedAttention(
  tensors: AttentionTensors,
  attributes: ComposedAttributes,
): tf.Tensor {
  const { query, key, value } = split(tensors, attributes.heads);
  const queries = query.shape[2];
  const parts = blocksOf(tensors, attributes.heads).map((block) => {
    const here = { block, attributes: { ...attributes, queries }, mask: tensors.mask };
    const { shares, factors } = sharesOf(rowsOf(query, block), itemsOf(key, block), here);
    const kept = factors ? tf.mul(shares, factors) : shares;
    return { block, y: tf.matMul(kept, itemsOf(value, block)) };
  });
  return joinHeads(joinBlocks(parts), tensors.query.shape[0]);
}

/** Gradients in query, key and value. */
export function composedAttentionGradient(
  dy: tf.Tensor,
  tensors: AttentionTensors,
  attributes: ComposedAttributes,
): tf.Tensor[] {
  const { query, key, value } = split(tensors, attributes.heads);
  const towards = splitHeads(dy, attributes.heads);
  const scale = toScalar(attributes.scale);
  const queries = query.shape[2];
  const parts = blocksOf(tensors, attributes.heads).map((block) => {
    const [q, g] = [rowsOf(query, block), rowsOf(towards, block)];
    const [k, v] = [itemsOf(key, block), itemsOf(value, block)];
    const here = { block, attributes: { ...attributes, queries }, mask: tensors.mask };
    const { shares, factors } = sharesOf(q, k, here);
    const arriving = tf.matMul(g, v, false, true);
    const dShares = factors ? tf.mul(arriving, factors) : arriving;
    const mean = tf.sum(tf.mul(dShares, shares), -1, true);
    const dScores = tf.mul(tf.mul(shares, tf.sub(dShares, mean)), scale);
    const kept = factors ? tf.mul(shares, factors) : shares;
    return {
      block,
      dQuery: tf.matMul(dScores, k),
      dKey: tf.matMul(dScores, q, true, false),
      dValue: tf.matMul(kept, g, true, false),
    };
  });
  const batch = dy.shape[0];
  return [
    joinHeads(joinBlocks(parts.map(({ block, dQuery }) => ({ block, y: dQuery }))), batch),
    joinHeads(addBlocks(parts.map(({ block, dKey }) => ({ block, y: dKey }))), batch),
    joinHeads(addBlocks(parts.map(({ block, dValue }) => ({ block, y: dValue }))), batch),
  ];
}

/** Softmax of the visible scores, 0 in rows without one, and the factors of dropout (null: none). */
function sharesOf(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  { block, attributes, mask }: {
    block: ScoreBlock;
    attributes: BlockAttributes;
    mask: tf.Tensor | null;
  },
): { shares: tf.Tensor4D; factors: tf.Tensor | null } {
  const keys = key.shape[2];
  const scores = tf.mul(tf.matMul(query, key, false, true), toScalar(attributes.scale));
  const visible = visibility(block, keys, { attributes, mask });
  const factors = attributes.threshold > 0 ? dropFactors(block, keys, attributes) : null;
  if (!visible) return { shares: tf.softmax(scores) as tf.Tensor4D, factors };
  const far = tf.mul(tf.sub(visible, toScalar(1)), toScalar(HIDDEN));
  const shares = tf.mul(tf.softmax(tf.add(tf.mul(scores, visible), far)), visible);
  return { shares: shares as tf.Tensor4D, factors };
}

/** 1 where a key is seen, else 0, broadcast to the block's scores; null when every key is. */
function visibility(
  block: ScoreBlock,
  keys: number,
  { attributes, mask }: { attributes: BlockAttributes; mask: tf.Tensor | null },
): tf.Tensor | null {
  let visible: tf.Tensor | null = null;
  if (mask) {
    const rows = tf.slice(mask, [block.batch, 0], [block.batches, keys]);
    visible = tf.cast(
      tf.notEqual(tf.reshape(rows, [block.batches, 1, 1, keys]), toScalar(0)),
      "float32",
    );
  }
  if (attributes.causal) {
    const values = new Float32Array(block.rows * keys);
    for (let row = 0; row < block.rows; row++) {
      const border = block.row + row + 1 + keys - attributes.queries;
      values.fill(1, row * keys, row * keys + Math.max(0, Math.min(keys, border)));
    }
    const triangle = toTensor(values, [1, 1, block.rows, keys]);
    visible = visible ? tf.mul(visible, triangle) : triangle;
  }
  return visible;
}

/** 0 or `keep` for every score of a block, made on the host. */
function dropFactors(
  block: ScoreBlock,
  keys: number,
  { heads, queries, threshold, keep, draws }: BlockAttributes,
): tf.Tensor {
  const stream = draws();
  const count = block.rows * keys;
  const values = new Float64Array(block.batches * heads * count);
  stream.skip((block.batch * heads * queries + block.row) * keys);
  for (let matrix = 0; matrix < block.batches * heads; matrix++) {
    const uniforms = stream.uniforms(count);
    for (let i = 0; i < count; i++) {
      values[matrix * count + i] = uniforms[i] * 2 ** 24 < threshold ? 0 : keep;
    }
    stream.skip((queries - block.rows) * keys);
  }
  return toTensor(values, [block.batches, heads, block.rows, keys]);
}

function blocksOf({ query, key }: AttentionTensors, heads: number): ScoreBlock[] {
  const [batch, queries] = query.shape;
  return scoreBlocks({ batch, heads, queries, keys: key.shape[1]! });
}

function split({ query, key, value }: AttentionTensors, heads: number) {
  return {
    query: splitHeads(query, heads),
    key: splitHeads(key, heads),
    value: splitHeads(value, heads),
  };
}

/** `[B, T, H·D]` as `[B, H, T, D]`. */
function splitHeads(x: tf.Tensor, heads: number): tf.Tensor4D {
  const [batch, rows, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, rows, heads, width / heads]), [0, 2, 1, 3]);
}

/** The way back. */
function joinHeads(x: tf.Tensor4D, batch: number): tf.Tensor {
  const [, heads, rows, width] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, rows, heads * width]);
}

function rowsOf(x: tf.Tensor4D, { batch, batches, row, rows }: ScoreBlock): tf.Tensor4D {
  return tf.slice(x, [batch, 0, row, 0], [batches, x.shape[1], rows, x.shape[3]]);
}

function itemsOf(x: tf.Tensor4D, { batch, batches }: ScoreBlock): tf.Tensor4D {
  return tf.slice(x, [batch, 0, 0, 0], [batches, x.shape[1], x.shape[2], x.shape[3]]);
}

type Part = { readonly block: ScoreBlock; readonly y: tf.Tensor };

/** Blocks follow each other along the items, or along the rows of one item. */
function byItems(parts: readonly Part[], join: (rows: tf.Tensor[]) => tf.Tensor): tf.Tensor4D {
  const items = new Map<number, tf.Tensor[]>();
  for (const { block, y } of parts) {
    items.set(block.batch, [...items.get(block.batch) ?? [], y]);
  }
  const joined = [...items.values()].map((rows) => rows.length === 1 ? rows[0] : join(rows));
  return (joined.length === 1 ? joined[0] : tf.concat(joined, 0)) as tf.Tensor4D;
}

const joinBlocks = (parts: readonly Part[]) => byItems(parts, (rows) => tf.concat(rows, 2));
const addBlocks = (parts: readonly Part[]) => byItems(parts, (rows) => rows.reduce(addUp));
const addUp = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.add(a, b);
