/** How well generated rows stand for real ones, and agreement of what was asked for and measured. */

/** Plausibility and coverage of generated rows. */
export interface Resemblance {
  /** Share of generated ones that lie as near to a training one as held-out ones do. */
  readonly plausible: number;
  /** Share of held-out ones that have a generated one so near. */
  readonly coverage: number;
}

/**
 * Shares of distances below a limit.
 *
 * @param distances `generated` to the nearest training one, and `heldOut` to the nearest generated one.
 * @param limit mm.
 */
export function resemblance(
  distances: { readonly generated: ArrayLike<number>; readonly heldOut: ArrayLike<number> },
  limit: number,
): Resemblance {
  const share = (values: ArrayLike<number>) =>
    Array.from(values).filter((value) => value <= limit).length / Math.max(1, values.length);
  return { plausible: share(distances.generated), coverage: share(distances.heldOut) };
}

/**
 * 1 − Σ(measured − asked)²/Σ(asked − mean)².
 *
 * @param asked What was wanted.
 * @param measured What came.
 */
export function determination(asked: ArrayLike<number>, measured: ArrayLike<number>): number {
  const values = Array.from(asked);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [residual, total] = [0, 0];
  values.forEach((value, i) => {
    residual += (measured[i] - value) ** 2;
    total += (value - mean) ** 2;
  });
  return 1 - residual / total;
}

/**
 * Mean distance of corresponding points, in the points' unit.
 *
 * @param a Points, x y z in turn.
 * @param b As many.
 */
export function meanPointError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) {
    sum += Math.hypot(a[i] - b[i], a[i + 1] - b[i + 1], a[i + 2] - b[i + 2]);
  }
  return (3 * sum) / Math.max(1, a.length);
}
