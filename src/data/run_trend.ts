/**
 * Mean, linear trend and standard deviation of every masked voxel over one run, in one pass over its frames, and what
 * they come to for normalisation.
 *
 * Nothing crosses runs: a held-out run is scaled by its own numbers.
 */
import type { FloatArray, SpatialShape } from "../base/arrays.ts";
import { FormatError } from "../base/errors.ts";
import type { FrameSource } from "./frame_source.ts";

/** Below this share of a voxel's largest |value| a deviation is rounding, and the voxel counts as constant. */
const CONSTANT_SHARE = 1e-6;

/** What the observed frames of one run say about each of V masked voxels; all arrays are `[V]`. */
export interface RunTrend {
  /** Mean over the observed frames. */
  readonly mean: Float64Array;
  /** Trend per frame, by least squares. */
  readonly slope: Float64Array;
  /** Standard deviation about the trend (divisor: number of observed frames); 0 for a voxel that is constant but for rounding. */
  readonly sd: Float64Array;
  /** Mean number of the observed frames: where the trend is 0. */
  readonly centre: number;
  /** Number of observed frames. */
  readonly frames: number;
}

/** Gathers the trend of one run, frame by frame. Sums are of x − (its first frame), in float64. */
export class TrendGatherer {
  readonly #voxels: Int32Array;
  readonly #origin: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  /** Σ (t − first t)·(x − origin). */
  readonly #moment: Float64Array;
  readonly #largest: Float64Array;
  #frames = 0;
  #firstFrame = 0;
  #times = 0;
  #timeSquares = 0;

  /** @param voxels Linear indices x + X·(y + Y·z) of the voxels that count, ascending, `[V]`. */
  constructor(voxels: Int32Array) {
    this.#voxels = voxels;
    this.#origin = new Float64Array(voxels.length);
    this.#sum = new Float64Array(voxels.length);
    this.#squares = new Float64Array(voxels.length);
    this.#moment = new Float64Array(voxels.length);
    this.#largest = new Float64Array(voxels.length);
  }

  /**
   * Adds an observed frame; missing ones are left out.
   *
   * @param frame `[Z, Y, X]`, not normalised.
   * @param where Run and frame number, for trend and error.
   * @throws {FormatError} (rule `data.finite`) when a masked voxel is NaN or infinite.
   */
  add(
    frame: FloatArray,
    where: { readonly run: Pick<FrameSource, "source" | "spatialShape">; readonly t: number },
  ): void {
    if (this.#frames === 0) this.#firstFrame = where.t;
    const time = where.t - this.#firstFrame;
    const voxels = this.#voxels;
    const [origin, sum, squares] = [this.#origin, this.#sum, this.#squares];
    const [moment, largest] = [this.#moment, this.#largest];
    let finite = 0;
    for (let k = 0; k < voxels.length; k++) {
      const value = frame[voxels[k]];
      if (this.#frames === 0) origin[k] = value;
      const difference = value - origin[k];
      sum[k] += difference;
      squares[k] += difference * difference;
      moment[k] += time * difference;
      if (Math.abs(value) > largest[k]) largest[k] = Math.abs(value);
      finite += 0 * value;
    }
    if (finite !== 0) throw notFiniteInMask(frame, voxels, where);
    this.#frames++;
    this.#times += time;
    this.#timeSquares += time * time;
  }

  /** The trend of everything added so far. */
  finish(): RunTrend {
    const frames = this.#frames;
    const meanTime = this.#times / frames;
    const timeSpread = this.#timeSquares - frames * meanTime * meanTime;
    const size = this.#voxels.length;
    const [mean, slope, sd] = [0, 1, 2].map(() => new Float64Array(size));
    for (let k = 0; k < size; k++) {
      const shift = this.#sum[k] / frames;
      mean[k] = this.#origin[k] + shift;
      slope[k] = timeSpread > 0 ? (this.#moment[k] - this.#sum[k] * meanTime) / timeSpread : 0;
      const squares = this.#squares[k] - frames * shift * shift - slope[k] * slope[k] * timeSpread;
      const deviation = Math.sqrt(Math.max(0, squares) / frames);
      sd[k] = deviation > CONSTANT_SHARE * this.#largest[k] ? deviation : 0;
    }
    return { mean, slope, sd, centre: this.#firstFrame + meanTime, frames };
  }
}

/** The numbers that normalise the masked voxels of one run. */
export interface RunScaling {
  /** Trend removed, then divided, voxel by voxel; voxels outside the mask become 0. */
  readonly kind: "run-trend";
  /** Linear indices of the mask's voxels, ascending, `[V]`. */
  readonly voxels: Int32Array;
  /** Voxels of a whole frame, X·Y·Z. */
  readonly frameSize: number;
  /** Mean over the run, `[V]`. */
  readonly mean: Float64Array;
  /** Trend per frame about `centre`, `[V]`. */
  readonly slope: Float64Array;
  /** What is divided by, `[V]`; 0 for a voxel that is constant in this run and becomes 0. */
  readonly divisor: Float64Array;
  /** Frame number at which the trend is 0. */
  readonly centre: number;
}

/**
 * y = (x − mean − slope·(t − centre))/divisor for whole frames in place; 0 outside the mask and where the divisor is 0.
 * Computed in float64, rounded once.
 *
 * @param frames `[count, Z, Y, X]`.
 * @param scaling Of their run.
 * @param firstFrame Number of the first of them.
 */
export function applyTrend(frames: Float32Array, scaling: RunScaling, firstFrame: number): void {
  eachFrame(frames, scaling, firstFrame, (value, k, time) => {
    const { mean, slope, divisor } = scaling;
    return divisor[k] === 0 ? 0 : (value - mean[k] - slope[k] * time) / divisor[k];
  });
}

/** x = mean + slope·(t − centre) + divisor·y; 0 outside the mask. Arguments as for {@link applyTrend}. */
export function invertTrend(frames: Float32Array, scaling: RunScaling, firstFrame: number): void {
  eachFrame(frames, scaling, firstFrame, (value, k, time) => {
    const { mean, slope, divisor } = scaling;
    return mean[k] + slope[k] * time + divisor[k] * value;
  });
}

function eachFrame(
  frames: Float32Array,
  { voxels, frameSize, centre }: RunScaling,
  firstFrame: number,
  change: (value: number, k: number, time: number) => number,
): void {
  for (let start = 0, t = firstFrame; start < frames.length; start += frameSize, t++) {
    let next = start;
    for (let k = 0; k < voxels.length; k++) {
      const at = start + voxels[k];
      while (next < at) frames[next++] = 0;
      frames[next++] = change(frames[at], k, t - centre);
    }
    while (next < start + frameSize) frames[next++] = 0;
  }
}

function notFiniteInMask(
  frame: FloatArray,
  voxels: Int32Array,
  { run: { source, spatialShape }, t }: {
    readonly run: { readonly source: string; readonly spatialShape: SpatialShape };
    readonly t: number;
  },
): FormatError {
  const [X, Y] = spatialShape;
  const i = voxels.find((voxel) => !Number.isFinite(frame[voxel]))!;
  return new FormatError(
    source,
    "data.finite",
    `Cannot use "${source}": found ${frame[i]} in frame ${t}, voxel (${i % X}, ` +
      `${Math.floor(i / X) % Y}, ${
        Math.floor(i / X / Y)
      }), inside the mask, needs finite values; repair the ` +
      `scan ("fslmaths IN -nan OUT" puts 0 for NaN), or leave the voxel out of the mask (--mask)`,
  );
}
