/**
 * Principal components of the frames of some runs with a lag path in closed form: what a linear method of latent width D
 * can do, and the values a model with linear paths starts from.
 *
 * With S_d, V_d the singular values and right singular vectors of the n training frames minus their mean m:
 * sd_d = S_d/√n; s² = Σ_{i>D} S_i²/(n(V−D)); W = V_D·diag(sd); P = diag(1/sd)·V_Dᵀ; states h = P(x − m) of unit variance.
 * The lag path U is the ridge of what PCA leaves on the state before: Uᵀ = (H⁻ᵀH⁻ + λ_U·n·I)⁻¹H⁻ᵀR. Frames are read in
 * blocks and never held all at once; float64 throughout.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { checkOptions, choice, integer, number, record } from "../base/fields.ts";
import { isObserved, type MaskedRun, observedFrames } from "../base/masked_run.ts";
import { addOuterProducts, projections } from "./gram.ts";
import { solveNormalEquations, transposed } from "./normal_equations.ts";
import { type PrincipalAxes, principalAxes } from "./principal_axes.ts";
import {
  residualVariance,
  solveTransition,
  type StateRun,
  trainingSums,
} from "./run_transition.ts";

/** Options of {@link fitLinearStart}. */
export interface LinearStartOptions {
  /** D: fewer than frames and voxels. */
  readonly latentDim: number;
  /** λ_U, weight of the penalty on the lag path. Default 0.5. */
  readonly lagPenalty?: number;
  /** ρ of the ridge of F. Default 1e-3. */
  readonly rho?: number;
  /**
   * Most frames the components are fitted to where there are fewer frames than voxels, evenly spaced over all of them; the
   * cost grows with their square. Default: what costs about a quarter of a minute, at most 1500.
   */
  readonly pcaFrames?: number;
  /** Frames read at a time. Default: 16 MiB of them. */
  readonly blockFrames?: number;
  /** Matrix of inner products to use. Default: the smaller one. */
  readonly gram?: "voxels" | "frames";
}

const START_OPTIONS = record<LinearStartOptions>({
  latentDim: integer({ least: 1 }),
  lagPenalty: number({ least: 0 }),
  rho: number({ least: 0 }),
  pcaFrames: integer({ least: 2 }),
  blockFrames: integer({ least: 1 }),
  gram: choice(["voxels", "frames"]),
}, ["latentDim"]);

/** What {@link fitLinearStart} finds; V voxels, D latent dimensions; matrices row-major. */
export interface LinearStart {
  readonly voxels: number;
  readonly latentDim: number;
  /** m, mean of the observed training frames, `[V]`. */
  readonly mean: Float64Array;
  /** S of the frames the components were fitted to, largest first, `[min(frames, V)]`. */
  readonly singularValues: Float64Array;
  /** Standard deviation along each component over all frames, `[D]`. */
  readonly deviations: Float64Array;
  /** s², mean variance that the components leave, per voxel and dimension left. */
  readonly residualVariance: number;
  /** W, `[V, D]`. */
  readonly decoder: Float64Array;
  /** P, `[D, V]`. */
  readonly encoder: Float64Array;
  /** b = −P·m, `[D]`. */
  readonly bias: Float64Array;
  /** c = ln(s²/(sd² + s²)) within −9 and 3: log-variance of the posterior, `[D]`. */
  readonly logVariance: Float64Array;
  /** ln σ_x = ½·ln s². */
  readonly logNoise: number;
  /** U, `[V, D]`. */
  readonly lag: Float64Array;
  /** F, `[D, D]`: h_t ≈ F·h_{t−1}. */
  readonly transition: Float64Array;
  /** q, variance of the transition's residuals plus that of the posterior, `[D]`. */
  readonly transitionNoise: Float64Array;
  /** H: unit-variance states of each run, `[T, D]`; 0 at missing frames. */
  readonly states: readonly StateRun[];
}

/** Smallest residual variance, as a share of the mean variance of a voxel. */
const LEAST_RESIDUAL = 1e-6;

/**
 * Fits the linear start.
 *
 * @param runs Training runs, all of V voxels; each frame is read about four times.
 * @param options See {@link LinearStartOptions}.
 * @throws {ConfigError} naming latentDim when frames, voxels or the variance in them do not suffice for it.
 *
 * @example
 * ```ts
 * // Two voxels that move together: one component explains them.
 * const frames = Float32Array.of(1, 1, -1, -1, 2, 2, -2, -2);
 * const run = { frames: 4, read: (start: number, count: number) => frames.subarray(2 * start, 2 * (start + count)) };
 * const { decoder } = await fitLinearStart([run], { latentDim: 1 });
 * if (Math.abs(decoder[0] - decoder[1]) > 1e-12) throw new Error("not alike");
 * ```
 */
