/**
 * Principal components of frames, the linear baseline a model of the same latent size has to beat.
 *
 * Economy form: with fewer frames than voxels the components follow from the eigenvectors of the frames' Gram matrix
 * XXᵀ, so nothing of size voxels² exists and frames are read in tiles, never held all at once. float64
 * throughout. Cost: rows²·columns/2 multiply–adds.
 */
import { discard, type FloatArray } from "../base/arrays.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { checkOptions, integer, record } from "../base/fields.ts";
import { symmetricEigen } from "./symmetric.ts";

/** Rows of a matrix that can be read one by one, for example the masked voxels of each frame. */
export interface RowSource {
  /** Number of rows (frames), at least 2. */
  readonly rows: number;
  /** Values per row (voxels). */
  readonly columns: number;
  /** Gives row `index`, `[columns]`; valid until the next call. Rows are read several times. */
  read(index: number): FloatArray | Promise<FloatArray>;
}

/** Memory for the rows of a tile unless told otherwise: 128 MiB. */
const DEFAULT_TILE_BYTES = 128 * 2 ** 20;

const PCA_OPTIONS = record<{ readonly tileBytes?: number }>({ tileBytes: integer({ least: 1 }) });

/** A fitted principal component analysis of K components over C columns. */
export class Pca {
  /**
   * Holds a fit; use {@link fitPca} to make one.
   *
   * @param mean `[C]`, mean row.
   * @param components `[K, C]` row-major, orthonormal rows.
   * @param explainedVariance `[K]`, variance along each component (divisor rows − 1), largest first.
   * @param totalVariance Sum of the variances of all columns.
   */
  constructor(
    readonly mean: Float64Array,
    readonly components: Float64Array,
    readonly explainedVariance: Float64Array,
    readonly totalVariance: number,
  ) {}

  /** Number of components K. */
  get size(): number {
    return this.explainedVariance.length;
  }

  /**
   * Coordinates of a row.
   *
   * @param row `[C]`.
   * @returns `[K]`.
   */
  transform(row: FloatArray): Float64Array {
    const { mean, components } = this;
    checkLength(row, mean.length, "row");
    return new Float64Array(this.size).map((_, k) => {
      let sum = 0;
      const start = k * mean.length;
      for (let c = 0; c < mean.length; c++) sum += components[start + c] * (row[c] - mean[c]);
      return sum;
    });
  }

  /**
   * The row at these coordinates.
   *
   * @param coordinates `[K]`.
   * @returns `[C]`.
   */
  inverseTransform(coordinates: FloatArray): Float64Array {
    checkLength(coordinates, this.size, "coordinates");
    const row = this.mean.slice();
    coordinates.forEach((value, k) => addScaled(row, this.components, k * row.length, value));
    return row;
  }

  /**
   * The closest row the components can express.
   *
   * @param row `[C]`.
   * @returns `[C]`.
   */
  reconstruct(row: FloatArray): Float64Array {
    return this.inverseTransform(this.transform(row));
  }
}

/**
 * Fits principal components.
 *
 * @param source Rows to read; each is read about rows·columns·4/tileBytes + 3 times.
 * @param components K ≥ 1 wanted; fewer are returned when the centred rows have a smaller rank.
 * @param options `tileBytes`: memory for rows held at a time.
 * @throws {ConfigError} when fewer than two rows or components below 1 are asked for.
 * @throws {ShapeError} when a row has another length than `columns`.
 *
 * @example
 * ```ts
 * const frames = [[1, 1], [2, 2], [3, 3]].map((row) => Float64Array.from(row));
 * const pca = await fitPca({ rows: 3, columns: 2, read: (i) => frames[i] }, 1);
 * if (Math.abs(pca.reconstruct(Float64Array.of(5, 5))[0] - 5) > 1e-12) throw new Error("not on the line");
 * ```
 */
