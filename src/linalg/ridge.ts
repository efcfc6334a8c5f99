/**
 * The closed-form update of the transition matrix F: ridge regression of every latent state on its
 * predecessor, in float64 [recurrent-vae §5]. Nothing here knows tensors or training.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ShapeError, SingularMatrixError } from "../base/errors.ts";
import { checkOptions, choice, integer, number, object, record } from "../base/fields.ts";
import { LuDecomposition, Matrix } from "../deps/ml_matrix.ts";
import { symmetricEigenvalues } from "./symmetric.ts";

/**
 * Weight λ of the penalty λ·‖F‖²: `"v2"` is 2·N·T·σ_h²·ρ, which makes F the minimiser of loss2 + loss_F;
 * `"v1"`, of the first package, is 2·σ_h²·ρ and under-regularises by the factor N·T.
 */
export type PenaltyRule = "v1" | "v2";

/** The regression problem of one F update. */
export interface TransitionProblem {
  /** Latent trajectories h, `[N, T, D]` row-major. Rows of subjects not visited yet are zeros and count. */
  readonly states: FloatArray;
  /** The state h0 before the first frame, shared by all subjects, `[D]`. */
  readonly initialState: FloatArray;
  /** N, at least 1. */
  readonly subjects: number;
  /** T, at least 1. */
  readonly frames: number;
  /** D, the latent width of the model. */
  readonly latentDim: number;
  /** σ_h > 0. */
  readonly sigH: number;
  /** Ridge weight ρ ≥ 0. */
  readonly rho: number;
  /** Default `"v2"`. */
  readonly penalty?: PenaltyRule;
}

/** Fields there are. */
const PROBLEM_FIELDS = record<TransitionProblem>({
  states: object("a typed array [N, T, D]"),
  initialState: object("a typed array [D]"),
  subjects: integer({ least: 1 }),
  frames: integer({ least: 1 }),
  latentDim: integer({ least: 1 }),
  sigH: number({ above: 0 }),
  rho: number({ least: 0 }),
  penalty: choice(["v1", "v2"]),
}, ["states", "initialState", "subjects", "frames", "latentDim", "sigH", "rho"]);

/** λ of a problem; see {@link PenaltyRule}. */
export function ridgePenalty(
  { subjects, frames, sigH, rho, penalty = "v2" }: Omit<
    TransitionProblem,
    "states" | "initialState" | "latentDim"
  >,
): number {
  const perFrame = 2 * sigH ** 2 * rho;
  return penalty === "v2" ? subjects * frames * perFrame : perFrame;
}

/**
 * Solves (XᵀX + λ·I)·Fᵀ = XᵀY by LU with row pivoting. Rows of Y are the states, rows of X their
 * predecessors: h0 at the first frame, the state one frame earlier otherwise.
 *
 * @returns F, `[D, D]` row-major, such that h_t ≈ F·h_{t−1}.
 * @throws {ShapeError} when the states are not `[N, T, D]`; the message contains `latent_dim`.
 * @throws {ConfigError} when σ_h or ρ cannot be used.
 * @throws {SingularMatrixError} when the system has no unique solution in float64, or a state is not finite.
 *
 * @example
 * ```ts
 * // h doubles every frame: F = 2.
 * const F = solveTransitionMatrix({
 *   states: Float64Array.of(2, 4, 8), initialState: Float64Array.of(1),
 *   subjects: 1, frames: 3, latentDim: 1, sigH: 1, rho: 0,
 * });
 * if (F[0] !== 2) throw new Error(`F is ${F[0]}`);
 * ```
 */
export function solveTransitionMatrix(problem: TransitionProblem): Float64Array {
  checkProblem(problem);
  const { latentDim } = problem;
  const { predecessors, cross } = normalEquations(problem);
  const penalty = ridgePenalty(problem);
  for (let i = 0; i < latentDim; i++) predecessors[i * latentDim + i] += penalty;
  checkCondition(predecessors, problem);
  const transposed = new LuDecomposition(Matrix.from1DArray(latentDim, latentDim, predecessors))
    .solve(Matrix.from1DArray(latentDim, latentDim, cross));
  return Float64Array.from(transposed.transpose().to1DArray());
}

