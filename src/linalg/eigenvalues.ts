/**
 * Eigenvalues of a general real matrix such as the transition matrix F: Householder reduction to
 * Hessenberg form, then Francis double-shift QR steps with deflation.
 *
 * Source: G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., algorithms 7.4.2 and 7.5.1. Not taken from
 * ml-matrix, whose general decomposition (6.15.1) never returns for some small matrices of zeros and ones; the tests hold one.
 */
import type { FloatArray } from "../base/arrays.ts";
import { RecvaeError, ShapeError } from "../base/errors.ts";

/** A complex eigenvalue λ. */
export interface Eigenvalue {
  /** Real part. */
  readonly real: number;
  /** Imaginary part; not 0 for a mode that oscillates. */
  readonly imaginary: number;
  /** |λ|: the factor by which this mode grows (above 1) or decays per frame. */
  readonly modulus: number;
}

/** Every so many QR steps without a deflation the shifts are replaced by exceptional ones. */
const EXCEPTIONAL_EVERY = 10;
/** QR steps without a deflation after which the search ends. */
const STEP_LIMIT = 80;

/** Row-major square matrix being reduced in place. */
interface Square {
  readonly a: Float64Array;
  readonly n: number;
}

/**
 * Computes all eigenvalues, largest modulus first; of a conjugate pair the one with positive imaginary part first.
 *
 * @param matrix `[size, size]` row-major, finite.
 * @param size n ≥ 0.
 * @throws {ShapeError} when the matrix is not `[size, size]`.
 * @throws {RecvaeError} when an entry is not finite or the iteration does not converge.
 *
 * @example
 * ```ts
 * // A rotation by 90 degrees: ±i.
 * const [first] = eigenvalues(Float64Array.of(0, -1, 1, 0), 2);
 * if (Math.abs(first.imaginary - 1) > 1e-15) throw new Error("wrong");
 * ```
 */
export function eigenvalues(matrix: FloatArray, size: number): Eigenvalue[] {
  if (matrix.length !== size * size) {
    throw new ShapeError(
      `Cannot compute eigenvalues: found ${matrix.length} values, needs ${size} × ${size}`,
      [matrix.length],
      `[${size}, ${size}]`,
    );
  }
  if (!matrix.every(Number.isFinite)) {
    throw new RecvaeError(
      "Cannot compute eigenvalues: the matrix holds a NaN or an infinity; look at the run's last good checkpoint",
    );
  }
  const h: Square = { a: Float64Array.from(matrix), n: size };
  reduceToHessenberg(h);
  return deflate(h).sort((p, q) =>
    q.modulus - p.modulus || q.real - p.real || q.imaginary - p.imaginary
  );
}

/** Householder vector v and factor β with (I − β·v·vᵀ)·x = (∓‖x‖, 0, …); β = 0 where nothing is to do. */
function householder(x: readonly number[]): { v: number[]; beta: number } {
  const scale = Math.max(...x.map(Math.abs));
  if (scale === 0) return { v: [...x], beta: 0 };
  const v = x.map((value) => value / scale);
  const norm = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  v[0] += v[0] < 0 ? -norm : norm;
  return { v, beta: 2 / v.reduce((sum, value) => sum + value * value, 0) };
}

/** A ← P·A·P with P = I − β·v·vᵀ acting on indices start … start + v.length − 1. */
function reflect({ a, n }: Square, start: number, x: readonly number[]): void {
  const { v, beta } = householder(x);
  for (let column = 0; column < n; column++) {
    let sum = 0;
    for (let i = 0; i < v.length; i++) sum += v[i] * a[(start + i) * n + column];
    for (let i = 0; i < v.length; i++) a[(start + i) * n + column] -= beta * sum * v[i];
  }
  for (let row = 0; row < n; row++) {
    let sum = 0;
    for (let i = 0; i < v.length; i++) sum += v[i] * a[row * n + start + i];
    for (let i = 0; i < v.length; i++) a[row * n + start + i] -= beta * sum * v[i];
  }
}

/** Zeros below the first subdiagonal, by similarity. */
function reduceToHessenberg(h: Square): void {
  const { a, n } = h;
  for (let column = 0; column < n - 2; column++) {
    const x = Array.from({ length: n - 1 - column }, (_, i) => a[(column + 1 + i) * n + column]);
    reflect(h, column + 1, x);
    for (let row = column + 2; row < n; row++) a[row * n + column] = 0;
  }
}

