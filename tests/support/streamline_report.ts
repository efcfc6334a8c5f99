/** Compares results with the streamline fixtures at the tolerances of their manifest, and keeps count. */
import { assert, assertEquals } from "../../src/deps/std.ts";
import { readStreamlineFixture, type StreamlineFixture } from "./streamline_fixtures.ts";

/** suggested_tolerances_float32 of the manifest. */
const TOLERANCES = {
  /** Of the largest |reference|. */
  forward: 2e-5,
  /** Relative, entry by entry. */
  loss: 1e-5,
  gradientNorm: 2e-4,
  trajectory: 2e-4,
  /** Of the largest of the row. */
  gradientSamples: 2e-4,
} as const;

/** Comparisons of one engine with one fixture. */
export class StreamlineReport {
  readonly fixture: StreamlineFixture;
  readonly #seen = new Set<string>();
  readonly #name: string;
  readonly #engine: string;
  #values = 0;
  #worst = { ratio: 0, name: "none" };

  /**
   * @param name Of the fixture.
   * @param engine Under test.
   */
  constructor(name: string, engine: string) {
    this.#name = name;
    this.#engine = engine;
    this.fixture = readStreamlineFixture(name);
  }

  /** max |actual − expected| ≤ 2e-5·max |expected|. */
  forward(name: string, actual: ArrayLike<number>): void {
    const expected = this.fixture.numbers(name);
    const scale = Math.max(...expected.map(Math.abs), 1e-30);
    this.#judge(name, actual, expected, () => TOLERANCES.forward * scale);
  }

  /** |actual − expected| ≤ tolerance·|expected| in every entry. */
  relative(
    name: string,
    actual: ArrayLike<number>,
    kind: "loss" | "gradientNorm" | "trajectory",
    skipped: readonly number[] = [],
  ): void {
    const expected = this.fixture.numbers(name);
    this.#judge(
      name,
      actual,
      expected,
      (i) => skipped.includes(i) ? Infinity : TOLERANCES[kind] * Math.abs(expected[i]),
    );
  }

  /** Samples of gradients, row by row. */
  gradientSamples(name: string, actual: ArrayLike<number>, skipped: readonly number[] = []): void {
    const expected = this.fixture.numbers(name);
    const width = this.fixture.shape(name).at(-1)!;
    this.#judge(name, actual, expected, (i) => {
      const row = Math.floor(i / width);
      if (skipped.includes(row)) return Infinity;
      const own = expected.slice(row * width, (row + 1) * width);
      return TOLERANCES.gradientSamples * Math.max(...own.map(Math.abs));
    });
  }

  /**
   * Samples of parameters after updates: 2e-6 + 1e-5·|expected|, but where the gradient is so small that the first step of
   * Adam is a matter of its sign.
   */
  parameterSamples(
    name: string,
    actual: ArrayLike<number>,
    { gradients, skipped = [] }: {
      readonly gradients: string | null;
      readonly skipped?: readonly number[];
    },
  ): void {
    const expected = this.fixture.numbers(name);
    const width = this.fixture.shape(name).at(-1)!;
    const slopes = gradients === null ? null : this.fixture.numbers(gradients);
    this.#judge(name, actual, expected, (i) => {
      const row = Math.floor(i / width);
      if (skipped.includes(row)) return Infinity;
      const own = slopes?.slice(row * width, (row + 1) * width).map(Math.abs);
      const unsure = own && own[i % width] < 1e-4 * Math.max(...own);
      return unsure ? Infinity : 2e-6 + 1e-5 * Math.abs(expected[i]);
    });
  }

  /** Sums over parameters: each within 2e-5 of the largest. */
  sums(name: string, actual: ArrayLike<number>, skipped: readonly number[] = []): void {
    const expected = this.fixture.numbers(name);
    const scale = Math.max(...expected.map(Math.abs));
    this.#judge(
      name,
      actual,
      expected,
      (i) => skipped.includes(i) ? Infinity : TOLERANCES.forward * scale,
    );
  }

  /** Within an absolute tolerance. */
  absolute(name: string, actual: ArrayLike<number>, tolerance: number): void {
    this.#judge(name, actual, this.fixture.numbers(name), () => tolerance);
  }

  /** Marks inputs, which are used and not compared. */
  given(...names: readonly string[]): void {
    for (const name of names) this.#seen.add(name);
  }

  /** Fails when an array of the fixture was neither given nor compared, and prints the count. */
  finish({ except = [] }: { readonly except?: readonly string[] } = {}): void {
    const left = this.fixture.names.filter((name) =>
      !this.#seen.has(name) && !except.includes(name)
    );
    assertEquals(left, [], "arrays that nothing was compared with");
    console.log(
      `golden | streamlines/${this.#name} | ${this.#engine} | ${this.#seen.size} tensors | ${this.#values} values | ` +
        `worst ratio to tolerance ${this.#worst.ratio.toFixed(4)} (${this.#worst.name})`,
    );
  }

  #judge(
    name: string,
    actual: ArrayLike<number>,
    expected: readonly number[],
    toleranceOf: (i: number) => number,
  ): void {
    assertEquals(actual.length, expected.length, `${name}: number of values`);
    this.#seen.add(name);
    for (let i = 0; i < expected.length; i++) {
      const tolerance = toleranceOf(i);
      if (tolerance === Infinity) continue;
      const error = Math.abs(actual[i] - expected[i]);
      const ratio = error === 0 ? 0 : error / tolerance;
      assert(
        ratio <= 1,
        `${name}[${i}] on ${this.#engine}: ${actual[i]}, needs ${expected[i]} within ${tolerance}`,
      );
      this.#values++;
      if (ratio > this.#worst.ratio) this.#worst = { ratio, name };
    }
  }
}
