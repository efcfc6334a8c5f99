/** What an estimator is given: batches as arrays, tensors, pairs with targets, or ranges of frames; and loaders of them. */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";

/** Samples: B of them along the first axis. */
export type Samples = NdArray | tf.Tensor;

/** What belongs to samples: values along the first axis, or a list. */
export type Targets = NdArray | tf.Tensor | readonly unknown[];

/** A batch: samples, or samples and their targets, or the frames of scans. */
export type VaeBatch =
  | Samples
  | readonly [x: Samples, y: Targets, ...rest: unknown[]]
  | {
    readonly x: Samples;
    readonly y?: Targets;
    readonly rows?: readonly number[];
  }
  | FrameBatch;

/** Batches by epoch, e.g. of `buildDataLoader`. */
export interface EpochBatches {
  /**
   * The batches of an epoch.
   *
   * @param epoch 0-based.
   */
  batches(epoch: number): Iterable<VaeBatch> | AsyncIterable<VaeBatch>;
  /** What a person calls a row. */
  describe?(row: number): string;
}

/** Anything that gives batches; what can be gone through only once is remembered. One array is all samples. */
export type VaeLoader =
  | NdArray
  | Iterable<VaeBatch>
  | AsyncIterable<VaeBatch>
  | EpochBatches;

/** A batch on the host, as the training loop sees it. */
export interface ReadBatch {
  /** Rows, counted through the epoch unless the batch names its own. */
  readonly rows: readonly number[];
  /** Samples. */
  readonly x: NdArray;
  /** Targets, where the batch has some. */
  readonly y?: Targets;
}

/** Rows at once where the samples of one array are gone through. */
const ROWS_AT_ONCE = 64;

/** A source of batches that can be gone through again. */
export interface ReadLoader {
  batches(epoch: number): AsyncIterable<ReadBatch>;
  describe?(row: number): string;
}

/**
 * Makes a loader of whatever gives batches.
 *
 * @param loader See {@link VaeLoader}.
 * @param options `limit`: batches of an epoch at most.
 * @throws {ConfigError} when it gives none. Batches that are none are refused when they come.
 */
export async function readLoader(
  loader: VaeLoader,
  { limit = Infinity }: { readonly limit?: number } = {},
): Promise<ReadLoader> {
  const again = await repeatable(loader);
  return {
    ...("describe" in again && again.describe ? { describe: (row) => again.describe!(row) } : {}),
    async *batches(epoch) {
      let [rows, count] = [0, 0];
      for await (const batch of again.batches(epoch)) {
        if (count++ >= limit) return;
        const read = await readBatch(batch, rows);
        rows += read.x.shape[0];
        yield read;
      }
    },
  };
}

/** Rows `from … to − 1` of an array. */
export function rowsOfArray({ data, shape }: NdArray, from: number, to: number): NdArray {
  const size = shape.slice(1).reduce((product, n) => product * n, 1);
  return { data: data.subarray(from * size, to * size), shape: [to - from, ...shape.slice(1)] };
}

/** Arrays one below the other. */
export function stackRows(arrays: readonly NdArray[]): NdArray {
  const [first] = arrays;
  const rows = arrays.reduce((sum, { shape }) => sum + shape[0], 0);
  const length = arrays.reduce((sum, { data }) => sum + data.length, 0);
  const data = first.data instanceof Float64Array
    ? new Float64Array(length)
    : new Float32Array(length);
  let at = 0;
  for (const array of arrays) {
    data.set(array.data, at);
    at += array.data.length;
  }
  return { data, shape: [rows, ...first.shape.slice(1)] };
}

async function repeatable(loader: VaeLoader): Promise<EpochBatches> {
  if (isArray(loader)) return { batches: () => slices(loader) };
  if (typeof (loader as EpochBatches)?.batches === "function") return loader as EpochBatches;
  const sync = (loader as Iterable<VaeBatch>)?.[Symbol.iterator];
  const later = (loader as AsyncIterable<VaeBatch>)?.[Symbol.asyncIterator];
  if (typeof sync !== "function" && typeof later !== "function") {
    throw new ConfigError(
      "loader",
      `Cannot read batches: the loader is ${typeof loader}, needs an array { data, shape } of all samples, or something that can be gone through, such as an array of batches`,
    );
  }
  const own = ((typeof sync === "function" ? sync : later) as () => unknown).call(loader);
  if (own !== loader) return { batches: () => loader as Iterable<VaeBatch> };
  const kept: VaeBatch[] = [];
  for await (const batch of loader as AsyncIterable<VaeBatch>) kept.push(batch);
  return { batches: () => kept };
}

function* slices(all: NdArray): Generator<NdArray> {
  const [rows] = all.shape;
  for (let from = 0; from < rows; from += ROWS_AT_ONCE) {
    yield rowsOfArray(all, from, Math.min(rows, from + ROWS_AT_ONCE));
  }
}

async function readBatch(batch: VaeBatch, before: number): Promise<ReadBatch> {
  if (isFrames(batch)) return await readFrames(batch, before);
  const given = Array.isArray(batch)
    ? { x: batch[0], y: batch[1] }
    : isSamples(batch)
    ? { x: batch }
    : batch as Extract<VaeBatch, { readonly x: Samples }>;
  if (!isSamples(given.x)) {
    throw new ConfigError(
      "batch",
      "Cannot read a batch: found no samples, needs an array { data, shape }, a tensor, a pair [x, y] or { x, y }",
    );
  }
  const x = given.x instanceof tf.Tensor
    ? { data: await given.x.data() as FloatArray, shape: given.x.shape }
    : given.x;
  if (x.shape.length < 2 || x.shape[0] < 1) {
    throw new ShapeError(
      `Cannot read a batch: samples have shape [${x.shape}], needs [B, …] with at least one sample`,
      x.shape,
      "[B, …], B at least 1",
    );
  }
  const rows = ("rows" in given && given.rows) || countFrom(before, x.shape[0]);
  const { y } = given;
  return { rows, x, ...(y === undefined ? {} : { y }) };
}

/** Every frame of every scan is a sample. */
async function readFrames(batch: FrameBatch, before: number): Promise<ReadBatch> {
  const { frames, subjects, spatialShape } = batch;
  const data = (await batch.read(0, frames)).slice();
  const samples = frames * subjects.length;
  const shape = [samples, ...spatialShape.toReversed()];
  return { rows: countFrom(before, samples), x: { data, shape } };
}

function countFrom(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

function isArray(value: unknown): value is NdArray {
  const { data, shape } = (value ?? {}) as Partial<NdArray>;
  return ArrayBuffer.isView(data) && Array.isArray(shape);
}

function isSamples(value: unknown): value is Samples {
  return value instanceof tf.Tensor || isArray(value);
}

function isFrames(value: unknown): value is FrameBatch {
  const { read, frames } = (value ?? {}) as Partial<FrameBatch>;
  return typeof read === "function" && typeof frames === "number";
}

/** Samples as a tensor that is the caller's. */
export function asTensor(samples: Samples): tf.Tensor {
  return samples instanceof tf.Tensor
    ? samples.clone()
    : toTensor(samples.data, samples.shape as number[]);
}

/** Samples of a batch for one step. */
export function samplesOf(batch: VaeBatch): Samples {
  if (isSamples(batch)) return batch;
  const x = Array.isArray(batch) ? batch[0] : (batch as { readonly x?: Samples }).x;
  if (isSamples(x)) return x;
  throw new ConfigError(
    "batch",
    "Cannot use a batch: found no samples, needs an array { data, shape }, a tensor, a pair [x, y] or { x, y }",
  );
}
