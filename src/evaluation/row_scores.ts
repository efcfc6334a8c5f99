/** How well rows of a table are reconstructed, beside what any model has to beat: the mean row and principal components. */
import type { FloatArray, NdArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { fitPca } from "../linalg/pca.ts";
import { type ReconstructionScore, ScoreGatherer } from "./reconstruction_score.ts";

/** One line of a table of scores. */
export interface NamedScore extends ReconstructionScore {
  readonly name: string;
}

/** What rows are compared with. */
export interface RowComparison {
  /** Rows the model was trained on `[M, C]`, at least 2: the baselines are fitted to them. */
  readonly training: NdArray;
  /** The model's reconstruction of the scored rows `[N, C]`. */
  readonly reconstruction: NdArray;
  /** Principal components of the baseline: as many as the model has latent dimensions. */
  readonly components: number;
}

/**
 * Scores a reconstruction beside the mean of the training rows and their principal components.
 *
 * @param rows Rows to score `[N, C]`, not trained on.
 * @param comparison See {@link RowComparison}.
 * @returns Three scores: `"model"`, `"training mean"` and `"K principal components"`; a constant row has no correlation
 *   with another (NaN when all are).
 * @throws {ShapeError} when the arrays do not have the same columns, or the reconstruction not as many rows.
 * @throws {ConfigError} with fewer than two rows to fit to, or components below 1.
 */
export async function scoreRows(
  rows: NdArray,
  { training, reconstruction, components }: RowComparison,
): Promise<NamedScore[]> {
  const [count, columns] = rows.shape;
  requireRows("reconstruction", reconstruction, [count, columns]);
  requireRows("training", training, [training.shape[0], columns]);
  const at = ({ data }: NdArray, row: number): FloatArray =>
    data.subarray(row * columns, (row + 1) * columns);
  const source = { rows: training.shape[0], columns, read: (row: number) => at(training, row) };
  const pca = await fitPca(source, components);
  const scoreOf = (name: string, reconstruct: (row: number) => FloatArray): NamedScore => {
    const gatherer = new ScoreGatherer();
    for (let row = 0; row < count; row++) gatherer.add(at(rows, row), reconstruct(row));
    return { name, ...gatherer.result() };
  };
  return [
    scoreOf("model", (row) => at(reconstruction, row)),
    scoreOf("training mean", () => pca.mean),
    scoreOf(`${pca.size} principal components`, (row) => pca.reconstruct(at(rows, row))),
  ];
}

/**
 * A table of scores for people.
 *
 * @param scores In the order of the lines.
 * @returns A heading and a line a score.
 */
export function scoreLines(scores: readonly NamedScore[]): string[] {
  const width = Math.max(...scores.map(({ name }) => name.length));
  const show = (value: number) => String(Number(value.toPrecision(3))).padStart(11);
  return [
    `${"".padEnd(width)}  ${
      ["mean sq. err", "correlation", "contrast"].map((t) => t.padStart(12)).join("")
    }`,
    ...scores.map(({ name, mse, correlation, contrast }) =>
      `${name.padEnd(width)}  ${[mse, correlation, contrast].map((v) => ` ${show(v)}`).join("")}`
    ),
  ];
}

function requireRows(name: string, { shape }: NdArray, needed: readonly number[]): void {
  if (shape.join() === needed.join()) return;
  throw new ShapeError(
    `Cannot score rows: ${name} has shape [${shape}], needs [${needed}]`,
    shape,
    `[${needed}]`,
  );
}
