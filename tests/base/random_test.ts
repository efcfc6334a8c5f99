import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { philox4x32 } from "../../src/base/philox.ts";
import { RandomStream } from "../../src/base/random.ts";

/** Known answers of Philox4x32-10 published with Random123 (kat_vectors): counter, key, result. */
const KNOWN_ANSWERS = [
  "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
  "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
  "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
];

/** First draws of `fromSeed(2022).split("noise").split(1)`, recorded when the generator was first released. */
const PINNED = {
  uniforms: [0.7634652988390023, 0.9827505087507338],
  normals: [1.4280813635687852, 0.016950007405674764, -0.18612687028650027],
  permutation: [5, 6, 1, 0, 3, 4, 2, 7],
};

const stream = () => RandomStream.fromSeed(2022).split("test");

/** Σ (observed − expected)²/expected over equally likely cells. */
function chiSquare(counts: number[]): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

/** Asserts that χ² lies within ±5 standard deviations (√(2·freedom)) of its mean. */
function assertPlausibleChiSquare(counts: number[]) {
  const freedom = counts.length - 1;
  const deviation = (chiSquare(counts) - freedom) / Math.sqrt(2 * freedom);
  assert(Math.abs(deviation) < 5, `χ² is ${deviation} standard deviations from its mean`);
}

Deno.test("Philox4x32-10 gives the published known answers", () => {
  for (const line of KNOWN_ANSWERS) {
    const words = Uint32Array.from(line.split(" "), (hex) => parseInt(hex, 16));
    const result = philox4x32(words.slice(0, 4), words.slice(4, 6), new Uint32Array(4));
    assertEquals([...result], [...words.slice(6)]);
  }
});

Deno.test("a stream gives the same numbers for the same seed and path, others otherwise", () => {
  const first = (s: RandomStream) => [...s.uniforms64(4)].join();
  const root = RandomStream.fromSeed(7);
  assertEquals(first(root.split("noise").split(3)), first(root.split("noise").split(3)));
  const paths = [
    root,
    RandomStream.fromSeed(8),
    RandomStream.fromSeed(-7),
    RandomStream.fromSeed(2 ** 40 + 7),
    root.split("a"),
    root.split("a\0"),
    root.split("a").split("a"),
    root.split("b"),
    root.split("a longer name than sixteen bytes"),
    root.split("a longer name than sixteen byteS"),
    root.split(1),
    root.split("1"),
    root.split(-1),
    root.split(0.5),
    root.split("a").split(1),
    root.split(1).split("a"),
    root.split("aa"),
    root.split(""),
  ];
  assertEquals(new Set(paths.map(first)).size, paths.length);
});

Deno.test("these first draws never change (files of seeds depend on them)", () => {
  const s = RandomStream.fromSeed(2022).split("noise").split(1);
  assertEquals([...s.uniforms64(2)], PINNED.uniforms);
  assertEquals([...s.normals64(3)], PINNED.normals);
  assertEquals([...s.permutation(8)], PINNED.permutation);
});

Deno.test("splitting neither advances a stream nor depends on its position", () => {
  const a = stream();
  const b = stream();
  a.split("child");
  assertEquals(a.uniform(), b.uniform());
  assertEquals(a.split("child").uniform(), stream().split("child").uniform());
});

Deno.test("bulk draws equal single draws, also across an odd position", () => {
  const a = stream();
  const b = stream();
  assertEquals(a.uniform(), b.uniforms64(1)[0]);
  assertEquals([a.normal(), a.normal(), a.normal()], [...b.normals64(3)]);
  assertEquals(Math.fround(a.normal()), b.normals(1)[0]);
  assertEquals(Math.floor(a.uniform() * 2 ** 24) / 2 ** 24, b.uniforms(1)[0]);
  assertEquals(a.integer(1000), b.integer(1000));
});

Deno.test("uniform numbers fill [0, 1) evenly and are uncorrelated with the next", () => {
  const count = 200_000;
  const values = stream().uniforms64(count);
  const cells: number[] = new Array(256).fill(0);
  let lagged = 0;
  for (let i = 0; i < count; i++) {
    cells[Math.floor(values[i] * 256)]++;
    if (i > 0) lagged += (values[i] - 0.5) * (values[i - 1] - 0.5);
  }
  assertPlausibleChiSquare(cells);
  assert(Math.abs(lagged / count) < (5 / 12) / Math.sqrt(count));
  assert(stream().uniforms(1000).every((v) => v >= 0 && v < 1));
});

