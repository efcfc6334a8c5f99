/**
 * Tolerances that follow from float32 arithmetic.
 *
 * A running sum of K terms t is rounded K times, each time by at most u = 2⁻²⁴ of the partial sum. Terms of random
 * sign give partial sums of about the root of the sum of squares so far, and the roundings add up like random
 * numbers themselves: the error has a deviation near √(K/6)·u·q, q = √Σt² (Higham & Mary 2019, "A new approach to
 * probabilistic rounding error analysis"). Which order an engine sums in is its own business; every order is
 * granted (2 + 6·√K)·u·q, some fourteen deviations of the worst one, with a constant for the last
 * roundings. Where all terms have one sign, Σ|t| takes the place of q.
 */

/** Half the distance from 1 to the next float32. */
export const UNIT_ROUNDOFF = 2 ** -24;

/** Tolerance of a sum of `terms` terms relative to their magnitude (q or Σ|t|, see above). */
export function sumTolerance(terms: number): number {
  return (2 + 6 * Math.sqrt(terms)) * UNIT_ROUNDOFF;
}

/** Per value: `relative` times the magnitude given, with room for underflow. */
export function scaled(magnitudes: ArrayLike<number>, relative: number): Float64Array {
  return Float64Array.from(magnitudes, (m) => relative * Math.abs(m) + 1e-37);
}

/** Per value: the tolerance of a sum, from the same sum over squared terms. */
export function fromSquares(sumsOfSquares: ArrayLike<number>, terms: number): Float64Array {
  return scaled(Float64Array.from(sumsOfSquares, Math.sqrt), sumTolerance(terms));
}
