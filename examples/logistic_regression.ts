/**
 * What classify_latents.ts needs beside the library: logistic regression of two classes with L2 penalty (C = 1), by
 * gradient descent on standardised features.
 */

/** One feature vector per subject. */
export type Rows = readonly Float64Array[];

/** A fitted classifier: true for the second class. */
export type Classifier = (row: Float64Array) => boolean;

/** Fits on `rows` with classes `isSecond`; standardises by the mean and deviation of these rows alone. */
export function logisticRegression(rows: Rows, isSecond: readonly boolean[]): Classifier {
  const width = rows[0].length;
  const mean = new Float64Array(width).map((_, k) => average(rows.map((row) => row[k])));
  const deviation = mean.map((m, k) =>
    Math.sqrt(average(rows.map((row) => (row[k] - m) ** 2))) || 1
  );
  const standardised = (row: Float64Array) =>
    row.map((value, k) => (value - mean[k]) / deviation[k]);
  const inputs = rows.map(standardised);
  const weights = new Float64Array(width + 1); // the last one is the intercept, not penalised
  const score = (row: Float64Array) =>
    row.reduce((sum, v, k) => sum + v * weights[k], weights[width]);
  for (let step = 0; step < 500; step++) {
    const errors = inputs.map((row, n) => 1 / (1 + Math.exp(-score(row))) - Number(isSecond[n]));
    for (let k = 0; k <= width; k++) {
      const slope = errors.reduce((sum, error, n) => sum + error * (inputs[n][k] ?? 1), 0);
      weights[k] -= 0.5 / rows.length * (slope + (k < width ? weights[k] : 0));
    }
  }
  return (row) => score(standardised(row)) > 0;
}

/** Share of the rows that a classifier gets right. */
export function accuracy(classifier: Classifier, rows: Rows, isSecond: readonly boolean[]): number {
  return average(rows.map((row, n) => Number(classifier(row) === isSecond[n])));
}

/** Means over the T frames of codes `[N, T, D]`, one row per subject. */
export function meansOverTime(
  codes: ArrayLike<number>,
  frames: number,
  width: number,
): Float64Array[] {
  return Array.from({ length: codes.length / (frames * width) }, (_, n) => {
    const mean = new Float64Array(width);
    for (let i = 0; i < frames * width; i++) {
      mean[i % width] += codes[n * frames * width + i] / frames;
    }
    return mean;
  });
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
