import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { pythonShuffle, TorchGenerator } from "../../src/base/torch_random.ts";
import { readFixture, readManifest } from "../support/fixture_tensors.ts";

const fixture = readFixture("rng");
const manifest = readManifest("rng");
const seeded = () => new TorchGenerator(2022);

Deno.test("MT19937 seeded with 2022 gives PyTorch's first sixteen outputs", () => {
  const generator = seeded();
  const expected = fixture.integers("mt19937/seed2022_first16_u32");
  assertEquals(expected.map(() => generator.u32()), expected);
});

Deno.test("MT19937 gives the published 10000th output of its default seed", () => {
  // ISO C++ [rand.predef]: the 10000th value of a default-constructed std::mt19937 (seed 5489).
  const generator = new TorchGenerator(5489);
  for (let i = 0; i < 9999; i++) generator.u32();
  assertEquals(generator.u32(), 4123659995);
});

Deno.test("rand and uniform_ give PyTorch's float32 bits", () => {
  assertEquals(
    seeded().uniformFloat32(0, 1, 8),
    fixture.get("rand/seed2022_f32").data as Float32Array,
  );
  const bound = 1 / Math.sqrt(110);
  assertEquals(
    seeded().uniformFloat32(-bound, bound, 8),
    fixture.get("uniform/seed2022_pm_bound_64").data as Float32Array,
  );
});

Deno.test("u64 and the float64 uniform take two outputs, high word first", () => {
  const [high, low] = fixture.integers("mt19937/seed2022_first16_u32");
  assertEquals(seeded().u64(), (BigInt(high) << 32n) | BigInt(low));
  const expected = Number(((BigInt(high) << 32n) | BigInt(low)) % (1n << 53n)) / 2 ** 53;
  assertEquals(seeded().uniform64(), expected);
});

Deno.test("randn below 16 values caches the spare for the next call", () => {
  const generator = seeded();
  for (const name of ["randn/seed2022_n5", "randn/seed2022_n5_then3"]) {
    const expected = fixture.floats(name).data;
    const found = generator.normals(expected.length);
    found.forEach((value, i) => assertAlmostEquals(value, expected[i], 1.2e-7));
  }
});

Deno.test("randn from 16 values on uses the block algorithm, tail drawn again", () => {
  const expected = fixture.floats("randn/seed2022_n40").data;
  const found = seeded().normals(40);
  assertEquals(found.length, 40);
  found.forEach((value, i) => assertAlmostEquals(value, expected[i], 1e-6));
});

Deno.test("a length that is a multiple of 16 draws no second tail", () => {
  const generator = seeded();
  generator.normals(32);
  const reference = seeded();
  for (let i = 0; i < 32; i++) reference.u32();
  assertEquals(generator.u32(), reference.u32());
});

Deno.test("randperm gives PyTorch's order", () => {
  assertEquals([...seeded().permutation(10)], fixture.integers("randperm/seed2022_n10"));
});

Deno.test("a seeded shuffling loader visits subjects in PyTorch's order, epoch after epoch", () => {
  const table: Record<string, number[][][]> = manifest.scalars.loader_order_three_epochs;
  assertEquals(Object.keys(table).length, 5);
  for (const [name, epochs] of Object.entries(table)) {
    const [, seed, count] = name.match(/^seed(\d+)_n(\d+)_b\d+$/)!.map(Number);
    const generator = new TorchGenerator(seed);
    for (const batches of epochs) assertEquals([...generator.loaderOrder(count)], batches.flat());
  }
});

Deno.test("the fold shuffle is Python's", () => {
  const table: Record<string, { shuffled: number[] }> = manifest.scalars.split_subjects;
  assertEquals(Object.keys(table).length, 6);
  for (const [name, { shuffled }] of Object.entries(table)) {
    const [, count, seed] = name.match(/^n(\d+)_k\d+_seed(\d+)$/)!.map(Number);
    assertEquals([...pythonShuffle(count, seed)], shuffled);
  }
});

Deno.test("a seed of more than 32 bits enters Python's shuffle whole, and negative ones as magnitudes", () => {
  // Python 3.11: r = random.Random(2**40 + 5); l = list(range(8)); r.shuffle(l)
  assertEquals([...pythonShuffle(8, 2 ** 40 + 5)], [1, 2, 3, 6, 7, 0, 5, 4]);
  assertEquals(pythonShuffle(8, -42), pythonShuffle(8, 42));
});

Deno.test("seeds and counts that make no sense are refused by name", () => {
  assertEquals(assertThrows(() => new TorchGenerator(0.5), ConfigError).field, "seed");
  assertEquals(assertThrows(() => pythonShuffle(3, NaN), ConfigError).field, "seed");
  assertEquals(assertThrows(() => seeded().normals(-1), ConfigError).field, "count");
  assertEquals(assertThrows(() => seeded().permutation(1.5), ConfigError).field, "count");
  assert(seeded().normals(0).length === 0);
});
