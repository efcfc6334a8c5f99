/**
 * What a model has to beat: the mean image of the training set, the held-out run's own mean image, and
 * principal components of the same width as the latent state. Compared on the same frames in one pass.
 */
import { discard, type FloatArray, type NdArray } from "../../base/arrays.ts";
import { letOthersRun } from "../../base/event_loop.ts";
import { ConfigError } from "../../base/errors.ts";
import {
  array,
  callback,
  checkOptions,
  integer,
  list,
  object,
  pickOptions,
  record,
} from "../../base/fields.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { fitPca, Pca, type RowSource } from "../../linalg/pca.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";
import { type ReconstructionScore, ScoreGatherer } from "../../evaluation/reconstruction_score.ts";

/** Scores of the model and of what it is compared with. */
export interface BaselineComparison {
  /** The model's own reconstruction. */
  readonly model: ReconstructionScore;
  /** Every frame predicted by the mean of all training frames. */
  readonly trainingMean: ReconstructionScore;
  /** Every frame predicted by the mean of its own run: needs the held-out run, so a hard one. */
  readonly ownMean: ReconstructionScore;
  /** Projection on principal components of the training frames, as many as the latent state is wide. */
  readonly pca: ReconstructionScore;
  /** Components used, at most the latent width. */
  readonly components: number;
}

/** Options of {@link compareWithBaselines}. */
export interface ComparisonOptions {
  /** Batches trained on. */
  readonly training: readonly FrameBatch[];
  /** Batches to score, not trained on. */
  readonly heldOut: readonly FrameBatch[];
  /** Offsets z `[B, D]` of a held-out batch, e.g. fitted ones. Default: zero. */
  readonly offsets?: (batch: number) => NdArray;
  /** Noise of the states; default none (ε = 0): the posterior's mean path, the model's best guess. */
  readonly noise?: (batch: number) => NdArray;
  /** Voxels that count, `[Z, Y, X]`. Default all. */
  readonly mask?: NdArray;
  /**
   * Most training frames the components are fitted to, evenly spaced over all of them; the cost grows with
   * their square. Default all.
   */
  readonly pcaFrames?: number;
}

/** Options of {@link scoreModel}. */
export type ModelScoreOptions = Pick<ComparisonOptions, "offsets" | "noise" | "mask">;

const SCORE_OPTIONS = record<ModelScoreOptions>({
  offsets: callback(),
  noise: callback(),
  mask: array("[Z, Y, X]"),
});

const COMPARISON_OPTIONS = record<ComparisonOptions>({
  ...SCORE_OPTIONS.fields,
  training: list(object("a batch")),
  heldOut: list(object("a batch")),
  pcaFrames: integer({ least: 1 }),
}, ["training", "heldOut"]);

/**
 * Scores a model's reconstruction of held-out runs beside the baselines. The model's mode is kept.
 *
 * @param model Trained.
 * @param options Which runs.
 * @throws {ConfigError} when there is nothing to compare.
 */
export async function compareWithBaselines(
  model: ReconstructingModel,
  options: ComparisonOptions,
): Promise<BaselineComparison> {
  checkOptions(options, COMPARISON_OPTIONS, { doing: "Cannot compare with baselines" });
  const { training, heldOut } = options;
  if (training.length === 0 || heldOut.length === 0) {
    throw new ConfigError(
      "heldOut",
      `Cannot compare with baselines: found ${training.length} training and ${heldOut.length} held-out ` +
        "batches, needs at least one of each",
    );
  }
  const { tolTime, latentDim } = model.config;
  const trainingMean = await meanImage(training, tolTime);
  const pca = await principalComponents(
    frameRows(training, tolTime, options.pcaFrames),
    { components: latentDim, mean: trainingMean },
  );
  const mask = options.mask?.data ?? null;
  const gatherers = {
    trainingMean: new ScoreGatherer(mask),
    ownMean: new ScoreGatherer(mask),
    pca: new ScoreGatherer(mask),
  };
  for (const batch of heldOut) {
    await scoreBaselines(batch, tolTime, { trainingMean, pca, gatherers });
  }
  return {
    model: await scoreModel(model, heldOut, pickOptions(options, SCORE_OPTIONS)),
    trainingMean: gatherers.trainingMean.result(),
    ownMean: gatherers.ownMean.result(),
    pca: gatherers.pca.result(),
    components: pca.size,
  };
}

/**
 * Mean over all frames and subjects of some batches.
 *
 * @param batches Read frame by frame.
 * @param frames Frames of each that count.
 * @returns `[Z·Y·X]`, float64.
 */
