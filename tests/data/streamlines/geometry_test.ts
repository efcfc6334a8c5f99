/** Resampling, lengths, distances, bundles and phantoms: golden values and control figures. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../../src/deps/std.ts";
import { ConfigError, ShapeError } from "../../../src/base/errors.ts";
import {
  flipStreamline,
  lengthsOf,
  meanDirectFlipDistance,
  nearestDistances,
  pickStreamlines,
  resampleStreamlines,
  streamlineLengths,
  type Streamlines,
  tractogramOf,
} from "../../../src/data/streamlines/geometry.ts";
import {
  IMPLAUSIBLE_KINDS,
  implausibleFibercup,
} from "../../../src/data/streamlines/implausible.ts";
import { ARCS, fibercup, sevenArcs } from "../../../src/data/streamlines/phantom.ts";
import { orientStreamlines, quickBundles } from "../../../src/data/streamlines/quick_bundles.ts";
import { fitPca } from "../../../src/linalg/pca.ts";
import { assertClose } from "../../support/closeness.ts";
import { readStreamlineFixture } from "../../support/streamline_fixtures.ts";

const golden = readStreamlineFixture("prep_metrics");
const polylines = {
  points: Float32Array.from(golden.numbers("polylines.points")),
  offsets: Uint32Array.from(golden.numbers("polylines.offsets")),
};

Deno.test("golden: resampling to 256 and 12 points, with repeated points and a line of two", () => {
  for (const points of [256, 12]) {
    const { data, shape } = resampleStreamlines(polylines, points);
    assertEquals(shape, [4, points, 3]);
    assertClose(data, golden.numbers(`resampled${points}`), { tolerance: 2e-7 });
  }
});

Deno.test("golden: lengths before and after resampling", () => {
  const wanted = golden.numbers("lengths_of_polylines");
  assertClose(streamlineLengths(polylines), wanted, { tolerance: 1e-6 });
  const after = golden.numbers("lengths_of_resampled256");
  assertClose(lengthsOf(resampleStreamlines(polylines, 256)), after, { tolerance: 1e-6 });
});

Deno.test("golden: a streamline from its other end", () => {
  const x = Float32Array.from(golden.numbers("flip.x"));
  assertEquals([...flipStreamline(x)], golden.numbers("flip.y"));
});

Deno.test("golden: the seven arcs, their table and their lengths", () => {
  assertEquals(ARCS.flat(), golden.numbers("phantom.table_cx_cy_r_a0_a1"));
  const { streamlines, labels } = sevenArcs(2);
  assertEquals([...labels], golden.numbers("phantom.labels"));
  assertClose(streamlines.data, golden.numbers("phantom.points_two_per_bundle"), {
    tolerance: 1e-7,
  });
  assertClose(lengthsOf(streamlines), golden.numbers("phantom.lengths"), { tolerance: 1e-6 });
});

Deno.test("forty streamlines of each arc scatter as far about their mean as documented", () => {
  const { streamlines: { data, shape: [count, points] } } = sevenArcs(40);
  const width = 3 * points;
  let sum = 0;
  for (let i = 0; i < width; i++) {
    let [mean, square] = [0, 0];
    for (let s = 0; s < count; s++) {
      mean += data[s * width + i] / count;
      square += data[s * width + i] ** 2 / count;
    }
    sum += (square - mean ** 2) / width;
  }
  assertAlmostEquals(sum, 853.8, 0.05);
});

Deno.test("the distance of two streamlines is that of the nearer order of points", () => {
  const a = Float32Array.of(0, 0, 0, 10, 0, 0, 20, 0, 0);
  const b = a.map((value, i) => (i % 3 === 1 ? value + 3 : value));
  assertEquals(meanDirectFlipDistance(a, b), { distance: 3, flipped: false });
  assertEquals(meanDirectFlipDistance(a, flipStreamline(b)), { distance: 3, flipped: true });
  assertThrows(() => meanDirectFlipDistance(a, b.subarray(3)), ShapeError, "resample them");
});

Deno.test("what cannot be resampled is named", () => {
  const short = { points: new Float32Array(9), offsets: Uint32Array.of(0, 2, 3) };
  assertThrows(() => resampleStreamlines(short, 4), ShapeError, "streamline 1: it has 1 points");
  assertThrows(() => resampleStreamlines(polylines, 1), ConfigError, "1 points");
});

Deno.test("QuickBundles finds the seven arcs, however their streamlines are turned", () => {
  const { streamlines, labels } = sevenArcs(20);
  const turned = streamlines.data.slice();
  for (let s = 0; s < labels.length; s += 3) {
    const own = turned.subarray(768 * s, 768 * (s + 1));
    own.set(flipStreamline(own));
  }
  const set = { data: turned, shape: streamlines.shape };
  const { labels: found, sizes, centroids } = quickBundles(tractogramOf(set), { threshold: 15 });
  assertEquals([...found], [...labels]);
  assertEquals([sizes, centroids.length], [new Array(7).fill(20), 7]);
  const oriented = orientStreamlines(set, found);
  const [first, fourth] = [0, 3].map((s) => oriented.data.subarray(768 * s, 768 * s + 3));
  assert(Math.hypot(...first.map((value, i) => value - fourth[i])) < 15);
});

const training = fibercup();
const test = fibercup({ set: "test", share: 0.2 });

/** Mean distance of points of two sets. */
function pointError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) {
    sum += Math.hypot(a[i] - b[i], a[i + 1] - b[i + 1], a[i + 2] - b[i + 2]);
  }
  return (3 * sum) / a.length;
}

