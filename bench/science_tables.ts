/** Rows of the tables of bench/science.ts, from what runs leave in their folders. */
import type { NdArray } from "../src/base/arrays.ts";
import type { ExplainedShare } from "../src/evaluation/variance_explained.ts";
import { eigenvalueErrors, latentRecovery } from "../src/evaluation/planted_scores.ts";
import { type Eigenvalue, eigenvalues } from "../src/linalg/eigenvalues.ts";
import type { LaggedScores } from "../src/pipelines/recurrent_vae/lagged_scores.ts";

/** Number of folds of the shipped runs: each holds out two of eight. */
export const FOLDS = 4;

/** Columns of a comparison; percent of the held-out variance. */
export const COMPARISON_COLUMNS = [
  "held out",
  "seed",
  "PCA",
  "PCA+lag",
  "model",
  "− PCA+lag",
  "ahead: AR(1)",
  "VAR(1)",
  "VAR(1)+φ",
  "state",
  "model",
  "seconds",
];

/** What is read of summary.json. */
export interface TrainedSummary {
  readonly scores: LaggedScores;
  readonly training: { readonly seconds: number };
}

/** A row of numbers under its name. */
export interface ComparisonRow {
  readonly name: string;
  readonly seed: string;
  readonly values: readonly number[];
}

/** The figures of a run. */
export function comparisonRow(
  seed: string,
  { scores, training }: TrainedSummary,
): ComparisonRow {
  const { model, linear, runs } = scores;
  const percent = ({ share }: ExplainedShare) => 100 * share;
  return {
    name: runs.map((path) => /run-(\d+)/.exec(path)?.[1] ?? path.split("/").at(-1)!.split("_")[0])
      .join(" "),
    seed,
    values: [
      percent(linear.pca),
      percent(linear.pcaLag),
      percent(model.model),
      percent(model.model) - percent(linear.pcaLag),
      percent(linear.voxelAr1),
      percent(linear.pcaVar1),
      percent(linear.pcaVar1Residual),
      percent(model.modelState),
      percent(model.modelAhead),
      training.seconds,
    ],
  };
}

/** Rows as text, and their means. */
export function comparisonCells(rows: readonly ComparisonRow[]): string[][] {
  const mean = rows[0].values.map((_, column) =>
    rows.reduce((sum, { values }) => sum + values[column], 0) / rows.length
  );
  const all = [...rows, { name: "mean", seed: "", values: mean }];
  return all.map(({ name, seed, values }) => [
    name,
    seed,
    ...values.map((value, column) => value.toFixed(column === 3 ? 2 : 1)),
  ]);
}

/** Columns of {@link plantedCells}. */
export const PLANTED_COLUMNS = [
  "runs",
  "voxels",
  "D",
  "R² of each planted state",
  "errors of the eigenvalues",
  "of training's F",
];

/** How well a run found what was planted in its scans. */
export interface PlantedFigures {
  /** R² of each planted state, regressed on the run's. */
  readonly recovery: readonly number[];
  /** Relative errors of the eigenvalues of the reported dynamics; null where there are none. */
  readonly reported: readonly number[] | null;
  /** Of training's F. */
  readonly ridge: readonly number[];
}

/**
 * Holds a run against the truth.
 *
 * @param scans Folder written by `recvae synthesize --planted`.
 * @param run Folder of a run trained on all of them.
 */
export function plantedFigures(scans: string, run: string): PlantedFigures {
  const planted = JSON.parse(Deno.readTextFileSync(`${scans}/planted.json`));
  const names = Object.keys(planted.states);
  const truth = stacked(names.map((name) => planted.states[name]));
  const states = stacked(
    names.map((name) => readTable(`${run}/latents/${name}_task-rest_latents.tsv`)),
  );
  const { F, leastSquares } = JSON.parse(Deno.readTextFileSync(`${run}/transition.json`));
  const known: Eigenvalue[] = planted.groups[0].eigenvalues;
  const errors = (matrix: number[][]) =>
    eigenvalueErrors(known, eigenvalues(Float64Array.from(matrix.flat()), matrix.length));
  return {
    recovery: [...latentRecovery(truth, states)],
    reported: leastSquares && errors(leastSquares.F),
    ridge: errors(F),
  };
}

/** The same as text. */
export function plantedCells({ recovery, reported, ridge }: PlantedFigures): string[] {
  const percent = (errors: readonly number[]) =>
    errors.map((error) => `${(100 * error).toFixed(1)} %`).join(" ");
  return [
    recovery.map((r2) => r2.toFixed(3)).join(" "),
    reported ? percent(reported) : "n/a",
    percent(ridge),
  ];
}

function readTable(path: string): number[][] {
  const [, ...lines] = Deno.readTextFileSync(path).trimEnd().split("\n");
  return lines.map((line) => line.split("\t").map(Number));
}

function stacked(runs: readonly number[][][]): NdArray {
  const rows = runs.flat();
  return { data: Float64Array.from(rows.flat()), shape: [rows.length, rows[0].length] };
}
