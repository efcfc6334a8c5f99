/**
 * Attention over blocks of scores: the matrix products of `wasm/linear/gemm.h`, in which heads lie inside the rows, and
 * between them one pass over the scores (`wasm/attention/attention.cpp`).
 */
import type { tf } from "../../../deps/tfjs.ts";
import {
  ATTENTION_KERNEL,
  type AttentionAttributes,
  type ScoreBlock,
  scoreBlocks,
} from "../../attention_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { addTo } from "./elementwise.ts";
import { multiply } from "./gemm.ts";
import type { Inputs, Kernel, KernelCall, KernelTable } from "./kernel.ts";

/** Mirror of AttentionParams. */
const LAYOUT = new ParameterLayout({
  scores: "int",
  gradient: "int",
  mask: "int",
  statistics: "int",
  batch: "int",
  heads: "int",
  rows: "int",
  keys: "int",
  queries: "int",
  firstRow: "int",
  causal: "int",
  scale: "float",
  threshold: "int",
  keep: "float",
  key0: "int",
  key1: "int",
  counter2: "int",
  counter3: "int",
  firstBatch: "int",
});

/** Sizes: B items, H heads, query, key and value of `width` (H·D) and `valueWidth` (H·E) columns. */
interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly valueWidth: number;
}

/** One `[B, rows, width]` tensor that holds heads side by side, as an operand of a product. */
interface Operand {
  readonly address: number;
  readonly rows: number;
  readonly width: number;
}

/** The product of one block, head by head; strides are filled in. */
type Factor = { at: number; batch: number; head: number; row: number; column: number };

function sizesOf(inputs: Inputs, heads: number): Sizes {
  const [batch, queries, width] = inputs.query.shape;
  const [, keys, valueWidth] = inputs.value.shape;
  return { batch, heads, queries, keys, width, valueWidth };
}

/** The part of a tensor that a block starts at. */
function part(
  { address, rows, width }: Operand,
  at: { batch: number; row: number; heads: number },
) {
  return {
    at: address + 4 * (at.batch * rows + at.row) * width,
    batch: rows * width,
    head: width / at.heads,
    row: width,
    column: 1,
  };
}

function transposed({ row, column, ...rest }: Factor): Factor {
  return { ...rest, row: column, column: row };
}

function product(
  backend: WasmBackend,
  sizes: { batch: number; heads: number; m: number; n: number; k: number },
  [a, b, c]: readonly [Factor, Factor, Factor],
): void {
  multiply(backend, {
    ...sizes,
    a: a.at,
    aBatch: a.batch,
    aHead: a.head,
    aRow: a.row,
    aColumn: a.column,
    b: b.at,
    bBatch: b.batch,
    bHead: b.head,
    bRow: b.row,
    bColumn: b.column,
    c: c.at,
    cBatch: c.batch,
    cHead: c.head,
    cRow: c.row,
  });
}

/** Scores of a block, `[batches, heads, rows, keys]` at `at`. */
function scoreFactor(at: number, { heads, keys }: Sizes, { rows }: ScoreBlock): Factor {
  return { at, batch: heads * rows * keys, head: rows * keys, row: keys, column: 1 };
}

/** Room for the scores of the largest block. */
function scoreRoom(backend: WasmBackend, sizes: Sizes, blocks: readonly ScoreBlock[]): number {
  const rows = Math.max(0, ...blocks.map((block) => block.batches * block.rows));
  return backend.temporary(4 * sizes.heads * rows * sizes.keys, "the scores of an attention");
}

function passValues(
  attrs: AttentionAttributes,
  sizes: Sizes,
  block: ScoreBlock,
  at: { mask: number; statistics: number },
) {
  const { heads, queries, keys } = sizes;
  const [key0, key1, counter2, counter3] = attrs.identity;
  return {
    mask: at.mask && at.mask + 4 * block.batch * keys,
    statistics: at.statistics + 8 * block.batch * heads * queries,
    batch: block.batches,
    heads,
    rows: block.rows,
    keys,
    queries,
    firstRow: block.row,
    causal: attrs.causal ? 1 : 0,
    scale: attrs.scale,
    threshold: attrs.threshold,
    keep: attrs.keep,
    key0,
    key1,
    counter2,
    counter3,
    firstBatch: block.batch,
  };
}