Deno.test("normal numbers have the moments of a standard normal and its cell counts", () => {
  const count = 200_000;
  const values = stream().normals64(count);
  const moments = [1, 2, 3, 4].map((k) => values.reduce((sum, v) => sum + v ** k, 0) / count);
  // Standard errors of the first four raw moments: √(1, 2, 15, 96)/√n; five of them allowed.
  const needed = [0, 1, 0, 3];
  const errors = [1, 2, 15, 96].map((variance) => 5 * Math.sqrt(variance / count));
  moments.forEach((m, k) => assert(Math.abs(m - needed[k]) < errors[k], `moment ${k + 1} is ${m}`));
  // Octiles of the standard normal.
  const octiles = [-1.1503493803760079, -0.6744897501960817, -0.31863936396437514, 0];
  const edges = [...octiles, ...octiles.slice(0, 3).reverse().map((v) => -v)];
  const cells: number[] = new Array(8).fill(0);
  for (const v of values) cells[edges.filter((edge) => v >= edge).length]++;
  assertPlausibleChiSquare(cells);
});

Deno.test("streams of neighbouring names are uncorrelated", () => {
  const count = 50_000;
  const a = stream().split(1).normals64(count);
  const b = stream().split(2).normals64(count);
  const correlation = a.reduce((sum, v, i) => sum + v * b[i], 0) / count;
  assert(Math.abs(correlation) < 5 / Math.sqrt(count));
});

Deno.test("whole numbers are unbiased, for a bound of 3 and for one near 2^53", () => {
  const s = stream();
  const cells = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) cells[s.integer(3)]++;
  assertPlausibleChiSquare(cells);
  // Without rejection, numbers below 2^51 would be twice as likely as the rest of [0, 3·2^51).
  const bound = 3 * 2 ** 51;
  let low = 0;
  for (let i = 0; i < 30_000; i++) if (s.integer(bound) < bound / 2) low++;
  assertPlausibleChiSquare([low, 30_000 - low]);
  assertEquals(s.integer(1), 0);
});

Deno.test("all six orders of three are equally likely", () => {
  const s = stream();
  const counts = new Map<string, number>();
  for (let i = 0; i < 12_000; i++) {
    const order = s.permutation(3).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 6);
  assertPlausibleChiSquare([...counts.values()]);
  assertEquals([...s.permutation(0)], []);
  assertEquals(
    [...s.permutation(50)].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  );
});

Deno.test("arguments that make no sense are refused by name", () => {
  for (const seed of [1.5, NaN, Infinity, 2 ** 53]) {
    assertEquals(assertThrows(() => RandomStream.fromSeed(seed), ConfigError).field, "seed");
  }
  assertEquals(assertThrows(() => stream().split(NaN), ConfigError).field, "name");
  for (const bound of [0, -1, 2.5, 2 ** 53]) {
    assertEquals(assertThrows(() => stream().integer(bound), ConfigError).field, "bound");
  }
  for (const draw of ["uniforms", "uniforms64", "normals", "normals64", "permutation"] as const) {
    assertEquals(assertThrows(() => stream()[draw](-1), ConfigError).field, "count");
  }
});

Deno.test("skip passes over as many draws as asked, from any position", () => {
  const expected = [...RandomStream.fromSeed(4).uniforms64(40)];
  for (const taken of [0, 1, 2, 3]) {
    for (const skipped of [0, 1, 2, 5, 6]) {
      const stream = RandomStream.fromSeed(4);
      stream.uniforms64(taken);
      stream.skip(skipped);
      const from = taken + skipped;
      assertEquals([...stream.uniforms64(5)], expected.slice(from, from + 5));
    }
  }
});

Deno.test("a kernel makes the draws of a stream from its identity", () => {
  const stream = RandomStream.fromSeed(4).split("kernel");
  const [key0, key1, counter2, counter3] = stream.identity;
  const expected = stream.uniforms(6);
  for (let draw = 0; draw < 6; draw++) {
    const counter = Uint32Array.of(draw >> 1, 0, counter2, counter3);
    const block = philox4x32(counter, Uint32Array.of(key0, key1), new Uint32Array(4));
    const [low, high] = [block[2 * (draw % 2)], block[2 * (draw % 2) + 1]];
    assertEquals(((high >>> 11) * 8 + (low >>> 29)) / 2 ** 24, expected[draw]);
  }
  stream.identity[0] = 0;
  assertEquals(stream.identity[0], key0);
});
