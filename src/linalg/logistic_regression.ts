/**
 * Logistic regression with an L2 penalty, binary and multinomial, by Newton's method in float64. The minimiser is unique
 * where the penalty is above 0, so the result depends on nothing but the data.
 */
import type { FloatArray } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { solvePositiveDefinite } from "./positive_definite.ts";

/** The problem of {@link fitLogistic}. */
export interface LogisticProblem {
  /** P, columns of `rows`. */
  readonly columns: number;
  /** Class of each row, 0 … classes − 1. */
  readonly classes: ArrayLike<number>;
  /** K ≥ 2. */
  readonly classCount: number;
  /** λ > 0 of (λ/2)·‖W‖²; intercepts are free. 1/C of other programs. */
  readonly penalty: number;
  /** A fit of a similar problem to start from. Default: zero. */
  readonly start?: LogisticFit;
}

/** A fitted model: the score of class k is b_k + w_k·x. Two classes have one row of weights, that of class 1. */
export interface LogisticFit {
  /** `[R, P]` row-major, R = 1 for two classes, else K. */
  readonly weights: Float64Array;
  /** `[R]`; of more than two classes they sum to 0. */
  readonly intercepts: Float64Array;
  /** Newton steps that were needed. */
  readonly iterations: number;
}

/** Largest entry of the gradient, per row of data, at which the minimum is reached. */
const TOLERANCE = 1e-9;
const MOST_ITERATIONS = 100;

/**
 * Minimises Σ −ln p(class) + (λ/2)·‖W‖².
 *
 * @param rows X, `[N, P]` row-major, finite; best of similar scale (see `standardise` of src/evaluation).
 * @param problem See {@link LogisticProblem}.
 * @throws {ShapeError} when rows and classes are not as many.
 * @throws {ConfigError} for a class or penalty out of range, or when 100 steps do not reach the minimum.
 */
export function fitLogistic(rows: FloatArray, problem: LogisticProblem): LogisticFit {
  checkProblem(rows, problem);
  const { columns: P, classCount, start } = problem;
  const R = classCount === 2 ? 1 : classCount;
  // One row of parameters a class: P weights, then the intercept.
  let parameters = new Float64Array(R * (P + 1));
  if (start) {
    for (let r = 0; r < R; r++) {
      parameters.set(start.weights.subarray(r * P, (r + 1) * P), r * (P + 1));
      parameters[r * (P + 1) + P] = start.intercepts[r];
    }
  }
  let state = evaluate(rows, parameters, problem);
  for (let iterations = 0; iterations < MOST_ITERATIONS; iterations++) {
    const largest = state.gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest <= TOLERANCE * problem.classes.length) {
      return { ...unpack(parameters, R, P), iterations };
    }
    const step = solvePositiveDefinite(
      hessian(rows, state.probabilities, problem),
      state.gradient.slice(),
      R * (P + 1),
    );
    let decrease = 0;
    for (let i = 0; i < step.length; i++) decrease += step[i] * state.gradient[i];
    let length = 1;
    for (;;) {
      const moved = parameters.map((value, i) => value - length * step[i]);
      const next = evaluate(rows, moved, problem);
      const rounding = 1e-14 * Math.abs(state.loss);
      if (next.loss <= state.loss - 1e-4 * length * decrease + rounding || length < 1e-6) {
        parameters = moved;
        state = next;
        break;
      }
      length /= 2;
    }
  }
  throw new ConfigError(
    "penalty",
    `Cannot fit a logistic regression: its minimum is not reached in ${MOST_ITERATIONS} steps with penalty ${problem.penalty}; ` +
      "raise the penalty or bring the columns to a similar scale",
  );
}

/**
 * Probabilities of the classes.
 *
 * @param fit From {@link fitLogistic}.
 * @param rows `[M, P]` row-major.
 * @returns `[M, K]` row-major.
 */
export function logisticProbabilities(
  { weights, intercepts }: LogisticFit,
  rows: FloatArray,
): Float64Array {
  const R = intercepts.length;
  const P = weights.length / R;
  const parameters = new Float64Array(R * (P + 1));
  for (let r = 0; r < R; r++) {
    parameters.set(weights.subarray(r * P, (r + 1) * P), r * (P + 1));
    parameters[r * (P + 1) + P] = intercepts[r];
  }
  const found = new Float64Array(rows.length / P * Math.max(2, R));
  classProbabilities(rows, parameters, P, found);
  return found;
}

