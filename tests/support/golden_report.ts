/**
 * Compares results with the parity fixtures at the tolerances of their manifest, and keeps count: how many
 * values were compared and how close the worst of them came to its tolerance.
 */
import { assert, assertEquals } from "../../src/deps/std.ts";
import { readManifest, relativeError } from "./fixture_tensors.ts";

/** Classes of quantities with the manifest's suggested tolerances. */
const FLOORS = {
  /** Features, mu, log_var, h, gh, reconstruction. */
  forward: 1e-5,
  /** Per tensor. */
  gradient: 1e-4,
  /** Running statistics. */
  statistics: 1e-5,
  /** F from float32 latents. */
  transition: 2e-5,
  /** Parameters after three epochs. */
  trained: 5e-5,
} as const;

/** How a tensor is judged. */
export type GoldenClass = keyof typeof FLOORS;

interface Line {
  readonly name: string;
  readonly values: number;
  /** Error divided by tolerance. */
  readonly ratio: number;
}

/** Comparisons of one engine with one fixture. */
export class GoldenReport {
  readonly #lines: Line[] = [];
  // deno-lint-ignore no-explicit-any -- the manifest is plain JSON
  readonly #tensors: any;

  /**
   * @param fixture Name without extension.
   * @param engine Engine under test.
   */
  constructor(readonly fixture: string, readonly engine: string) {
    this.#tensors = readManifest(fixture).tensors;
  }

  /**
   * ‖actual − expected‖₂/‖expected‖₂ ≤ max(10 × what PyTorch's own float32 deviates, the class's floor): the
   * manifest's rule.
   */
  compare(
    name: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    { kind }: { kind: GoldenClass },
  ): void {
    assertEquals(actual.length, expected.length, `${name}: number of values`);
    const listed = this.#tensors[name]?.f32_vs_f64?.l2_rel ?? 0;
    const tolerance = Math.max(10 * listed, FLOORS[kind]);
    this.#judge(name, expected.length, relativeError(actual, expected), tolerance);
  }

  /** Largest relative error entry by entry. */
  compareEntries(
    name: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    { tolerance }: { tolerance: number },
  ): void {
    const relative = (value: number, i: number) =>
      Math.abs(value - expected[i]) / Math.abs(expected[i] || 1);
    this.#judge(name, expected.length, worstOf(name, actual, expected, relative), tolerance);
  }

  /** Largest absolute error. */
  compareAbsolute(
    name: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    { tolerance }: { tolerance: number },
  ): void {
    const absolute = (value: number, i: number) => Math.abs(value - expected[i]);
    this.#judge(name, expected.length, worstOf(name, actual, expected, absolute), tolerance);
  }

  /** Equality, for counters. */
  compareExactly(name: string, actual: readonly number[], expected: readonly number[]): void {
    assertEquals(actual, expected, name);
    this.#lines.push({ name, values: expected.length, ratio: 0 });
  }

  /** Makes comparisons; when one fails, forgets all of them and says so. */
  attempt(comparisons: () => void): boolean {
    const before = this.#lines.length;
    try {
      comparisons();
      return true;
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "AssertionError") throw error;
      this.#lines.length = before;
      return false;
    }
  }

  /** Whether the manifest says that a gradient vanishes identically. */
  isTheoreticallyZero(name: string): boolean {
    return this.#tensors[name]?.f32_vs_f64?.theoretically_zero === true;
  }

  /** Names of the fixture's tensors with a prefix that no comparison has touched. */
  untouched(prefixes: readonly string[]): string[] {
    const seen = new Set(this.#lines.map(({ name }) => name));
    return Object.keys(this.#tensors).filter((name) =>
      prefixes.some((prefix) => name.startsWith(prefix)) && !seen.has(name)
    );
  }

  /** Prints one line of the table and fails if nothing was compared. */
  print(): void {
    const values = this.#lines.reduce((sum, line) => sum + line.values, 0);
    assert(values > 0, "no value was compared");
    const worst = this.#lines.reduce((a, b) => (b.ratio > a.ratio ? b : a));
    console.log(
      `golden | ${this.fixture} | ${this.engine} | ${this.#lines.length} tensors | ${values} values | ` +
        `worst ratio to tolerance ${worst.ratio.toFixed(4)} (${worst.name})`,
    );
  }

  #judge(name: string, values: number, error: number, tolerance: number): void {
    const ratio = error / tolerance;
    this.#lines.push({ name, values, ratio });
    assert(
      ratio <= 1,
      `${this.fixture} ${name} on ${this.engine}: error ${error.toExponential(3)}, needs at most ` +
        tolerance.toExponential(3),
    );
  }
}

/** Largest error of all entries; infinite when one of them is NaN. */
function worstOf(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  errorOf: (value: number, i: number) => number,
): number {
  assertEquals(actual.length, expected.length, `${name}: number of values`);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = errorOf(actual[i], i);
    worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }
  return worst;
}
