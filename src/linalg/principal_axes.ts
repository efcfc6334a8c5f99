/**
 * Principal axes of the frames of some runs, from the smaller of two matrices of inner products; frames are read in
 * blocks. Signs are settled: the entry of largest magnitude is positive.
 */
import { ConfigError } from "../base/errors.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { isObserved, type MaskedRun, observedFrames } from "../base/masked_run.ts";
import { addColumnProducts, mirrored, rowProducts } from "./gram.ts";
import { symmetricEigen } from "./symmetric.ts";

/** Options of {@link principalAxes}. */
export interface AxesOptions {
  /** Number D of axes. */
  readonly components: number;
  /** See `LinearStartOptions`. */
  readonly pcaFrames?: number;
  /** See `LinearStartOptions`. */
  readonly blockFrames?: number;
  /** See `LinearStartOptions`. */
  readonly gram?: "voxels" | "frames";
}

/** Axes, and what was met on the way. */
export interface PrincipalAxes {
  /** V, values of a frame. */
  readonly voxels: number;
  /** Mean of all observed frames, `[V]`. */
  readonly mean: Float64Array;
  /** Σ‖x − m‖² over all observed frames. */
  readonly total: number;
  /** `[D, V]` row-major, orthonormal rows. */
  readonly vectors: Float64Array;
  /** Of the centred frames the axes were fitted to, largest first. */
  readonly singularValues: Float64Array;
  /** Frames read at a time. */
  readonly blockFrames: number;
}

/** Bytes of a block of frames, as float64. */
const BLOCK_BYTES = 16 * 2 ** 20;
/** Bytes of frames held beside the ones that stream past. */
const TILE_BYTES = 128 * 2 ** 20;
/** Multiply–adds allowed for the inner products of frames, and most frames, whose matrix is decomposed. */
const MULTIPLY_ADDS = 2e10;
const MOST_FRAMES = 1500;
/** S_D must exceed this share of S_1. */
const LEAST_SINGULAR = 1e-6;
/** Entries within this share of the largest decide the sign; the first of them does. */
const SIGN_MARGIN = 1e-6;

/**
 * Finds the axes.
 *
 * @param runs Of V voxels each.
 * @param options See {@link AxesOptions}.
 * @throws {ConfigError} naming latentDim unless D is below the numbers of frames and voxels, and the frames vary along D
 *   axes.
 */
export async function principalAxes(
  runs: readonly MaskedRun[],
  options: AxesOptions,
): Promise<PrincipalAxes> {
  const { components: D } = options;
  const places = runs.flatMap((run) =>
    Array.from({ length: run.frames }, (_, t) => ({ run, t })).filter(({ t }) => isObserved(run, t))
  );
  const n = observedFrames(runs);
  const V = places.length === 0 ? 0 : (await places[0].run.read(places[0].t, 1)).length;
  if (!(D < Math.min(n, V))) throw tooWide(D, `${n} frames of ${V} voxels`);
  const blockFrames = options.blockFrames ?? Math.max(1, Math.floor(BLOCK_BYTES / (8 * V)));
  const affordable = Math.min(MOST_FRAMES, Math.floor(Math.sqrt(2 * MULTIPLY_ADDS / V)));
  const most = Math.min(n, Math.max(options.pcaFrames ?? affordable, D + 1));
  const byVoxels = (options.gram ?? (V <= most ? "voxels" : "frames")) === "voxels";
  const { mean, total, gram } = await sumsOf(runs, { voxels: V, blockFrames, byVoxels });
  const fitted = gram
    ? axesByVoxels(gram, V, D)
    : await axesByFrames(places, { mean, most, components: D });
  const { values } = fitted;
  if (!(values[D - 1] > LEAST_SINGULAR ** 2 * values[0])) {
    const found = values.filter((value) => value > LEAST_SINGULAR ** 2 * values[0]).length;
    throw tooWide(D, `frames that vary along ${found} axes only`);
  }
  settleSigns(fitted.vectors, V);
  const singularValues = values.slice(0, Math.min(n, V)).map((value) =>
    Math.sqrt(Math.max(0, value))
  );
  return { voxels: V, mean, total, vectors: fitted.vectors, singularValues, blockFrames };
}