/** Loss, gradient and probabilities `[N, K]` at some parameters `[R, P + 1]`. */
function evaluate(
  rows: FloatArray,
  parameters: Float64Array,
  { columns: P, classes, classCount: K, penalty }: LogisticProblem,
) {
  const N = classes.length;
  const R = K === 2 ? 1 : K;
  const W = P + 1;
  const probabilities = new Float64Array(N * K);
  let loss = classProbabilities(rows, parameters, P, probabilities, classes);
  const gradient = new Float64Array(R * W);
  for (let r = 0; r < R; r++) {
    const k = R === 1 ? 1 : r;
    for (let n = 0; n < N; n++) {
      const error = probabilities[n * K + k] - (classes[n] === k ? 1 : 0);
      for (let i = 0; i < P; i++) gradient[r * W + i] += error * rows[n * P + i];
      gradient[r * W + P] += error;
    }
    for (let i = 0; i < P; i++) {
      const weight = parameters[r * W + i];
      loss += penalty / 2 * weight * weight;
      gradient[r * W + i] += penalty * weight;
    }
  }
  return { loss, gradient, probabilities };
}

/** Fills probabilities `[N, K]`; gives Σ −ln p(class) where classes are known. */
function classProbabilities(
  rows: FloatArray,
  parameters: Float64Array,
  P: number,
  probabilities: Float64Array,
  classes?: ArrayLike<number>,
): number {
  const R = parameters.length / (P + 1);
  const K = Math.max(2, R);
  const scores = new Float64Array(K);
  let loss = 0;
  for (let n = 0; n < rows.length / P; n++) {
    for (let r = 0; r < R; r++) {
      let score = parameters[r * (P + 1) + P];
      for (let i = 0; i < P; i++) score += parameters[r * (P + 1) + i] * rows[n * P + i];
      scores[R === 1 ? 1 : r] = score;
    }
    let largest = scores[0];
    for (let k = 1; k < K; k++) largest = Math.max(largest, scores[k]);
    let sum = 0;
    for (let k = 0; k < K; k++) sum += Math.exp(scores[k] - largest);
    for (let k = 0; k < K; k++) probabilities[n * K + k] = Math.exp(scores[k] - largest) / sum;
    if (classes) loss += largest + Math.log(sum) - scores[classes[n]];
  }
  return loss;
}

/** `[R·(P+1), R·(P+1)]`, lower triangle. */
function hessian(
  rows: FloatArray,
  probabilities: Float64Array,
  { columns: P, classes, classCount: K, penalty }: LogisticProblem,
): Float64Array {
  const R = K === 2 ? 1 : K;
  const W = P + 1;
  const size = R * W;
  const matrix = new Float64Array(size * size);
  for (let r = 0; r < R; r++) {
    for (let s = 0; s <= r; s++) {
      for (let n = 0; n < classes.length; n++) {
        const p = probabilities[n * K + (R === 1 ? 1 : r)];
        const weight = r === s ? p * (1 - p) : -p * probabilities[n * K + s];
        for (let i = 0; i < W; i++) {
          const x = weight * (i < P ? rows[n * P + i] : 1);
          const start = (r * W + i) * size + s * W;
          const last = r === s ? i : P;
          for (let j = 0; j < last; j++) matrix[start + j] += x * rows[n * P + j];
          matrix[start + last] += last === P ? x : x * rows[n * P + last];
        }
      }
      // Adding a number to all intercepts changes nothing: the sum is held where it is.
      if (R > 1) matrix[(r * W + P) * size + s * W + P] += 1;
    }
    for (let i = 0; i < P; i++) matrix[(r * W + i) * size + r * W + i] += penalty;
    // A class no row is uncertain about would leave its intercept without curvature.
    matrix[(r * W + P) * size + r * W + P] += 1e-12;
  }
  return matrix;
}

function unpack(parameters: Float64Array, R: number, P: number) {
  const weights = new Float64Array(R * P);
  const intercepts = new Float64Array(R);
  for (let r = 0; r < R; r++) {
    weights.set(parameters.subarray(r * (P + 1), r * (P + 1) + P), r * P);
    intercepts[r] = parameters[r * (P + 1) + P];
  }
  return { weights, intercepts };
}

function checkProblem(rows: FloatArray, problem: LogisticProblem): void {
  const { columns, classes, classCount, penalty } = problem;
  const doing = "Cannot fit a logistic regression";
  if (classes.length === 0 || rows.length !== classes.length * columns) {
    throw new ShapeError(
      `${doing}: found ${rows.length} values in rows of ${columns} and ${classes.length} classes, needs a class for each row`,
      [rows.length, classes.length],
      `[N, ${columns}] and [N]`,
    );
  }
  if (!(penalty > 0 && Number.isFinite(penalty))) {
    throw new ConfigError("penalty", `${doing}: penalty is ${penalty}, needs a number above 0`);
  }
  const seen = new Set(Array.from(classes));
  const bad = [...seen].find((k) => !Number.isInteger(k) || k < 0 || k >= classCount);
  if (bad !== undefined) {
    throw new ConfigError(
      "classes",
      `${doing}: found class ${bad}, needs whole numbers from 0 to ${classCount - 1}`,
    );
  }
  if (seen.size < 2) {
    throw new ConfigError("classes", `${doing}: all rows are of one class, needs at least two`);
  }
  if (!rows.every(Number.isFinite)) {
    throw new ConfigError("rows", `${doing}: found a NaN or an infinity, needs finite numbers`);
  }
}
