/** The parity fixtures of the sequence models (tests/golden/fixtures/learning_from_brains). */
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { toHost } from "../../src/backends/tensors.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import type { tf } from "../../src/deps/tfjs.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import {
  PUBLISHED,
  type SequenceConfig,
  sequenceConfig,
} from "../../src/models/brain_sequence/config.ts";
import { sequenceEntries } from "../../src/models/brain_sequence/network.ts";
import type { MaskDraws, SequenceBatch } from "../../src/models/brain_sequence/preparation.ts";
import { ParameterStore } from "../../src/parameters/parameter_store.ts";

const FOLDER = new URL("../golden/fixtures/learning_from_brains/", import.meta.url);

/** Tensors of a fixture by name. */
export type SequenceFixture = ReadonlyMap<string, NdArray<NumericArray>>;

/** Reads `<name>.safetensors`. */
export function readSequenceFixture(name: string): SequenceFixture {
  const file = `${name}.safetensors`;
  return readSafetensors(Deno.readFileSync(new URL(file, FOLDER)), file).tensors;
}

/** Bytes of a file beside the fixtures. */
export function readSequenceFile(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, FOLDER));
}

/** The tiny configuration of every fixture, with the published code's deviations. */
export function tinyConfig(more: Partial<SequenceConfig>): SequenceConfig {
  return sequenceConfig({
    parcels: 24,
    embeddingDim: 16,
    layers: 2,
    heads: 2,
    positions: 32,
    dropout: 0,
    classes: more.style === "decoding" ? 5 : 0,
    length: 12,
    compatibility: PUBLISHED,
    ...more,
  });
}

/** A fixture's parameters; every name must be one of the network's, in its order. */
export function fixtureStore(
  fixture: SequenceFixture,
  config: SequenceConfig,
  prefix = "param/",
): ParameterStore {
  const entries = sequenceEntries(config);
  const names = [...fixture.keys()].filter((name) => name.startsWith(prefix));
  assertEquals(entries.map(({ key }) => prefix + key), names);
  const state = new Map(entries.map(({ key }) => [key, fixture.get(prefix + key)!]));
  return new ParameterStore(entries, state);
}

/** A fixture's batch. */
export function fixtureBatch(fixture: SequenceFixture): SequenceBatch {
  const { data: inputs, shape } = fixture.get("in/inputs") as NdArray<Float32Array>;
  const [B, T] = shape;
  const mask = fixture.get("in/attention_mask")!.data as Int32Array;
  const optional = (name: string) => fixture.get(`in/${name}`)?.data as Int32Array | undefined;
  return {
    rows: Array.from({ length: B }, (_, b) => b),
    inputs,
    shape: shape as [number, number, number],
    times: fixture.get("in/t_rs")!.data as Float32Array,
    lengths: Int32Array.from(
      { length: B },
      (_, b) => mask.subarray(b * T, (b + 1) * T).filter((value) => value === 1).length,
    ),
    tokenTypes: optional("token_type_ids"),
    isNext: optional("is_next"),
    labels: optional("labels"),
  };
}

/** A fixture's random choices. */
export function fixtureDraws(fixture: SequenceFixture, rate: number): MaskDraws {
  const hiddenVolume = fixture.get("in/masking_i")?.data as Int32Array | undefined;
  const uniform = fixture.get("in/uniform_draws")?.data as Float32Array | undefined;
  return { hiddenVolume, uniform, rate };
}

/** Counts what was compared with a fixture, and how close the worst of it came to its tolerance. */
export class SequenceReport {
  #values = 0;
  #worst = { ratio: 0, name: "" };
  readonly #touched = new Set<string>();

  /** @param fixture Tensors compared with. */
  constructor(readonly fixture: SequenceFixture, readonly engine: string) {}

  /** |actual − expected| ≤ absolute + relative·max |expected|. */
  compare(
    name: string,
    actual: ArrayLike<number>,
    { absolute, relative = 0 }: { absolute: number; relative?: number },
  ): void {
    const expected = this.fixture.get(name)!.data as Float32Array;
    assertEquals(actual.length, expected.length, `${name}: number of values`);
    const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const tolerance = absolute + relative * largest;
    for (let i = 0; i < expected.length; i++) {
      const ratio = Math.abs(actual[i] - expected[i]) / (tolerance || Number.MIN_VALUE);
      assert(ratio <= 1, `${name}[${i}] is ${actual[i]}, needs ${expected[i]} within ${tolerance}`);
      if (ratio > this.#worst.ratio) this.#worst = { ratio, name };
    }
    this.#values += expected.length;
    this.#touched.add(name);
  }

  /** {@link compare} for a tensor: forward values, absolute 2e-5. */
  async forward(name: string, tensor: tf.Tensor): Promise<void> {
    this.compare(name, await toHost(tensor), { absolute: 2e-5 });
  }

  /** Fails for tensors with one of the prefixes that nothing was compared with. */
  complete(prefixes: readonly string[]): void {
    const left = [...this.fixture.keys()].filter((name) =>
      prefixes.some((prefix) => name.startsWith(prefix)) && !this.#touched.has(name)
    );
    assertEquals(left, []);
  }

  /** Prints one line. */
  print(name: string): void {
    console.log(
      `golden | ${name} | ${this.engine} | ${this.#values} values | worst ratio to tolerance ` +
        `${this.#worst.ratio.toFixed(4)} (${this.#worst.name})`,
    );
  }
}
