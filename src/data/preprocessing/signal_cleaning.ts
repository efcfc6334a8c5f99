/**
 * Cleaning of time series: detrending, band-pass, regression of confounds, scrubbing, scaling, in the order of nilearn's
 * `signal.clean`, so that what one step removes no later one brings back.
 */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import {
  checkOptions,
  choice,
  flag,
  integer,
  list,
  number,
  other,
  record,
} from "../../base/fields.ts";
import {
  butterworth,
  defaultPadding,
  type EndPadding,
  filterBothWays,
} from "../../linalg/butterworth.ts";
import { cubicSpline } from "../../linalg/cubic_spline.ts";

/** Kinds of scaling: sample standard deviation, population standard deviation, percent of the mean. */
export const STANDARDISATIONS = ["zscore_sample", "zscore", "psc"] as const;

/** Options of {@link cleanSignals}. */
export interface CleaningOptions {
  /** Remove mean and linear trend. Default false. */
  readonly detrend?: boolean;
  /** Default: none. */
  readonly standardize?: "zscore_sample" | "zscore" | "psc";
  /** `butterworth`: zero-phase filter of both ends of the band; `cosine`: slow cosines become confounds. */
  readonly filter?: "butterworth" | "cosine";
  /** Hz; `butterworth` alone. */
  readonly lowPass?: number;
  /** Hz. */
  readonly highPass?: number;
  /** Seconds between frames; needed for filters. */
  readonly repetitionTime?: number;
  /** Of the Butterworth filter. Default 5. */
  readonly order?: number;
  /** Of the Butterworth filter. */
  readonly padding?: EndPadding;
  /** `[T, C]`: what is regressed out. */
  readonly confounds?: NdArray;
  /** Give every confound the same scale first. Default true. */
  readonly standardizeConfounds?: boolean;
  /** Frames that are kept, ascending, 0-based. Default: all. */
  readonly keptFrames?: readonly number[];
  /** Whether frames before the first and behind the last kept one are extrapolated for the filter, or left out of it. Default false. */
  readonly extrapolate?: boolean;
}

/** Options there are. */
export const CLEANING_OPTIONS = record<CleaningOptions>({
  detrend: flag(),
  standardize: choice(STANDARDISATIONS),
  filter: choice(["butterworth", "cosine"]),
  lowPass: number({ above: 0 }),
  highPass: number({ above: 0 }),
  repetitionTime: number({ above: 0 }),
  order: integer({ least: 1, most: 10 }),
  padding: other("kind and length of the padding"),
  confounds: other("an array [T, C]"),
  standardizeConfounds: flag(),
  keptFrames: list(integer({ least: 0 })),
  extrapolate: flag(),
});

/** A matrix of columns; all of one length. */
type Columns = Float64Array[];

const EPSILON = 2 ** -52;

/**
 * Cleans time series.
 *
 * @param signals `[T, N]`: a column a series.
 * @param options See {@link CleaningOptions}.
 * @returns `[K, N]` float64 of the kept frames.
 * @throws {ConfigError} for a filter without repetition time or with a band that is none, a series too short for it, or
 *   frames that are not there.
 * @throws {ShapeError} when confounds have another number of frames.
 */
export function cleanSignals(
  signals: NdArray,
  options: CleaningOptions = {},
): NdArray<Float64Array> {
  checkOptions(options, CLEANING_OPTIONS, { doing: "Cannot clean signals" });
  const [frames] = signals.shape;
  checkFrames(frames, options);
  let series = columnsOf(signals);
  let confounds = options.confounds ? columnsOf(options.confounds) : [];
  confounds.push(...cosineDrifts(frames, confounds, options));
  const kept = options.keptFrames;
  const smooth = options.filter === "butterworth";
  let left = kept;
  if (kept && !smooth) [series, confounds] = [series, confounds].map((all) => pick(all, kept));
  if (kept && smooth) {
    const { from, to } = options.extrapolate
      ? { from: 0, to: frames }
      : { from: kept[0], to: kept.at(-1)! + 1 };
    [series, confounds] = [series, confounds].map((all) =>
      all.map((column) => filledIn(column, kept).slice(from, to))
    );
    left = kept.map((frame) => frame - from);
  }
  const means = series.map(meanOf);
  if (options.detrend) [series, confounds].forEach((all) => all.forEach(detrend));
  if (smooth) [series, confounds] = bandPass(series, confounds, options);
  if (kept && smooth) [series, confounds] = [series, confounds].map((all) => pick(all, left!));
  if (confounds.length > 0) regressOut(series, confounds, options.standardizeConfounds ?? true);
  if (options.standardize) standardise(series, options.standardize, means);
  return matrixOf(series);
}