export async function fitLinearStart(
  runs: readonly MaskedRun[],
  options: LinearStartOptions,
): Promise<LinearStart> {
  checkOptions(options, START_OPTIONS, { doing: "Cannot start from principal components" });
  const { latentDim: D, lagPenalty = 0.5, rho = 1e-3 } = options;
  const axes = await principalAxes(runs, { components: D, ...options });
  const { mean, vectors, voxels: V, total } = axes;
  const n = observedFrames(runs);
  const pass = await projectRuns(runs, axes);

  const deviations = pass.squares.map((sum) => Math.sqrt(sum / n));
  const inside = pass.squares.reduce((sum, value) => sum + value, 0);
  const least = LEAST_RESIDUAL * total / (n * V);
  const s2 = Math.max((total - inside) / (n * (V - D)), least);
  const encoder = vectors.map((value, i) => value / deviations[Math.floor(i / V)]);
  const decoder = transposed(vectors.map((value, i) => value * deviations[Math.floor(i / V)]), D);
  const bias = Float64Array.from({ length: D }, (_, d) => -dot(encoder.subarray(d * V), mean));
  const logVariance = deviations.map((sd) =>
    Math.min(3, Math.max(-9, Math.log(s2 / (sd * sd + s2))))
  );

  const states = pass.scores.map(({ states, ...rest }) => ({
    ...rest,
    states: states.map((value, i) => value / deviations[i % D]),
  }));
  const sums = trainingSums(states, D);
  // H⁻ᵀR = Y − (H⁻ᵀH)·Wᵀ with Y = Σ h⁻(x − m)ᵀ, [D, V].
  const cross = pass.cross.map((value, i) => value / deviations[Math.floor(i / V)]);
  for (let i = 0; i < D; i++) {
    for (let k = 0; k < D; k++) {
      const weight = sums.cross[i * D + k] * deviations[k];
      for (let v = 0; v < V; v++) cross[i * V + v] -= weight * vectors[k * V + v];
    }
  }
  const lag = solveNormalEquations(sums.gram, cross, { size: D, penalty: lagPenalty * sums.rows });
  if (!lag) throw undetermined(sums.rows, D);
  const transition = solveTransition(sums, { latentDim: D, rho });
  const transitionNoise = residualVariance(states, transition, { centred: true })
    .map((value, d) => value + Math.exp(logVariance[d]));
  return {
    voxels: V,
    latentDim: D,
    mean,
    singularValues: axes.singularValues,
    deviations,
    residualVariance: s2,
    decoder,
    encoder,
    bias,
    logVariance,
    logNoise: 0.5 * Math.log(s2),
    lag: transposed(lag, D),
    transition,
    transitionNoise,
    states,
  };
}

/** v = V_Dᵀ(x − m) of all frames, and the sums that need x beside it. */
async function projectRuns(
  runs: readonly MaskedRun[],
  { mean, vectors, voxels: V, blockFrames }: PrincipalAxes,
) {
  const D = vectors.length / V;
  const squares = new Float64Array(D);
  const cross = new Float64Array(D * V);
  const buffers = Array.from({ length: blockFrames }, () => new Float64Array(V));
  const scores: StateRun[] = [];
  for (const run of runs) {
    const states = new Float64Array(run.frames * D);
    for (let start = 0; start < run.frames; start += blockFrames) {
      await letOthersRun();
      const count = Math.min(blockFrames, run.frames - start);
      const rows = centredRows(await run.read(start, count), buffers.slice(0, count), mean);
      const found = projections(vectors, rows);
      const before = new Float64Array(count * D);
      for (let t = start; t < start + count; t++) {
        if (!isObserved(run, t)) continue;
        const at = (t - start) * D;
        states.set(found.subarray(at, at + D), t * D);
        for (let d = 0; d < D; d++) squares[d] += states[t * D + d] ** 2;
        if (isObserved(run, t - 1)) before.set(states.subarray((t - 1) * D, t * D), at);
      }
      // A missing frame may hold anything, NaN too.
      rows.forEach((row, i) => isObserved(run, start + i) || row.fill(0));
      addOuterProducts(cross, rows, before);
    }
    scores.push(run.observed ? { states, observed: run.observed } : { states });
  }
  return { scores, squares, cross };
}

function centredRows(
  block: FloatArray,
  rows: readonly Float64Array[],
  mean: Float64Array,
): readonly Float64Array[] {
  const V = mean.length;
  rows.forEach((row, i) => {
    for (let v = 0; v < V; v++) row[v] = block[i * V + v] - mean[v];
  });
  return rows;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < b.length; i++) sum += a[i] * b[i];
  return sum;
}

function undetermined(rows: number, latentDim: number): ConfigError {
  return new ConfigError(
    "latentDim",
    `Cannot start the lag path: ${rows} frames do not determine ${latentDim} latent dimensions; lower latentDim or ` +
      "train on more frames",
  );
}
