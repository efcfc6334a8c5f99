/** Whether numbers look uniform on [0, 1], as p-values do when there is nothing to find. */
import { ConfigError } from "../base/errors.ts";

/** Result of a test. */
export interface TestResult {
  readonly statistic: number;
  readonly pValue: number;
}

/**
 * Kolmogorov and Smirnov's test against the uniform distribution. The p-value is Kolmogorov's limit at
 * (√n + 0.12 + 0.11/√n)·D (Stephens 1970), within 0.015 of the exact value from n = 10 on.
 *
 * @param values At least one, each on [0, 1].
 * @throws {ConfigError} for none, or a value outside.
 */
export function testUniformity(values: readonly number[]): TestResult {
  const n = values.length;
  const bad = values.find((value) => !(value >= 0 && value <= 1));
  if (n === 0 || bad !== undefined) {
    throw new ConfigError(
      "values",
      `Cannot test for uniformity: found ${
        n === 0 ? "no values" : `the value ${bad}`
      }, needs numbers from 0 to 1`,
    );
  }
  const sorted = values.toSorted((a, b) => a - b);
  const statistic = sorted.reduce(
    (most, value, i) => Math.max(most, value - i / n, (i + 1) / n - value),
    0,
  );
  const root = Math.sqrt(n);
  return { statistic, pValue: kolmogorovTail((root + 0.12 + 0.11 / root) * statistic) };
}

/**
 * Probability that the supremum of a Brownian bridge exceeds x: 2·Σ (−1)^(k−1)·exp(−2k²x²).
 *
 * @param x At least 0.
 */
export function kolmogorovTail(x: number): number {
  if (x < 0.3) return 1; // 1 − 9e-6 at most
  let sum = 0;
  for (let k = 1; k <= 100; k++) {
    const term = Math.exp(-2 * k * k * x * x);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-17) break;
  }
  return Math.min(1, Math.max(0, 2 * sum));
}