/** Splits off converged 1×1 and 2×2 blocks from the bottom until nothing is left. */
function deflate(h: Square): Eigenvalue[] {
  const { a, n } = h;
  const norm = Math.max(...a.map(Math.abs), Number.MIN_VALUE);
  const found: Eigenvalue[] = [];
  let last = n - 1;
  let steps = 0;
  while (last >= 0) {
    const first = blockStart(h, last, { norm, steps });
    if (last - first < 2) {
      found.push(...(first === last ? [realOnly(a[last * n + last])] : pairOf(h, first)));
      last = first - 1;
      steps = 0;
    } else if (++steps > STEP_LIMIT) {
      throw new RecvaeError(
        `Cannot compute eigenvalues: no convergence after ${STEP_LIMIT} QR steps on a ${n} × ${n} matrix`,
      );
    } else {
      francisStep(h, first, last, steps % EXCEPTIONAL_EVERY === 0);
    }
  }
  return found;
}

/**
 * First index of the unreduced block that ends at `last`; negligible subdiagonal entries become 0.
 *
 * Negligible is ε beside the two diagonal neighbours. A block that is slow to converge (clusters of defective
 * eigenvalues, which rounding blurs far more than that) is measured against the largest entry of the matrix,
 * and after every further ten steps ten times more generously.
 */
function blockStart(
  { a, n }: Square,
  last: number,
  { norm, steps }: { norm: number; steps: number },
): number {
  const patience = Math.floor(steps / EXCEPTIONAL_EVERY) - 1;
  for (let i = last; i > 0; i--) {
    const neighbours = Math.abs(a[i * n + i]) + Math.abs(a[(i - 1) * n + i - 1]);
    const scale = patience >= 0 ? norm * 10 ** patience : neighbours || norm;
    if (Math.abs(a[i * n + i - 1]) <= Number.EPSILON * scale) {
      a[i * n + i - 1] = 0;
      return i;
    }
  }
  return 0;
}

/** One implicit double-shift QR step on rows and columns first … last (at least three). */
function francisStep(h: Square, first: number, last: number, exceptional: boolean): void {
  const { a, n } = h;
  const at = (i: number, j: number) => a[i * n + j];
  let trace = at(last - 1, last - 1) + at(last, last);
  let determinant = at(last - 1, last - 1) * at(last, last) -
    at(last - 1, last) * at(last, last - 1);
  if (exceptional) {
    // Shifts of EISPACK's hqr: away from the bottom entry by the size of the subdiagonal.
    const size = Math.abs(at(last, last - 1)) + Math.abs(at(last - 1, last - 2));
    const corner = at(last, last);
    trace = 2 * corner + 1.5 * size;
    determinant = corner * corner + 1.5 * size * corner + size * size;
  }
  // First column of (H − s₁I)(H − s₂I), where the shifts s₁, s₂ have this trace and determinant.
  let bulge = [
    at(first, first) ** 2 + at(first, first + 1) * at(first + 1, first) -
    trace * at(first, first) + determinant,
    at(first + 1, first) * (at(first, first) + at(first + 1, first + 1) - trace),
    at(first + 1, first) * at(first + 2, first + 1),
  ];
  for (let k = first; k < last; k++) {
    reflect(h, k, bulge);
    if (k > first) {
      for (let row = k + 1; row <= Math.min(k + 2, last); row++) a[row * n + k - 1] = 0;
    }
    bulge = [at(k + 1, k), at(Math.min(k + 2, last), k), at(Math.min(k + 3, last), k)]
      .slice(0, Math.min(3, last - k));
  }
}

function realOnly(value: number): Eigenvalue {
  return { real: value, imaginary: 0, modulus: Math.abs(value) };
}

/** Eigenvalues of the 2×2 block that starts at `i`. */
function pairOf({ a, n }: Square, i: number): Eigenvalue[] {
  const [p, q, r, s] = [a[i * n + i], a[i * n + i + 1], a[(i + 1) * n + i], a[(i + 1) * n + i + 1]];
  const half = (p - s) / 2;
  const discriminant = half * half + q * r;
  if (discriminant < 0) {
    const [real, imaginary] = [(p + s) / 2, Math.sqrt(-discriminant)];
    const modulus = Math.hypot(real, imaginary);
    return [{ real, imaginary, modulus }, { real, imaginary: -imaginary, modulus }];
  }
  // The larger offset first, the other through the product of the two: no cancellation.
  const offset = half + (half < 0 ? -1 : 1) * Math.sqrt(discriminant);
  return [realOnly(s + offset), realOnly(offset === 0 ? s : s - (q * r) / offset)];
}
