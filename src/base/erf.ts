/** The error function in float64. */

/**
 * erf x = 2/√π ∫₀ˣ e^(−t²) dt, to a few units in the last place: a series without cancellation up to 2.5, the
 * continued fraction of erfc beyond (Abramowitz & Stegun 7.1.6, 7.1.14).
 *
 * @param x Any number.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  if (a > 2.5) return Math.sign(x) * (1 - complement(a));
  let term = a, sum = a;
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= 2 * a * a / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI) * Math.exp(-a * a);
}

/** erfc of a number above 2.5, from the innermost fraction outwards. */
function complement(a: number): number {
  let fraction = a;
  for (let n = 80; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction;
}
