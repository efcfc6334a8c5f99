import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { fitPca, type RowSource } from "../../src/linalg/pca.ts";
import { symmetricEigenvalues } from "../../src/linalg/symmetric.ts";

/** A source that hands out one reused buffer, as a streaming reader does. */
function reusingSource(values: Float64Array, columns: number): RowSource & { reads: number } {
  const buffer = new Float32Array(columns);
  return {
    rows: values.length / columns,
    columns,
    reads: 0,
    read(index) {
      this.reads++;
      buffer.set(values.subarray(index * columns, (index + 1) * columns));
      return Promise.resolve(buffer);
    },
  };
}

/** Correlated data: 20 rows × 13 columns in float32 values. */
const COLUMNS = 13;
const data = (() => {
  const noise = RandomStream.fromSeed(9).normals(20 * COLUMNS);
  return Float64Array.from(noise, (v, i) => Math.fround(5 + v * (1 + (i % COLUMNS))));
})();
const rowOf = (i: number) => data.subarray(i * COLUMNS, (i + 1) * COLUMNS);

/** Covariance of the columns, the other way round from the Gram matrix. */
function columnCovariance(): Float64Array {
  const rows = data.length / COLUMNS;
  const mean = new Float64Array(COLUMNS);
  for (let i = 0; i < rows; i++) rowOf(i).forEach((v, c) => mean[c] += v / rows);
  const covariance = new Float64Array(COLUMNS * COLUMNS);
  for (let i = 0; i < rows; i++) {
    const row = rowOf(i).map((v, c) => v - mean[c]);
    row.forEach((a, p) => row.forEach((b, q) => covariance[p * COLUMNS + q] += a * b / (rows - 1)));
  }
  return covariance;
}

Deno.test("explained variances are the eigenvalues of the covariance of the columns", async () => {
  const pca = await fitPca(reusingSource(data, COLUMNS), 5);
  const expected = symmetricEigenvalues(columnCovariance(), COLUMNS);
  assertEquals(pca.size, 5);
  pca.explainedVariance.forEach((v, k) => assertAlmostEquals(v, expected[k], 1e-10 * expected[0]));
  const total = expected.reduce((a, b) => a + b);
  assertAlmostEquals(pca.totalVariance, total, 1e-11 * total);
});

Deno.test("the squared error left on the training rows is the variance of the dropped components", async () => {
  const rows = data.length / COLUMNS;
  const pca = await fitPca(reusingSource(data, COLUMNS), 4);
  let squared = 0;
  for (let i = 0; i < rows; i++) {
    const rebuilt = pca.reconstruct(rowOf(i));
    rowOf(i).forEach((v, c) => squared += (v - rebuilt[c]) ** 2);
  }
  const dropped = pca.totalVariance - pca.explainedVariance.reduce((a, b) => a + b);
  assertAlmostEquals(squared / (rows - 1), dropped, 1e-9 * pca.totalVariance);
});

Deno.test("components are orthonormal and coordinates survive the round trip", async () => {
  const pca = await fitPca(reusingSource(data, COLUMNS), 6);
  for (let k = 0; k < 6; k++) {
    for (let m = 0; m < 6; m++) {
      let dot = 0;
      for (let c = 0; c < COLUMNS; c++) {
        dot += pca.components[k * COLUMNS + c] * pca.components[m * COLUMNS + c];
      }
      assertAlmostEquals(dot, k === m ? 1 : 0, 1e-12);
    }
  }
  const coordinates = RandomStream.fromSeed(2).normals64(6);
  const again = pca.transform(pca.inverseTransform(coordinates));
  again.forEach((v, k) => assertAlmostEquals(v, coordinates[k], 1e-12));
});

Deno.test("tiles of any size give the same components", async () => {
  const whole = await fitPca(reusingSource(data, COLUMNS), 3);
  for (const rowsPerTile of [1, 5, 7]) {
    const source = reusingSource(data, COLUMNS);
    const tiled = await fitPca(source, 3, { tileBytes: rowsPerTile * COLUMNS * 8 });
    assertEquals(tiled.explainedVariance, whole.explainedVariance);
    assertEquals(tiled.components, whole.components);
    assert(source.reads > 60, "a small tile must stream the rows again");
  }
});

Deno.test("no more components come out than the centred rows have dimensions", async () => {
  const line = Float64Array.of(1, 2, 3, 2, 4, 6, 3, 6, 9);
  const pca = await fitPca(reusingSource(line, 3), 3);
  assertEquals(pca.size, 1);
  const onLine = Float64Array.of(7, 14, 21);
  pca.reconstruct(onLine).forEach((v, c) => assertAlmostEquals(v, onLine[c], 1e-12));
  const constant = await fitPca(reusingSource(new Float64Array(8).fill(3), 4), 2);
  assertEquals(constant.size, 0);
  assertEquals(constant.reconstruct(new Float64Array(4)), new Float64Array(4).fill(3));
});

Deno.test("requests that make no sense are refused", async () => {
  await assertRejects(() => fitPca(reusingSource(data, COLUMNS), 0), ConfigError, "components");
  await assertRejects(() => fitPca(reusingSource(rowOf(0), COLUMNS), 1), ConfigError, "at least 2");
  const lying = { rows: 2, columns: 4, read: () => new Float64Array(3) };
  await assertRejects(() => fitPca(lying, 1), ShapeError, "row 0 has 3");
  const pca = await fitPca(reusingSource(data, COLUMNS), 2);
  assertThrows(() => pca.transform(new Float64Array(3)), ShapeError, "needs 13");
  assertThrows(() => pca.inverseTransform(new Float64Array(3)), ShapeError, "needs 2");
});
