/**
 * Passes over the frames of a batch, chunk by chunk: checking, reading, encoding. Shared by the training
 * step, by plain rollouts and by held-out fitting.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { currentEngine } from "../../backends/registry.ts";
import { toTensor } from "../../backends/tensors.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { tf } from "../../deps/tfjs.ts";
import { type TensorScope, tidied } from "../../ops/tensor_scope.ts";
import type { Architecture } from "./architecture.ts";
import type { RecurrentVaeConfig } from "./config.ts";
import { disposeEncoder, type EncoderActivations, encoderForward } from "./encoder.ts";
import type { HeadWeights } from "./latent_chain.ts";
import { batchStatistics, type Network } from "./norm.ts";
import type { ModelState } from "./state.ts";
import type { StatisticsLog } from "./statistics_log.ts";

/** A model's configuration, sizes and numbers. */
export interface ModelParts {
  /** The complete configuration. */
  readonly config: RecurrentVaeConfig;
  /** Sizes and parameter table. */
  readonly architecture: Architecture;
  /** Variables and buffers. */
  readonly state: ModelState;
}

/** Consecutive frames processed in one call. */
export interface Chunk {
  readonly start: number;
  readonly count: number;
}

/** Cuts T frames into chunks of `size`; the last may be shorter. */
export function chunksOf(frames: number, size: number): Chunk[] {
  if (!(Number.isInteger(size) && size > 0)) {
    throw new ConfigError(
      "framesPerChunk",
      `Cannot cut ${frames} frames into chunks: framesPerChunk is ${size}, needs a whole number above 0`,
    );
  }
  return Array.from({ length: Math.ceil(frames / size) }, (_, i) => ({
    start: i * size,
    count: Math.min(size, frames - i * size),
  }));
}

/**
 * Refuses a batch that the model cannot take.
 *
 * @param model Configuration and sizes. @param batch The frames.
 * @param options.training Whether batch statistics will be taken.
 * @param options.frames Frames needed; default `tolTime`.
 * @throws {ShapeError} too few frames (the message contains "timepoints"), or another volume size.
 * @throws {ConfigError} `batchSize`, when batch norm would see a single value per channel (spec 3.1).
 */
export function checkBatch(
  { config, architecture }: Pick<ModelParts, "config" | "architecture">,
  batch: FrameBatch,
  options: { readonly training: boolean; readonly frames?: number },
): void {
  const { tolTime, spatialShape } = config;
  const frames = options.frames ?? tolTime;
  if (batch.frames < frames) {
    throw new ShapeError(
      `Cannot use the batch: found ${batch.frames} timepoints, needs ${frames} (tolTime); ` +
        "use longer runs or a smaller tolTime",
      [batch.frames],
      `${frames} timepoints`,
    );
  }
  if (batch.spatialShape.some((n, axis) => n !== spatialShape[axis])) {
    throw new ShapeError(
      `Cannot use the batch: found volumes of ${batch.spatialShape.join("×")} voxels, needs ` +
        `${spatialShape.join("×")} (spatialShape)`,
      batch.spatialShape,
      `[${spatialShape}]`,
    );
  }
  const values = batch.subjects.length * architecture.bottomVoxels;
  if (options.training && config.normalization === "batch" && values < 2) {
    throw new ConfigError(
      "batchSize",
      "Cannot train on a batch of one subject: batch norm would see one value per channel at the " +
        "bottom of the network, needs at least 2; use a larger batch, fewer levels or group normalization",
    );
  }
}

/** Reads one chunk as a volume tensor `[count·B, Z, Y, X, 1]`, from the engine's own memory if it is there. */
export async function readVolumes(batch: FrameBatch, chunk: Chunk): Promise<tf.Tensor> {
  const cache = currentEngine()?.frameCache;
  const kept = cache?.find(batch, chunk);
  if (kept) return kept;
  const [x, y, z] = batch.spatialShape;
  const values = await batch.read(chunk.start, chunk.count);
  const volumes = toTensor(values, [chunk.count * batch.subjects.length, z, y, x, 1]);
  cache?.keep(batch, chunk, volumes);
  return volumes;
}

/**
 * Encodes all frames of a batch.
 *
 * @param network Weights and mode. @param batch The frames.
 * @param options.statistics Receives the batch statistics, if given.
 * @returns Features `[T, B, E]`, held by the scope.
 */
export async function encodeFrames(
  network: Network,
  batch: FrameBatch,
  options: EncodingOptions & { readonly chunks: readonly Chunk[] },
): Promise<tf.Tensor> {
  const { chunks, scope } = options;
  const encoder = new FrameEncoder(network, { ...options, memoryBudget: 0 });
  const features: tf.Tensor[] = [];
  for (const chunk of chunks) {
    const x = scope.hold(await readVolumes(batch, chunk));
    features.push(encoder.encode(chunk, x));
    scope.free(x);
  }
  return joinFrames(scope, features);
}