/**
 * Gradient in F of loss2 averaged over the N·T states plus loss_F = ρ·Σ F² [recurrent-vae §4, §5]:
 * (F·XᵀX − YᵀX)/(σ_h²·N·T) + 2·ρ·F. Zero at the v2 solution.
 *
 * @param transitionMatrix F, `[D, D]` row-major.
 * @returns `[D, D]` row-major.
 */
export function transitionGradient(
  transitionMatrix: FloatArray,
  problem: TransitionProblem,
): Float64Array {
  checkProblem(problem);
  const { latentDim: D, subjects, frames, sigH, rho } = problem;
  const { predecessors, cross } = normalEquations(problem);
  const scale = 1 / (sigH ** 2 * subjects * frames);
  const gradient = new Float64Array(D * D);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < D; j++) {
      let sum = -cross[j * D + i];
      for (let k = 0; k < D; k++) sum += transitionMatrix[i * D + k] * predecessors[k * D + j];
      gradient[i * D + j] = scale * sum + 2 * rho * transitionMatrix[i * D + j];
    }
  }
  return gradient;
}

/** XᵀX and XᵀY, both `[D, D]` row-major, accumulated in float64. */
function normalEquations(problem: TransitionProblem) {
  const { states, initialState, subjects, frames, latentDim: D } = problem;
  const predecessors = new Float64Array(D * D);
  const cross = new Float64Array(D * D);
  for (let n = 0; n < subjects; n++) {
    for (let t = 0; t < frames; t++) {
      const row = (n * frames + t) * D;
      const [x, xStart] = t === 0 ? [initialState, 0] : [states, row - D];
      for (let i = 0; i < D; i++) {
        const xi = x[xStart + i];
        for (let j = 0; j < D; j++) {
          predecessors[i * D + j] += xi * x[xStart + j];
          cross[i * D + j] += xi * states[row + j];
        }
      }
    }
  }
  return { predecessors, cross };
}

function checkProblem(problem: TransitionProblem): void {
  checkOptions(problem, PROBLEM_FIELDS, { doing: "Cannot update F" });
  const { states, initialState, subjects, frames, latentDim } = problem;
  const width = states.length / (subjects * frames);
  if (width !== latentDim) {
    throw new ShapeError(
      `Cannot update F: states of ${subjects} subjects × ${frames} frames have a last axis of ${width}, ` +
        `needs latent_dim = ${latentDim}; pass the trajectories of the model whose F is updated`,
      [subjects, frames, width],
      `[${subjects}, ${frames}, ${latentDim}]`,
    );
  }
  if (initialState.length !== latentDim) {
    throw new ShapeError(
      `Cannot update F: h0 has ${initialState.length} entries, needs latent_dim = ${latentDim}`,
      [initialState.length],
      `[${latentDim}]`,
    );
  }
  if (!initialState.every(Number.isFinite)) throw nonFinite("h0");
  const bad = states.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const row = Math.floor(bad / latentDim);
  throw nonFinite(`the state of subject ${Math.floor(row / frames)} at frame ${row % frames}`);
}

function nonFinite(where: string): SingularMatrixError {
  return new SingularMatrixError(
    `Cannot update F: ${where} holds a NaN or an infinity, needs finite numbers; lower the learning rate and ` +
      "resume from the last good checkpoint",
  );
}

/** Refuses a system that float64 cannot tell from a singular one: condition number above 1/(D·ε). */
function checkCondition(matrix: Float64Array, problem: TransitionProblem): void {
  const { latentDim, subjects, frames, rho } = problem;
  const eigenvalues = symmetricEigenvalues(matrix, latentDim);
  const [smallest, largest] = [eigenvalues[latentDim - 1], eigenvalues[0]];
  if (smallest > latentDim * Number.EPSILON * largest) return;
  const cause = subjects * frames < latentDim
    ? `${subjects * frames} states cannot determine ${latentDim} latent dimensions`
    : "the predecessor states do not span all latent dimensions";
  throw new SingularMatrixError(
    `Cannot update F: the system is singular (eigenvalues from ${smallest.toExponential(1)} to ` +
      `${
        largest.toExponential(1)
      }) because ${cause} and rho = ${rho} adds too little; set rho above 0 or ` +
      "train on more frames",
  );
}