const source = ({ data, shape: [rows, points] }: Streamlines) => ({
  rows,
  columns: 3 * points,
  read: (row: number) => data.subarray(row * 3 * points, (row + 1) * 3 * points),
});

Deno.test("fibercup is the phantom it should be: its three control figures", async () => {
  assertEquals([training.labels.length, test.labels.length], [3112, 622]);
  const pca = await fitPca(source(pickStreamlines(training.streamlines, everyFourth(3112))), 32);
  const { rows, read } = source(test.streamlines);
  let [error, distance] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const own = read(row);
    error += pointError(Float32Array.from(pca.reconstruct(own)), own) / rows;
    distance += pointError(Float32Array.from(pca.mean), own) / rows;
  }
  assertAlmostEquals(error, 0.155, 0.03);
  assertAlmostEquals(distance, 48, 5);
  const nearest = nearestDistances(test.streamlines, training.streamlines).sort();
  // The recipe [streamlines §2.3] gives 3.2 ± 0.3 mm elsewhere; ours, seeds 0 to 5, 3.5 to 3.9. What differs is not known.
  assertAlmostEquals(nearest[Math.floor(0.99 * nearest.length)], 3.7, 0.3);
});

/** A quarter of the rows, of every bundle: enough for 32 components. */
function everyFourth(count: number): number[] {
  return Array.from({ length: Math.floor(count / 4) }, (_, i) => 4 * i);
}

Deno.test("implausible streamlines come in four kinds, and lie far from the plausible ones", () => {
  const { streamlines, labels } = implausibleFibercup(80, { set: "test" });
  assertEquals([...labels.subarray(0, 5)], [0, 1, 2, 3, 0]);
  const near = nearestDistances(
    streamlines,
    pickStreamlines(training.streamlines, everyFourth(3112)),
  );
  IMPLAUSIBLE_KINDS.forEach((_, kind) => {
    const own = [...near].filter((_, s) => labels[s] === kind).sort((a, b) => a - b);
    assert(own[10] > 4, `${IMPLAUSIBLE_KINDS[kind]}: ${own[10]}`);
  });
});

Deno.test("the phantom is a function of its seed", () => {
  const [a, b, c] = [0, 0, 1].map((seed) => fibercup({ seed, share: 0.02 }).streamlines.data);
  assertEquals(a, b);
  assert(a.some((value, i) => value !== c[i]));
});
