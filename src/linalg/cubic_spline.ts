/** Cubic splines through samples, with the not-a-knot condition at both ends: the numbers of scipy's `CubicSpline`. */

/**
 * Values of the spline through samples.
 *
 * @param places Where the samples are, ascending, at least one.
 * @param samples One for each place.
 * @param wanted Where values are wanted; beyond the ends the outer pieces go on.
 */
export function cubicSpline(
  places: ArrayLike<number>,
  samples: ArrayLike<number>,
  wanted: ArrayLike<number>,
): Float64Array {
  const size = places.length;
  const slopes = size < 4 ? shortSlopes(places, samples) : knotSlopes(places, samples);
  return Float64Array.from(wanted, (place) => {
    if (size === 1) return samples[0];
    let piece = 0;
    while (piece < size - 2 && place >= places[piece + 1]) piece++;
    const width = places[piece + 1] - places[piece];
    const chord = (samples[piece + 1] - samples[piece]) / width;
    const t = (slopes[piece] + slopes[piece + 1] - 2 * chord) / width;
    const d = place - places[piece];
    const square = (chord - slopes[piece]) / width - t;
    return ((t / width * d + square) * d + slopes[piece]) * d + samples[piece];
  });
}

/** Of one parabola through three samples, one line through two. */
function shortSlopes(x: ArrayLike<number>, y: ArrayLike<number>): number[] {
  if (x.length < 3) {
    const slope = x.length < 2 ? 0 : (y[1] - y[0]) / (x[1] - x[0]);
    return [slope, slope];
  }
  const [a, b] = [(y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])];
  const bend = (b - a) / (x[2] - x[0]);
  return [0, 1, 2].map((i) => a + bend * (2 * x[i] - x[0] - x[1]));
}

/** Derivatives at the samples, from the tridiagonal system of a curve without jumps in its second derivative. */
function knotSlopes(x: ArrayLike<number>, y: ArrayLike<number>): Float64Array {
  const n = x.length;
  const dx = Float64Array.from({ length: n - 1 }, (_, i) => x[i + 1] - x[i]);
  const chord = Float64Array.from(dx, (width, i) => (y[i + 1] - y[i]) / width);
  const [lower, diagonal, upper, right] = [0, 1, 2, 3].map(() => new Float64Array(n));
  for (let i = 1; i < n - 1; i++) {
    lower[i] = dx[i];
    diagonal[i] = 2 * (dx[i - 1] + dx[i]);
    upper[i] = dx[i - 1];
    right[i] = 3 * (dx[i] * chord[i - 1] + dx[i - 1] * chord[i]);
  }
  const head = x[2] - x[0];
  diagonal[0] = dx[1];
  upper[0] = head;
  right[0] = ((dx[0] + 2 * head) * dx[1] * chord[0] + dx[0] ** 2 * chord[1]) / head;
  const tail = x[n - 1] - x[n - 3];
  diagonal[n - 1] = dx[n - 3];
  lower[n - 1] = tail;
  right[n - 1] =
    (dx[n - 2] ** 2 * chord[n - 3] + (2 * tail + dx[n - 2]) * dx[n - 3] * chord[n - 2]) /
    tail;
  for (let i = 1; i < n; i++) {
    const factor = lower[i] / diagonal[i - 1];
    diagonal[i] -= factor * upper[i - 1];
    right[i] -= factor * right[i - 1];
  }
  const slopes = new Float64Array(n);
  slopes[n - 1] = right[n - 1] / diagonal[n - 1];
  for (let i = n - 2; i >= 0; i--) slopes[i] = (right[i] - upper[i] * slopes[i + 1]) / diagonal[i];
  return slopes;
}