export async function meanImage(
  batches: readonly FrameBatch[],
  frames: number,
): Promise<Float64Array> {
  const [x, y, z] = batches[0].spatialShape;
  const sum = new Float64Array(x * y * z);
  let count = 0;
  for (const batch of batches) {
    for (let t = 0; t < frames; t++) {
      await letOthersRun();
      const values = await batch.read(t, 1);
      for (let i = 0; i < values.length; i++) sum[i % sum.length] += values[i];
      count += batch.subjects.length;
    }
  }
  return sum.map((value) => value / count);
}

/**
 * Scores a model's reconstruction of some batches, alone. The model's mode is kept.
 *
 * @param model Trained.
 * @param batches Which runs.
 * @param options Offsets, noise and mask.
 */
export async function scoreModel(
  model: ReconstructingModel,
  batches: readonly FrameBatch[],
  options: ModelScoreOptions = {},
): Promise<ReconstructionScore> {
  checkOptions(options, SCORE_OPTIONS, { doing: "Cannot score the model" });
  const gatherer = new ScoreGatherer(options.mask?.data ?? null);
  const { training: wasTraining } = model;
  model.eval();
  try {
    for (const [index, batch] of batches.entries()) {
      await scoreRollout(model, batch, { ...options, index, gatherer });
    }
  } finally {
    model.training = wasTraining;
  }
  return gatherer.result();
}

/** Frames of some batches as rows of a matrix, batch by batch, subject by subject; at most `most` of them. */
function frameRows(batches: readonly FrameBatch[], frames: number, most = Infinity): RowSource {
  const [x, y, z] = batches[0].spatialShape;
  const columns = x * y * z;
  const all = batches.flatMap((batch) =>
    batch.subjects.flatMap((_, b) => Array.from({ length: frames }, (_, t) => ({ batch, b, t })))
  );
  const count = Math.min(most, all.length);
  const places = Array.from({ length: count }, (_, i) => all[Math.floor(i * all.length / count)]);
  return {
    rows: places.length,
    columns,
    read: async (index) => {
      const { batch, b, t } = places[index];
      return (await batch.read(t, 1)).subarray(b * columns, (b + 1) * columns);
    },
  };
}

/** Components of the frames; a single frame has none, and its mean stands alone. */
async function principalComponents(
  frames: RowSource,
  { components, mean }: { readonly components: number; readonly mean: Float64Array },
): Promise<Pca> {
  if (frames.rows > 1) return await fitPca(frames, components);
  const none = new Float64Array(0);
  return new Pca(mean, none, none, 0);
}

async function scoreRollout(
  model: ReconstructingModel,
  batch: FrameBatch,
  options: Pick<ComparisonOptions, "offsets" | "noise"> & {
    readonly index: number;
    readonly gatherer: ScoreGatherer;
  },
): Promise<void> {
  const { tolTime, latentDim } = model.config;
  const subjects = batch.subjects.length;
  const zeros = (shape: number[]): NdArray => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
  });
  await model.rollout(batch, {
    offsets: options.offsets?.(options.index) ?? zeros([subjects, latentDim]),
    noise: options.noise?.(options.index) ?? zeros([tolTime, subjects, latentDim]),
    onFrames: async ({ start, count, reconstruction }) => {
      const values = await batch.read(start, count);
      const size = values.length / (count * subjects);
      for (let n = 0; n < count * subjects; n++) {
        options.gatherer.add(
          values.subarray(n * size, (n + 1) * size),
          reconstruction.subarray(n * size, (n + 1) * size),
        );
      }
      discard(reconstruction);
    },
  });
}

async function scoreBaselines(
  batch: FrameBatch,
  frames: number,
  baselines: {
    readonly trainingMean: FloatArray;
    readonly pca: Pca;
    readonly gatherers: Record<"trainingMean" | "ownMean" | "pca", ScoreGatherer>;
  },
): Promise<void> {
  const { trainingMean, pca, gatherers } = baselines;
  const size = trainingMean.length;
  const own = batch.subjects.map(() => new Float64Array(size));
  for (let t = 0; t < frames; t++) {
    await letOthersRun();
    const values = await batch.read(t, 1);
    own.forEach((sum, b) => {
      for (let i = 0; i < size; i++) sum[i] += values[b * size + i] / frames;
    });
  }
  for (let t = 0; t < frames; t++) {
    await letOthersRun();
    const values = await batch.read(t, 1);
    own.forEach((mean, b) => {
      const frame = values.subarray(b * size, (b + 1) * size);
      gatherers.trainingMean.add(frame, trainingMean);
      gatherers.ownMean.add(frame, mean);
      const projection = pca.reconstruct(frame);
      gatherers.pca.add(frame, projection);
      discard(projection);
    });
  }
}
