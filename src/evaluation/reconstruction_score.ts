/**
 * How well frames are reconstructed: error, spatial correlation and contrast [recurrent-vae §8, §10]. Fed frame by
 * frame; nothing is held.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { checkOptions, integer, other, record } from "../base/fields.ts";

/** Scores of a set of reconstructed frames. */
export interface ReconstructionScore {
  /** Mean of (x − r)² over all scored voxels and frames. */
  readonly mse: number;
  /** Pearson correlation of x and r over the voxels of a frame, averaged over frames where both vary. */
  readonly correlation: number;
  /** Mean over frames of std(r)/std(x): 1 is full contrast, 0 a collapsed decoder. */
  readonly contrast: number;
  /** Frames scored. */
  readonly frames: number;
}

/** Gathers the scores of frames. */
export class ScoreGatherer {
  readonly #mask: FloatArray | null;
  #squaredError = 0;
  #values = 0;
  #correlations = 0;
  #correlated = 0;
  #contrasts = 0;
  #contrasted = 0;
  #frames = 0;

  /** @param mask Voxels that count where it is above 0, `[V]`; default all. */
  constructor(mask: FloatArray | null = null) {
    this.#mask = mask;
  }

  /**
   * Scores one frame.
   *
   * @param x Frame `[V]`.
   * @param r Its reconstruction, same voxels in the same order.
   * @throws {ShapeError} when the lengths differ from each other or from the mask's.
   */
  add(x: FloatArray, r: FloatArray): void {
    const needed = this.#mask?.length ?? x.length;
    if (x.length !== needed || r.length !== needed) {
      throw new ShapeError(
        `Cannot score a frame: found ${x.length} and ${r.length} voxels, needs ${needed} of both`,
        [x.length, r.length],
        `${needed} voxels`,
      );
    }
    const m = moments(x, r, this.#mask);
    this.#squaredError += m.squaredError;
    this.#values += m.count;
    this.#frames++;
    if (m.varianceX > 0) {
      this.#contrasts += Math.sqrt(m.varianceR / m.varianceX);
      this.#contrasted++;
    }
    if (m.varianceX > 0 && m.varianceR > 0) {
      this.#correlations += m.covariance / Math.sqrt(m.varianceX * m.varianceR);
      this.#correlated++;
    }
  }

  /** The scores so far; NaN where nothing could be scored. */
  result(): ReconstructionScore {
    return {
      mse: this.#squaredError / this.#values,
      correlation: this.#correlations / this.#correlated,
      contrast: this.#contrasts / this.#contrasted,
      frames: this.#frames,
    };
  }
}

/** Options of {@link scoreReconstruction}. */
export interface ScoringOptions {
  /** Voxels V of a frame. */
  readonly voxels: number;
  /** Voxels that count, `[V]`. Default all. */
  readonly mask?: FloatArray;
}

const SCORING_OPTIONS = record<ScoringOptions>({
  voxels: integer({ least: 1 }),
  mask: other("a typed array [V]", (value) => ArrayBuffer.isView(value)),
}, ["voxels"]);

/**
 * Scores whole runs.
 *
 * @param x Frames `[…, V]`.
 * @param r Reconstructions, same length.
 * @param options See {@link ScoringOptions}.
 */
export function scoreReconstruction(
  x: FloatArray,
  r: FloatArray,
  options: ScoringOptions,
): ReconstructionScore {
  checkOptions(options, SCORING_OPTIONS, { doing: "Cannot score the reconstruction" });
  const { voxels, mask } = options;
  const gatherer = new ScoreGatherer(mask ?? null);
  for (let start = 0; start < Math.max(x.length, r.length); start += voxels) {
    gatherer.add(x.subarray(start, start + voxels), r.subarray(start, start + voxels));
  }
  return gatherer.result();
}

/** Two-pass moments of a frame and its reconstruction over the voxels that count. */
function moments(x: FloatArray, r: FloatArray, mask: FloatArray | null) {
  let count = 0, sumX = 0, sumR = 0, squaredError = 0;
  for (let i = 0; i < x.length; i++) {
    if (mask && !(mask[i] > 0)) continue;
    count++;
    sumX += x[i];
    sumR += r[i];
    squaredError += (x[i] - r[i]) ** 2;
  }
  const [meanX, meanR] = [sumX / count, sumR / count];
  let varianceX = 0, varianceR = 0, covariance = 0;
  for (let i = 0; i < x.length; i++) {
    if (mask && !(mask[i] > 0)) continue;
    varianceX += (x[i] - meanX) ** 2;
    varianceR += (r[i] - meanR) ** 2;
    covariance += (x[i] - meanX) * (r[i] - meanR);
  }
  return { count, squaredError, varianceX, varianceR, covariance };
}
