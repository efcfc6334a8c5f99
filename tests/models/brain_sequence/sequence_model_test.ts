import { selectBackend } from "../../../src/backends/registry.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../../src/deps/std.ts";
import { sequenceConfig } from "../../../src/models/brain_sequence/config.ts";
import { drawMasks, SequenceModel } from "../../../src/models/brain_sequence/model.ts";
import { comparedPlaces, sequenceEntries } from "../../../src/models/brain_sequence/network.ts";
import {
  prepare,
  type SequenceBatch,
  TOKENS,
} from "../../../src/models/brain_sequence/preparation.ts";
import { timeRows } from "../../../src/models/brain_sequence/time_rows.ts";
import { sizeOf } from "../../../src/parameters/entry.ts";
import { readSequenceFixture } from "../../support/sequence_cases.ts";

const TINY = { parcels: 6, embeddingDim: 8, layers: 2, heads: 2, positions: 16, length: 8 };

/** Two rows of 7 and 5 volumes, each a pair of sequences of 4 + 3 and 2 + 3. */
function pairs(width = 7): SequenceBatch {
  const random = RandomStream.fromSeed(4);
  const [B, N] = [2, 6];
  const inputs = new Float32Array(B * width * N);
  const tokenTypes = new Int32Array(B * width);
  const times = new Float32Array(B * width);
  [[4, 3], [2, 3]].forEach(([first, second], b) => {
    const stream = random.split(b);
    for (let t = 0; t < first + second; t++) {
      times[b * width + t] = 2 * (t < first ? t : t - first);
      tokenTypes[b * width + t] = t < first ? 0 : 1;
      for (let n = 0; n < N; n++) inputs[(b * width + t) * N + n] = stream.normal();
    }
  });
  return {
    rows: [0, 1],
    inputs,
    shape: [B, width, N],
    times,
    lengths: Int32Array.of(7, 5),
    tokenTypes,
    isNext: Int32Array.of(1, 0),
  };
}

Deno.test("the corrected form puts CLS first, and everything that belongs to a place with it", () => {
  const config = sequenceConfig({ style: "bert", ...TINY });
  const uniform = new Float32Array(14);
  uniform[1] = 1; // volume 1 of row 0
  uniform[7 + 3] = 1; // volume 3 of row 1
  const { shape, places, times, attention, tokenTypes, targets } = prepare(pairs(), config, {
    uniform,
    rate: 0.2,
  });
  const { cls, mask, separator, nothing } = TOKENS;
  assertEquals(shape, [2, 10]);
  assertEquals([...places], [
    ...[cls, 0, mask, 2, 3, separator, 4, 5, 6, separator],
    ...[cls, 0, 1, separator, 2, mask, 4, separator, nothing, nothing],
  ]);
  assertEquals([...times.subarray(10)], [-1, 0, 2, -1, 0, 2, 4, -1, 0, 0]);
  assertEquals([...attention.subarray(10)], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
  assertEquals([...tokenTypes!.subarray(0, 10)], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
  assertEquals(comparedPlaces({ shape, places, times, attention, targets }), {
    places: [2, 15],
    volumes: [1, 3],
  });
});

Deno.test("sizes of the published networks are the published numbers of parameters", () => {
  const published = { gpt: 32_068_608, bert: 32_071_937, netbert: 32_071_425 };
  for (const [architecture, count] of Object.entries(published)) {
    const style = architecture === "gpt" ? "csm" as const : architecture as "bert" | "netbert";
    const entries = sequenceEntries(sequenceConfig({ style }));
    assertEquals(entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0), count, architecture);
  }
  const autoencoder = sequenceEntries(sequenceConfig({ style: "autoencoder", layers: 2 }));
  assertEquals(autoencoder.reduce((sum, { shape }) => sum + sizeOf(shape), 0), 32_261_632);
});

Deno.test("padding changes nothing: rows that are longer than they need predict the same", async () => {
  const engine = await selectBackend("wasm", { threads: 1 });
  // Masks of bert go by place, so that a longer row has others.
  for (const style of ["csm", "netbert"] as const) {
    const config = sequenceConfig({ style, ...TINY, dropout: 0, objective: "every" });
    const model = new SequenceModel(config, { seed: 1 });
    const short = pairs();
    const long = pairs(9);
    const predict = (batch: SequenceBatch) => model.predict(batch, RandomStream.fromSeed(2));
    const [a, b] = [await predict(short), await predict(long)];
    assertEquals([a.rows, a.volumes], [b.rows, b.volumes]);
    a.values.forEach((value, i) => assertAlmostEquals(value, b.values[i], 1e-5));
    model.dispose();
  }
  await engine.stop();
});

Deno.test("a prediction after a volume does not see what follows", async () => {
  const engine = await selectBackend("wasm", { threads: 1 });
  const config = sequenceConfig({ style: "csm", objective: "every", ...TINY, dropout: 0 });
  const model = new SequenceModel(config, { seed: 1 });
  const batch = { ...pairs(), tokenTypes: undefined };
  const before = await model.predict(batch, RandomStream.fromSeed(2));
  const changed = batch.inputs.slice();
  changed.fill(9, 4 * 6, 7 * 6);
  const after = await model.predict({ ...batch, inputs: changed }, RandomStream.fromSeed(2));
  for (let i = 0; i < 4 * 6; i++) assertAlmostEquals(after.values[i], before.values[i], 1e-6);
  assert(
    after.values.subarray(4 * 6, 7 * 6).some((value, i) => {
      return Math.abs(value - before.values[4 * 6 + i]) > 1e-3;
    }),
  );
  model.dispose();
  await engine.stop();
});

Deno.test("something is always hidden, and never all that the past needs", () => {
  for (let seed = 0; seed < 50; seed++) {
    const draw = RandomStream.fromSeed(seed);
    const bert = drawMasks(pairs(), sequenceConfig({ style: "bert", ...TINY }), draw.split(1));
    for (const [b, length] of [7, 5].entries()) {
      const row = Array.from(bert.uniform!).slice(b * 7, b * 7 + length);
      assert(row.some((value) => value >= 0.8));
    }
    const one = sequenceConfig({ style: "csm", ...TINY });
    const { hiddenVolume } = drawMasks(pairs(), one, draw.split(2));
    [7, 5].forEach((length, b) => {
      assert(hiddenVolume![b] >= 1 && hiddenVolume![b] < length);
    });
  }
});

Deno.test("configurations that cannot be are refused by field", () => {
  const field = (given: Parameters<typeof sequenceConfig>[0]) =>
    assertThrows(() => sequenceConfig(given), ConfigError).field;
  assertEquals(field({ heads: 5 }), "heads");
  assertEquals(field({ style: "decoding" }), "classes");
  assertEquals(field({ style: "csm", architecture: "bert" }), "architecture");
  assertEquals(field({ autoregression: 2 }), "autoregression");
  assertEquals(field({ dropout: 1 }), "dropout");
  assertEquals(assertThrows(() => timeRows(Float32Array.of(300), 0.2), ConfigError).field, "times");
});

Deno.test("time rows in float64 would be others, so float32 is what the fixture tests", () => {
  const fixture = readSequenceFixture("time_positions");
  const double = fixture.get("position_ids_if_computed_in_float64")!.data as Int32Array;
  const rows = timeRows(fixture.get("t_rs")!.data as Float32Array, 0.2);
  assert(rows.some((row, i) => row !== double[i]));
});