function checkFrames(frames: number, { confounds, keptFrames }: CleaningOptions): void {
  if (confounds && confounds.shape[0] !== frames) {
    throw new ShapeError(
      `Cannot clean signals of ${frames} frames: found confounds of ${
        confounds.shape[0]
      } frames, needs as many`,
      confounds.shape,
      `${frames} frames`,
    );
  }
  if (!keptFrames) return;
  const wrong = keptFrames.find((frame, i) =>
    frame >= frames || (i > 0 && frame <= keptFrames[i - 1])
  );
  if (wrong === undefined && keptFrames.length > 0) return;
  throw new ConfigError(
    "keptFrames",
    `Cannot clean signals: found ${
      wrong === undefined ? "no frame that is kept" : `frame ${wrong} among the kept ones`
    }, needs ascending frames from 0 to ${frames - 1}`,
  );
}

function columnsOf({ data, shape: [rows, columns] }: NdArray): Columns {
  return Array.from(
    { length: columns },
    (_, c) => Float64Array.from({ length: rows }, (_, t) => data[t * columns + c]),
  );
}

function matrixOf(columns: Columns): NdArray<Float64Array> {
  const rows = columns[0]?.length ?? 0;
  const data = new Float64Array(rows * columns.length);
  columns.forEach((column, c) =>
    column.forEach((value, t) => data[t * columns.length + c] = value)
  );
  return { data, shape: [rows, columns.length] };
}

function pick(columns: Columns, frames: readonly number[]): Columns {
  return columns.map((column) => Float64Array.from(frames, (frame) => column[frame]));
}

/** The column with a spline through the kept frames where the others are. */
function filledIn(column: Float64Array, kept: readonly number[]): Float64Array {
  const here = new Set(kept);
  const missing = Array.from(column.keys()).filter((frame) => !here.has(frame));
  const values = cubicSpline(kept, kept.map((frame) => column[frame]), missing);
  const result = column.slice();
  missing.forEach((frame, i) => result[frame] = values[i]);
  return result;
}

/** With a compensated sum: a constant column must not seem to vary. */
function meanOf(column: Float64Array): number {
  let [sum, lost] = [0, 0];
  for (const value of column) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? (sum - next) + value : (value - next) + sum;
    sum = next;
  }
  return (sum + lost) / column.length;
}

function detrend(column: Float64Array): void {
  const mean = meanOf(column);
  const middle = (column.length - 1) / 2;
  let [product, square] = [0, 0];
  for (let t = 0; t < column.length; t++) {
    column[t] -= mean;
    product += column[t] * (t - middle);
    square += (t - middle) ** 2;
  }
  const slope = square === 0 ? 0 : product / square;
  for (let t = 0; t < column.length; t++) column[t] -= slope * (t - middle);
}

function needTime({ repetitionTime, lowPass, highPass }: CleaningOptions): number {
  if (repetitionTime === undefined) {
    throw new ConfigError(
      "repetitionTime",
      "Cannot filter signals: found no repetition time, needs the seconds between frames (--tr)",
    );
  }
  if (lowPass === undefined && highPass === undefined) {
    throw new ConfigError(
      "lowPass",
      "Cannot filter signals: needs --low-pass, --high-pass or both",
    );
  }
  return repetitionTime;
}

function bandPass(
  series: Columns,
  confounds: Columns,
  options: CleaningOptions,
): [Columns, Columns] {
  const { lowPass, highPass, order, padding } = options;
  const sampling = 1 / needTime(options);
  if (lowPass !== undefined && highPass !== undefined && highPass >= lowPass) {
    throw new ConfigError(
      "highPass",
      `Cannot filter signals: found --high-pass ${highPass} Hz and --low-pass ${lowPass} Hz, needs the first below the ` +
        "second",
    );
  }
  const sections = butterworth({ lowPass, highPass, sampling, ...(order ? { order } : {}) });
  const least = padding?.kind === "none" ? 0 : padding?.length ?? defaultPadding(sections);
  const frames = series[0]?.length ?? 0;
  if (frames <= least) {
    throw new ConfigError(
      "lowPass",
      `Cannot filter signals: found ${frames} frames, needs more than ${least} for this filter`,
    );
  }
  const filtered = (all: Columns) => all.map((column) => filterBothWays(column, sections, padding));
  return [filtered(series), filtered(confounds)];
}