/** Mean and Σ‖x − m‖² of all observed frames, and Σ (x − m)(x − m)ᵀ where that is asked for. */
async function sumsOf(
  runs: readonly MaskedRun[],
  { voxels: V, blockFrames, byVoxels }: {
    readonly voxels: number;
    readonly blockFrames: number;
    readonly byVoxels: boolean;
  },
) {
  const gram = byVoxels ? new Float64Array(V * V) : null;
  const sum = new Float64Array(V);
  let origin: Float64Array | undefined;
  let squares = 0, n = 0;
  for (const run of runs) {
    for (let start = 0; start < run.frames; start += blockFrames) {
      await letOthersRun();
      const frames = Math.min(blockFrames, run.frames - start);
      const block = await run.read(start, frames);
      const seen = Array.from({ length: frames }, (_, i) => i).filter((i) =>
        isObserved(run, start + i)
      );
      const columns = new Float64Array(gram ? V * seen.length : 0);
      for (const [place, i] of seen.entries()) {
        const frame = block.subarray(i * V, (i + 1) * V);
        origin ??= Float64Array.from(frame);
        for (let v = 0; v < V; v++) {
          const value = frame[v] - origin[v];
          sum[v] += value;
          squares += value * value;
          if (gram) columns[v * seen.length + place] = value;
        }
      }
      n += seen.length;
      if (gram && seen.length > 0) addColumnProducts(gram, columns, seen.length);
    }
  }
  const shift = sum.map((value) => value / n);
  for (let i = 0; gram && i < V; i++) {
    for (let j = 0; j <= i; j++) gram[i * V + j] -= n * shift[i] * shift[j];
  }
  const total = shift.reduce((rest, value) => rest - n * value * value, squares);
  const mean = shift.map((value, v) => value + origin![v]);
  return { mean, total, gram: gram && mirrored(gram, V) };
}

/** Eigenpairs of the covariance: S² and the axes themselves. */
function axesByVoxels(gram: Float64Array, V: number, D: number) {
  const { values, vectors } = symmetricEigen(gram, V);
  return { values, vectors: vectors.slice(0, D * V) };
}

/** By the inner products K of (at most `most`) frames: V_d = Σ_i u_d,i·(x_i − m)/S_d, re-normalised. */
async function axesByFrames(
  places: readonly { readonly run: MaskedRun; readonly t: number }[],
  { mean, most, components: D }: {
    readonly mean: Float64Array;
    readonly most: number;
    readonly components: number;
  },
) {
  const V = mean.length;
  const chosen = Array.from(
    { length: most },
    (_, i) => places[Math.floor(i * places.length / most)],
  );
  const read = async (i: number) => (await chosen[i].run.read(chosen[i].t, 1)).slice();
  const gram = centredTwice(await rowProducts(most, read, TILE_BYTES), most);
  const { values, vectors: u } = symmetricEigen(gram, most);
  const vectors = new Float64Array(D * V);
  for (let i = 0; i < most; i++) {
    await letOthersRun();
    const frame = await chosen[i].run.read(chosen[i].t, 1);
    for (let d = 0; d < D; d++) {
      const weight = u[d * most + i];
      for (let v = 0; v < V; v++) vectors[d * V + v] += weight * (frame[v] - mean[v]);
    }
  }
  for (let d = 0; d < D; d++) normalise(vectors.subarray(d * V, (d + 1) * V));
  return { values, vectors };
}

/** K − row means − column means + grand mean: the inner products of the centred rows. */
function centredTwice(gram: Float64Array, n: number): Float64Array {
  const means = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) means[i] += gram[i * n + j] / n;
  }
  const grand = means.reduce((sum, value) => sum + value, 0) / n;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) gram[i * n + j] += grand - means[i] - means[j];
  }
  return gram;
}

function normalise(vector: Float64Array): void {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
  for (let v = 0; v < vector.length; v++) vector[v] /= norm;
}

/** The first entry whose magnitude is within a millionth of the largest becomes positive. */
function settleSigns(vectors: Float64Array, V: number): void {
  for (let start = 0; start < vectors.length; start += V) {
    const vector = vectors.subarray(start, start + V);
    const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const decides = vector.find((value) => Math.abs(value) >= (1 - SIGN_MARGIN) * largest)!;
    if (decides < 0) vector.forEach((value, v) => vector[v] = -value);
  }
}

function tooWide(latentDim: number, found: string): ConfigError {
  return new ConfigError(
    "latentDim",
    `Cannot start from principal components: latentDim is ${latentDim}, found ${found}, needs more frames, voxels and ` +
      "axes than latent dimensions; lower latentDim, or train on more frames or with a larger mask",
  );
}
