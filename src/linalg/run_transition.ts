/**
 * Transition matrices of latent states of runs that may differ in length and miss frames: the ridge of training, whose
 * rows include each run's first frame with the predecessor 0, and the unpenalised one of centred pairs that is
 * reported.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { isPair, isRow, type MaskedRun } from "../base/masked_run.ts";
import { solveNormalEquations, transposed } from "./normal_equations.ts";

/** Latent states of one run. */
export interface StateRun extends Pick<MaskedRun, "observed"> {
  /** `[T, D]` row-major; values at missing frames are not used. */
  readonly states: FloatArray;
}

/** Σ h⁻h⁻ᵀ and Σ h⁻hᵀ of the rows of a regression, `[D, D]` row-major, and their number. */
export interface TransitionSums {
  readonly gram: Float64Array;
  readonly cross: Float64Array;
  readonly rows: number;
}

/**
 * F = argmin Σ‖h_t − F·h_{t−1}‖² + λ‖F‖² with λ = 2·rows·ρ over the rows of training: observed frames that are a run's
 * first (predecessor 0) or whose predecessor is observed.
 *
 * @param runs States of the runs, at least one row.
 * @param latentDim D.
 * @param options `rho` ≥ 0.
 * @returns F `[D, D]` row-major, and the number of rows.
 * @throws {ConfigError} naming rho when the states do not determine F.
 */
export function ridgeTransition(
  runs: readonly StateRun[],
  latentDim: number,
  { rho }: { readonly rho: number },
): { readonly transition: Float64Array; readonly rows: number } {
  const sums = trainingSums(runs, latentDim);
  return { transition: solveTransition(sums, { latentDim, rho }), rows: sums.rows };
}

/** A least-squares fit of F. */
export interface TransitionFit {
  /** F `[D, D]` row-major. */
  readonly transition: Float64Array;
  /** Σ h⁻h⁻ᵀ of the centred predecessors, `[D, D]`. */
  readonly gram: Float64Array;
  /** Covariance of what F leaves, divisor pairs − D − 1, `[D, D]`. */
  readonly residual: Float64Array;
  /** Number of pairs. */
  readonly pairs: number;
}

/**
 * F of least squares, without penalty, on centred pairs: the mean of all predecessors is taken from predecessors, the mean of
 * all successors from successors. Pairs are two observed frames that follow each other in a run.
 *
 * @param runs Posterior means of the training runs.
 * @param latentDim D.
 * @returns Null with too few pairs to determine F.
 */
export function leastSquaresFit(
  runs: readonly StateRun[],
  latentDim: number,
): TransitionFit | null {
  const D = latentDim;
  const [before, after] = [new Float64Array(D), new Float64Array(D)];
  let pairs = 0;
  eachRow(runs, { latentDim, counts: isPair }, (previous, current) => {
    pairs++;
    for (let d = 0; d < D; d++) {
      before[d] += previous[d];
      after[d] += current[d];
    }
  });
  if (pairs <= D + 1) return null;
  const means = { before: before.map((v) => v / pairs), after: after.map((v) => v / pairs) };
  const { gram, cross, successors } = sumOver(runs, { latentDim, counts: isPair, means });
  const solution = solveNormalEquations(gram, cross, { size: D });
  if (!solution) return null;
  // Σ(h − F·h⁻)(h − F·h⁻)ᵀ = Σhhᵀ − F·Σh⁻hᵀ for a least-squares fit.
  const transition = transposed(solution, D);
  const residual = successors.map((value, i) => {
    const [row, column] = [Math.floor(i / D), i % D];
    let explained = 0;
    for (let k = 0; k < D; k++) explained += transition[row * D + k] * cross[k * D + column];
    return (value - explained) / (pairs - D - 1);
  });
  return { transition, gram, residual, pairs };
}

/**
 * What F leaves of each state: the mean over the rows of training of (h − F·h⁻)², or their variance.
 *
 * @param runs States of the runs.
 * @param transition F `[D, D]` row-major.
 * @param options `centred`: about the mean of the residuals.
 * @returns `[D]`, divisor the number of rows.
 */
export function residualVariance(
  runs: readonly StateRun[],
  transition: Float64Array,
  { centred }: { readonly centred: boolean },
): Float64Array {
  const D = Math.round(Math.sqrt(transition.length));
  const [sum, squares] = [new Float64Array(D), new Float64Array(D)];
  let rows = 0;
  eachRow(runs, { latentDim: D, counts: isRow }, (previous, current) => {
    rows++;
    for (let d = 0; d < D; d++) {
      let residual = current[d];
      for (let k = 0; k < D; k++) residual -= transition[d * D + k] * previous[k];
      sum[d] += residual;
      squares[d] += residual * residual;
    }
  });
  return squares.map((value, d) => value / rows - (centred ? (sum[d] / rows) ** 2 : 0));
}

/** Sums over the rows of training, see {@link ridgeTransition}. */
export function trainingSums(runs: readonly StateRun[], latentDim: number): TransitionSums {
  return sumOver(runs, { latentDim, counts: isRow });
}

/** F of sums over rows; λ = 2·rows·ρ. */
export function solveTransition(
  { gram, cross, rows }: TransitionSums,
  { latentDim, rho }: { readonly latentDim: number; readonly rho: number },
): Float64Array {
  const solution = solveNormalEquations(gram, cross, { size: latentDim, penalty: 2 * rows * rho });
  if (solution) return transposed(solution, latentDim);
  throw new ConfigError(
    "rho",
    `Cannot fit the transition matrix: ${rows} states do not determine ${latentDim} latent dimensions with rho = ` +
      `${rho}; set rho above 0 or train on more frames`,
  );
}

/** A frame and the one before it (zeros before a run's first). */
type Row = (previous: FloatArray, current: FloatArray) => void;

interface Rows {
  readonly latentDim: number;
  readonly counts: (run: StateRun, t: number) => boolean;
}

function eachRow(runs: readonly StateRun[], { latentDim: D, counts }: Rows, action: Row): void {
  const nothing = new Float64Array(D);
  for (const run of runs) {
    const at = (t: number) => run.states.subarray(t * D, (t + 1) * D);
    for (let t = 0; t * D < run.states.length; t++) {
      if (counts(run, t)) action(t === 0 ? nothing : at(t - 1), at(t));
    }
  }
}

function sumOver(
  runs: readonly StateRun[],
  { means, ...rows }: Rows & {
    readonly means?: { readonly before: Float64Array; readonly after: Float64Array };
  },
): TransitionSums & { readonly successors: Float64Array } {
  const D = rows.latentDim;
  const before = means?.before ?? new Float64Array(D);
  const after = means?.after ?? new Float64Array(D);
  const [gram, cross, successors] = [0, 1, 2].map(() => new Float64Array(D * D));
  let count = 0;
  eachRow(runs, rows, (previous, current) => {
    count++;
    for (let i = 0; i < D; i++) {
      const x = previous[i] - before[i];
      for (let j = 0; j < D; j++) {
        gram[i * D + j] += x * (previous[j] - before[j]);
        cross[i * D + j] += x * (current[j] - after[j]);
        successors[i * D + j] += (current[i] - after[i]) * (current[j] - after[j]);
      }
    }
  });
  return { gram, cross, successors, rows: count };
}