/** Slow cosines of the whole length, unless the confounds have such columns already. */
function cosineDrifts(frames: number, confounds: Columns, options: CleaningOptions): Columns {
  if (options.filter !== "cosine") return [];
  const time = needTime(options);
  const count = Math.floor(2 * frames * (options.highPass ?? 0) * time);
  const drifts = Array.from(
    { length: count },
    (_, k) =>
      Float64Array.from(
        { length: frames },
        (_, n) => Math.sqrt(2 / frames) * Math.cos(Math.PI / frames * (n + 0.5) * (k + 1)),
      ),
  );
  const alike = drifts.some((drift) => confounds.some((own) => correlation(own, drift) > 0.9));
  return alike ? [] : drifts;
}

function correlation(a: Float64Array, b: Float64Array): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let t = 0; t < a.length; t++) {
    ab += (a[t] - meanA) * (b[t] - meanB);
    aa += (a[t] - meanA) ** 2;
    bb += (b[t] - meanB) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Removes what the confounds span, in place. */
function regressOut(series: Columns, confounds: Columns, standardize: boolean): void {
  const scaled = confounds.map((column) => {
    const copy = column.slice();
    if (standardize) scaleByDeviation(copy, 1);
    else {
      const most = copy.reduce((max, value) => Math.max(max, Math.abs(value)), 0) || 1;
      copy.forEach((value, t) => copy[t] = value / most);
    }
    return copy;
  });
  for (const direction of orthonormal(scaled)) {
    for (const column of series) subtractAlong(column, direction);
  }
}

/** An orthonormal basis of what columns span, by Gram and Schmidt with the longest rest first, each taken twice. */
function orthonormal(columns: Columns): Columns {
  const rest = columns.map((column) => column.slice());
  const basis: Columns = [];
  while (rest.length > 0) {
    const lengths = rest.map((column) => Math.hypot(...column));
    const longest = lengths.indexOf(Math.max(...lengths));
    if (!(lengths[longest] > 100 * EPSILON)) break;
    const [next] = rest.splice(longest, 1);
    for (const direction of basis) subtractAlong(next, direction);
    const length = Math.hypot(...next);
    next.forEach((value, t) => next[t] = value / length);
    basis.push(next);
    for (const column of rest) subtractAlong(column, next);
  }
  return basis;
}

function subtractAlong(column: Float64Array, direction: Float64Array): void {
  let product = 0;
  for (let t = 0; t < column.length; t++) product += column[t] * direction[t];
  for (let t = 0; t < column.length; t++) column[t] -= product * direction[t];
}

/** Mean 0 and standard deviation 1; columns without spread keep it. */
function scaleByDeviation(column: Float64Array, less: 0 | 1): void {
  const mean = meanOf(column);
  let square = 0;
  for (let t = 0; t < column.length; t++) {
    column[t] -= mean;
    square += column[t] ** 2;
  }
  const deviation = Math.sqrt(square / (column.length - less));
  if (!(deviation >= EPSILON)) return;
  for (let t = 0; t < column.length; t++) column[t] /= deviation;
}

function standardise(
  series: Columns,
  kind: typeof STANDARDISATIONS[number],
  means: readonly number[],
): void {
  if (kind !== "psc") {
    series.forEach((column) => scaleByDeviation(column, kind === "zscore" ? 0 : 1));
    return;
  }
  const average = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
  // A filter has taken the mean, of which the percent are.
  const gone = average(series.map(meanOf)) < average(means) / 10;
  series.forEach((column, c) => {
    if (gone) column.forEach((value, t) => column[t] = value + means[c]);
    const mean = meanOf(column);
    const none = Math.abs(mean) < EPSILON;
    column.forEach((value, t) => column[t] = none ? 0 : 100 * (value - mean) / Math.abs(mean));
  });
}