const attention: Kernel = ({ inputs, attrs, backend }: KernelCall<AttentionAttributes>) => {
  const sizes = sizesOf(inputs, attrs.heads);
  const { batch, heads, queries, keys, width, valueWidth } = sizes;
  const y = backend.output([batch, queries, valueWidth]);
  const statistics = backend.output([batch, heads, queries, 2]);
  const blocks = scoreBlocks(sizes);
  const query = { address: backend.addressOf(inputs.query), rows: queries, width };
  const key = { address: backend.addressOf(inputs.key), rows: keys, width };
  const value = { address: backend.addressOf(inputs.value), rows: keys, width: valueWidth };
  const result = { address: y.address, rows: queries, width: valueWidth };
  const pass = {
    mask: inputs.mask ? backend.addressOf(inputs.mask) : 0,
    statistics: statistics.address,
  };
  const room = scoreRoom(backend, sizes, blocks);
  for (const block of blocks) {
    const here = { batch: block.batch, row: block.row, heads };
    const all = { ...here, row: 0 };
    const scores = scoreFactor(room, sizes, block);
    const count = { batch: block.batches, heads, m: block.rows };
    product(backend, { ...count, n: keys, k: width / heads }, [
      part(query, here),
      transposed(part(key, all)),
      scores,
    ]);
    const values = { ...passValues(attrs, sizes, block, pass), scores: room };
    backend.launch("f32_attention", LAYOUT, values);
    product(backend, { ...count, n: valueWidth / heads, k: keys }, [
      scores,
      part(value, all),
      part(result, here),
    ]);
  }
  return [y.info, statistics.info];
};

/** Where everything lies that the way back through a block touches. */
interface Backward {
  readonly attrs: AttentionAttributes;
  readonly sizes: Sizes;
  readonly query: Operand;
  readonly key: Operand;
  readonly value: Operand;
  readonly dy: Operand;
  readonly dQuery: Operand;
  readonly dKey: Operand;
  readonly dValue: Operand;
  readonly pass: { readonly mask: number; readonly statistics: number };
  /** Scores, and their gradients, of a block. */
  readonly room: number;
  readonly gradientRoom: number;
  /** What a later block of rows adds to the gradients of key or value. */
  readonly more: number;
}

const gradient: Kernel = ({ inputs, attrs, backend }: KernelCall<AttentionAttributes>) => {
  const sizes = sizesOf(inputs, attrs.heads);
  const blocks = scoreBlocks(sizes);
  const operand = (info: tf.TensorInfo, address = backend.addressOf(info)): Operand => ({
    address,
    rows: info.shape[1],
    width: info.shape[2],
  });
  const outputs = [inputs.query, inputs.key, inputs.value]
    .map(({ shape }) => backend.output(shape));
  const [dQuery, dKey, dValue] = outputs.map(({ info, address }) => operand(info, address));
  const backward: Backward = {
    attrs,
    sizes,
    query: operand(inputs.query),
    key: operand(inputs.key),
    value: operand(inputs.value),
    dy: operand(inputs.dy),
    dQuery,
    dKey,
    dValue,
    pass: {
      mask: inputs.mask ? backend.addressOf(inputs.mask) : 0,
      statistics: backend.addressOf(inputs.statistics),
    },
    room: scoreRoom(backend, sizes, blocks),
    gradientRoom: scoreRoom(backend, sizes, blocks),
    more: blocks.some(({ row }) => row > 0)
      ? backend.temporary(
        4 * sizes.keys * Math.max(sizes.width, sizes.valueWidth),
        "gradients of an attention",
      )
      : 0,
  };
  for (const block of blocks) differentiateBlock(backend, backward, block);
  return outputs.map(({ info }) => info);
};

function differentiateBlock(backend: WasmBackend, at: Backward, block: ScoreBlock): void {
  const { attrs, sizes, query, key, value, dy } = at;
  const { heads, keys } = sizes;
  const here = { batch: block.batch, row: block.row, heads };
  const all = { ...here, row: 0 };
  const count = { batch: block.batches, heads };
  const depth = { key: sizes.width / heads, value: sizes.valueWidth / heads };
  const scores = scoreFactor(at.room, sizes, block);
  const towards = scoreFactor(at.gradientRoom, sizes, block);
  const square = { ...count, m: block.rows, n: keys };
  const keyColumns = transposed(part(key, all)), valueColumns = transposed(part(value, all));
  product(backend, { ...square, k: depth.key }, [part(query, here), keyColumns, scores]);
  product(backend, { ...square, k: depth.value }, [part(dy, here), valueColumns, towards]);
  backend.launch("f32_attention_gradient", LAYOUT, {
    ...passValues(attrs, sizes, block, at.pass),
    scores: at.room,
    gradient: at.gradientRoom,
  });
  product(backend, { ...count, m: block.rows, n: depth.key, k: keys }, [
    towards,
    part(key, all),
    part(at.dQuery, here),
  ]);
  // Blocks of rows follow each other within one item: the first writes, the others add.
  const collect = (to: Operand, n: number, factors: readonly [Factor, Factor]) => {
    const target = part(to, all);
    const direct = block.row === 0 ? target : { ...target, at: at.more };
    product(backend, { ...count, m: keys, n, k: block.rows }, [...factors, direct]);
    if (block.row > 0) addTo(backend, target.at, at.more, keys * to.width);
  };
  collect(at.dValue, depth.value, [transposed(scores), part(dy, here)]);
  collect(at.dKey, depth.key, [transposed(towards), part(query, here)]);
}

/** Kernels of this file by contract name. */
export const ATTENTION_KERNELS: KernelTable = {
  [ATTENTION_KERNEL.attention]: attention,
  [ATTENTION_KERNEL.gradient]: gradient,
};