/** What encoding needs beside the network. */
export interface EncodingOptions {
  readonly architecture: Architecture;
  readonly scope: TensorScope;
  /** Receives the batch statistics, if given. */
  readonly statistics?: StatisticsLog;
}

/** Encodes chunk after chunk, and keeps activations for the way back as far as a budget goes. */
export class FrameEncoder {
  readonly #network: Network;
  readonly #options: EncodingOptions;
  readonly #kept = new Map<number, EncoderActivations>();
  #budget: number;

  /** @param network Weights and mode. @param options See {@link EncodingOptions}; bytes to keep. */
  constructor(
    network: Network,
    options: EncodingOptions & { readonly memoryBudget: number },
  ) {
    this.#network = network;
    this.#options = options;
    this.#budget = options.memoryBudget;
  }

  /**
   * Encodes a chunk.
   *
   * @param chunk Which frames. @param x `[count·B, Z, Y, X, 1]`, to be left alone if it is {@link kept} now.
   * @returns Features `[count, B, E]`, held by the scope.
   */
  encode(chunk: Chunk, x: tf.Tensor): tf.Tensor {
    const { architecture, scope, statistics } = this.#options;
    const activations = tidied(() =>
      encoderForward(this.#network, architecture, { x, frames: chunk.count })
    );
    statistics?.record(batchStatistics(activations.blocks, chunk.count));
    const [rows, width] = activations.features.shape as [number, number];
    const shape = [chunk.count, rows / chunk.count, width];
    const features = scope.hold(tf.reshape(activations.features, shape));
    const bytes = 4 * (rows * architecture.encoderValues + x.size);
    if (bytes <= this.#budget) {
      this.#budget -= bytes;
      holdEncoder(scope, activations);
      this.#kept.set(chunk.start, activations);
    } else disposeEncoder(activations);
    return features;
  }

  /** Activations of a chunk and its volumes, if they were kept. */
  kept(chunk: Chunk): EncoderActivations | undefined {
    return this.#kept.get(chunk.start);
  }
}

/**
 * Joins tensors of consecutive frames.
 *
 * @param scope Holds them, frees them, and holds the result. @param parts `[count, …]` each, in time order.
 */
export function joinFrames(scope: TensorScope, parts: readonly tf.Tensor[]): tf.Tensor {
  const all = scope.hold(tf.concat([...parts], 0));
  parts.forEach((part) => scope.free(part));
  return all;
}

function holdEncoder(scope: TensorScope, { blocks, features }: EncoderActivations): void {
  scope.hold(features);
  for (const { x, y, statistics } of blocks) {
    scope.hold(x);
    scope.hold(y);
    if (statistics) {
      scope.hold(statistics.mean);
      scope.hold(statistics.variance);
    }
  }
}

/** The heads' weights by role. */
export function headsOf(state: Pick<ModelState, "tensor">): HeadWeights {
  return {
    muWeight: state.tensor("hidden2mu.weight"),
    muBias: state.tensor("hidden2mu.bias"),
    logVarWeight: state.tensor("hidden2log_var.weight"),
    logVarBias: state.tensor("hidden2log_var.bias"),
  };
}

/** One-hot rows `[B, N]`: times a table it gathers rows, transposed it scatters gradients back. */
export function selectRows(rows: readonly number[], tableRows: number): tf.Tensor2D {
  const values = new Float32Array(rows.length * tableRows);
  rows.forEach((row, b) => {
    requireRow(row, tableRows);
    values[b * tableRows + row] = 1;
  });
  return toTensor(values, [rows.length, tableRows]) as tf.Tensor2D;
}

/**
 * Refuses a row that the offset table does not have.
 *
 * @param row Row number of a subject. @param rows Rows of the table.
 * @throws {ShapeError}
 */
export function requireRow(row: number, rows: number): void {
  if (Number.isInteger(row) && row >= 0 && row < rows) return;
  throw new ShapeError(
    `Cannot find the offset of subject ${row}: the table has ${rows} rows, needs a row of 0 … ` +
      `${rows - 1}; give offsets for subjects that were not trained on`,
    [row],
    `0 … ${rows - 1}`,
  );
}

/** `[A, B, …]` → `[B, A, …]`, row-major. */
export function swapLeadingAxes(values: FloatArray, first: number, second: number): FloatArray {
  const width = values.length / (first * second);
  const result = values.slice() as FloatArray;
  for (let a = 0; a < first; a++) {
    for (let b = 0; b < second; b++) {
      const from = (a * second + b) * width;
      result.set(values.subarray(from, from + width), (b * first + a) * width);
    }
  }
  return result;
}