export async function fitPca(
  source: RowSource,
  components: number,
  options: { readonly tileBytes?: number } = {},
): Promise<Pca> {
  checkOptions(options, PCA_OPTIONS, { doing: "Cannot fit principal components" });
  checkRequest(source, components);
  const { rows, columns } = source;
  const mean = new Float64Array(columns);
  for (let i = 0; i < rows; i++) addScaled(mean, await readRow(source, i), 0, 1 / rows);
  const gram = await centredGram(source, mean, options.tileBytes ?? DEFAULT_TILE_BYTES);
  const { values, vectors } = symmetricEigen(gram, rows);
  const floor = rows * Number.EPSILON * values[0];
  const size = values.subarray(0, components).filter((value) => value > floor).length;

  // Component k = Xᵀu_k/√λ_k, where λ_k, u_k is an eigenpair of the Gram matrix.
  const axes = new Float64Array(size * columns);
  for (let i = 0; i < rows; i++) {
    const row = centred(await readRow(source, i), mean);
    for (let k = 0; k < size; k++) {
      const scale = vectors[k * rows + i] / Math.sqrt(values[k]);
      addScaled(axes.subarray(k * columns, (k + 1) * columns), row, 0, scale);
    }
    discard(row);
  }
  let total = 0;
  for (let i = 0; i < rows; i++) total += gram[i * rows + i] / (rows - 1);
  const variances = values.slice(0, size).map((value) => value / (rows - 1));
  return new Pca(mean, axes, variances, total);
}

/** XcXcᵀ `[rows, rows]` of the rows minus `mean`: a tile of rows is held, all later rows stream past it. */
async function centredGram(source: RowSource, mean: Float64Array, tileBytes: number) {
  const { rows, columns } = source;
  const tileRows = Math.max(4, Math.floor(tileBytes / (8 * Math.max(1, columns))));
  const gram = new Float64Array(rows * rows);
  for (let start = 0; start < rows; start += tileRows) {
    const tile: Float64Array[] = [];
    for (let i = start; i < rows; i++) {
      const row = centred(await readRow(source, i), mean);
      if (tile.length < tileRows) tile.push(row);
      for (let j = 0; j < tile.length; j += 4) {
        const products = dotFour(row, tile, j);
        for (let p = 0; p < Math.min(4, tile.length - j); p++) {
          gram[i * rows + start + j + p] = products[p];
          gram[(start + j + p) * rows + i] = products[p];
        }
      }
      if (row !== tile.at(-1)) discard(row);
    }
    tile.forEach(discard);
  }
  return gram;
}

/** Dot products of `row` with tile[j … j + 3]; past the end of the tile the last row repeats. */
function dotFour(row: Float64Array, tile: readonly Float64Array[], j: number) {
  const [a, b, c, d] = [0, 1, 2, 3].map((p) => tile[Math.min(j + p, tile.length - 1)]);
  let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
  for (let i = 0; i < row.length; i++) {
    const value = row[i];
    sumA += value * a[i];
    sumB += value * b[i];
    sumC += value * c[i];
    sumD += value * d[i];
  }
  return [sumA, sumB, sumC, sumD];
}

/** target += scale·values[start …]. */
function addScaled(target: Float64Array, values: FloatArray, start: number, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i] += scale * values[start + i];
}

function centred(row: FloatArray, mean: Float64Array): Float64Array {
  const result = new Float64Array(mean.length);
  for (let i = 0; i < result.length; i++) result[i] = row[i] - mean[i];
  return result;
}

async function readRow(source: RowSource, index: number): Promise<FloatArray> {
  await letOthersRun();
  const row = await source.read(index);
  checkLength(row, source.columns, `row ${index}`);
  return row;
}

function checkLength(values: FloatArray, needed: number, what: string): void {
  if (values.length === needed) return;
  throw new ShapeError(
    `Cannot use principal components: ${what} has ${values.length} values, needs ${needed}`,
    [values.length],
    `[${needed}]`,
  );
}

function checkRequest(source: RowSource, components: number): void {
  if (!(source.rows >= 2)) {
    throw new ConfigError(
      "rows",
      `Cannot fit principal components: found ${source.rows} rows, needs at least 2`,
    );
  }
  if (!Number.isSafeInteger(components) || components < 1) {
    throw new ConfigError(
      "components",
      `Cannot fit principal components: components is ${components}, needs a whole number of at least 1`,
    );
  }
}
