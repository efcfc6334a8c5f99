/** The fixtures of the lagged model (tests/golden/fixtures/recvae_lagged), and comparisons by their manifest's own rules. */
import type { FloatArray, NdArray, NumericArray, SpatialShape } from "../../src/base/arrays.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { xFastest } from "../../src/data/synthetic.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { relativeError } from "./fixture_tensors.ts";

const FOLDER = new URL("../golden/fixtures/recvae_lagged/", import.meta.url);
const MANIFEST = JSON.parse(Deno.readTextFileSync(new URL("manifest.json", FOLDER)));

/** What a float64 computation must reach (the manifest's words: "1e-10 for float64 work"). */
const FLOAT64 = 1e-10;

/** One file of the fixtures. */
export class LaggedFixture {
  readonly #tensors: ReadonlyMap<string, NdArray<NumericArray>>;
  readonly #compared = new Set<string>();
  // deno-lint-ignore no-explicit-any -- the manifest is plain JSON
  readonly #facts: any;

  /** @param name Without extension. */
  constructor(readonly name: string) {
    const bytes = Deno.readFileSync(new URL(`${name}.safetensors`, FOLDER));
    this.#tensors = readSafetensors(bytes, name).tensors;
    this.#facts = MANIFEST.files[`${name}.safetensors`];
  }

  /** The manifest's `config`. */
  // deno-lint-ignore no-explicit-any
  get config(): any {
    return this.#facts.config;
  }

  /** Real numbers of that name. */
  floats(key: string): NdArray<FloatArray> {
    const tensor = this.#tensors.get(key);
    assert(tensor, `${this.name}.safetensors holds no ${key}`);
    return tensor as NdArray<FloatArray>;
  }

  /** 64-bit integers of that name, as numbers. */
  integers(key: string): Int32Array {
    const tensor = this.#tensors.get(key);
    assert(tensor, `${this.name}.safetensors holds no ${key}`);
    return Int32Array.from(tensor.data, Number);
  }

  /** Volumes `[…, X, Y, Z]` of that name as a run per entry of the first axis, `[T·Z·Y·X]`, x fastest. */
  runs(key: string): Float32Array[] {
    const { data, shape } = this.floats(key);
    const volumes = xFastest(data as Float32Array, shape.slice(-3) as unknown as SpatialShape);
    const size = data.length / shape[0];
    return Array.from({ length: shape[0] }, (_, n) => volumes.slice(n * size, (n + 1) * size));
  }

  /** Compares with the array of that name by the manifest's rule for it, or at float64's where it has one. */
  compare(
    key: string,
    actual: ArrayLike<number>,
    { float64 = false }: { readonly float64?: boolean } = {},
  ): void {
    const expected = this.floats(key).data;
    const { tolerance, tolerance_is: rule } = this.#facts.tensors[key];
    assertEquals(actual.length, expected.length, `${key}: number of values`);
    let scale = 0, difference = 0;
    for (let i = 0; i < expected.length; i++) {
      scale = Math.max(scale, Math.abs(expected[i]));
      const error = Math.abs(actual[i] - expected[i]);
      difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
    }
    const error = rule.startsWith("absolute")
      ? difference
      : rule.startsWith("relative")
      ? difference / scale
      : relativeError(actual, expected);
    const needed = float64 && rule.includes("1e-10") ? FLOAT64 : tolerance;
    assert(
      error <= needed,
      `${this.name} ${key}: error ${error}, needs at most ${needed} (${rule})`,
    );
    this.#compared.add(key);
  }

  /** Names of results that nothing was compared with. */
  untouched(): string[] {
    return Object.entries<{ tolerance?: number }>(this.#facts.tensors)
      .filter(([key, { tolerance }]) => tolerance !== undefined && !this.#compared.has(key))
      .map(([key]) => key);
  }
}
