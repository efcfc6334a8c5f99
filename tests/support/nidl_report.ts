/** Compares results with the nidl fixtures by the measure and at the tolerances of their manifest, and keeps count. */
import { assert, assertEquals } from "../../src/deps/std.ts";
import type { FixtureTensors } from "./fixture_tensors.ts";

/** The manifest's `suggested_tolerances`. */
const TOLERANCES = {
  forward: 5e-6,
  losses: 5e-6,
  gradients: 1e-5,
  parameters: 5e-6,
  fit: 1e-5,
} as const;

/** Compares by the manifest's measure max|a − b|/max(1, max|b|) and keeps count. */
export class NidlReport {
  readonly seen = new Set<string>();
  #values = 0;
  #worst = { ratio: 0, name: "" };

  constructor(readonly fixture: FixtureTensors, readonly title: string, readonly engine: string) {}

  compare(name: string, actual: ArrayLike<number>, kind: keyof typeof TOLERANCES): void {
    const { data } = this.fixture.floats(name);
    assertEquals(actual.length, data.length, `${name}: number of values`);
    let [error, largest] = [0, 1];
    for (let i = 0; i < data.length; i++) {
      const difference = Math.abs(actual[i] - data[i]);
      error = Number.isNaN(difference) ? Infinity : Math.max(error, difference);
      // The parameters' tolerance is absolute.
      if (kind !== "parameters") largest = Math.max(largest, Math.abs(data[i]));
    }
    const ratio = error / largest / TOLERANCES[kind];
    assert(ratio <= 1, `${name} on ${this.engine}: error is ${ratio} times its tolerance`);
    if (ratio >= this.#worst.ratio) this.#worst = { ratio, name };
    this.#values += data.length;
    this.seen.add(name);
  }

  /** Every tensor but inputs must have been compared. */
  finish(inputs: readonly string[] = []): void {
    const { names } = this.fixture;
    assertEquals(names.filter((name) => !this.seen.has(name) && !inputs.includes(name)), []);
    console.log(
      `golden | nidl ${this.title} | ${this.engine} | ${this.seen.size} tensors | ${this.#values} values | ` +
        `worst ratio to tolerance ${this.#worst.ratio.toFixed(4)} (${this.#worst.name})`,
    );
  }
}
