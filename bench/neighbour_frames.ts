/**
 * What reading a frame off the states around it is worth, in closed form: PCA, and a ridge of what it leaves on the scores of
 * neighbouring frames, on four folds of the runs that ship with the project.
 */
import { cohortFromFiles, selectSubjects } from "../src/data/cohort.ts";
import { voxelIndex } from "../src/data/data_mask.ts";
import { buildDataLoader, type DataLoader } from "../src/data/loader.ts";
import { openMask } from "../src/data/mask.ts";
import { maskedRuns } from "../src/data/masked_runs.ts";
import { fitLinearStart, type LinearStart } from "../src/linalg/linear_start.ts";
import { solveNormalEquations } from "../src/linalg/normal_equations.ts";

const FOLDER = new URL("../data/haxby2001/", import.meta.url).pathname;
const [D, T, PENALTY] = [10, 120, 0.5];

/** Which neighbours are read: −1 is the frame before. */
export const NEIGHBOURS: readonly (readonly number[])[] = [[], [-1], [1], [-1, 1], [-2, -1], [
  -2,
  -1,
  1,
  2,
]];

/** Frames of a run, its states, and what PCA leaves. */
interface RunParts {
  readonly x: Float64Array;
  readonly h: Float64Array;
  readonly rest: Float64Array;
}

/** Percent of the held-out variance for each of {@link NEIGHBOURS}, a row a fold: {1,2} {3,4} {5,6} {7,8}. */
export async function neighbourShares(): Promise<number[][]> {
  const files = Array.from(
    { length: 8 },
    (_, n) => `${FOLDER}sub-1_task-objectviewing_run-0${n + 1}_bold.nii.gz`,
  );
  const cohort = await cohortFromFiles(files, { tolTime: T });
  const mask = await openMask(`${FOLDER}masks/sub-1_desc-brain_mask.nii.gz`, cohort.spatialShape);
  const voxels = voxelIndex(mask);
  const shares: number[][] = [];
  for (let fold = 0; fold < 4; fold++) {
    const test = [2 * fold, 2 * fold + 1];
    const rest = [0, 1, 2, 3, 4, 5, 6, 7].filter((row) => !test.includes(row));
    const train = await buildDataLoader(selectSubjects(cohort, rest), {
      normalization: "run-z-score",
      mask,
    });
    const heldOut = await buildDataLoader(selectSubjects(cohort, test), {
      normalization: train.normalization,
    });
    const start = await fitLinearStart(runsOf(train, voxels), { latentDim: D });
    const [fitted, scored] = [
      await partsOf(train, voxels, start),
      await partsOf(heldOut, voxels, start),
    ];
    shares.push(NEIGHBOURS.map((offsets) => 100 * shareOf(fitted, scored, offsets)));
  }
  return shares;
}

function runsOf(loader: DataLoader, voxels: Int32Array) {
  return maskedRuns(loader.cohort.subjects.map((_, row) => loader.batch([row])), voxels);
}

async function partsOf(
  loader: DataLoader,
  voxels: Int32Array,
  start: LinearStart,
): Promise<RunParts[]> {
  const { mean, encoder, decoder, voxels: V } = start;
  const parts: RunParts[] = [];
  for (const run of runsOf(loader, voxels)) {
    const x = Float64Array.from(await run.read(0, T), (value, i) => value - mean[i % V]);
    const h = new Float64Array(T * D);
    const rest = x.slice();
    for (let t = 0; t < T; t++) {
      for (let d = 0; d < D; d++) {
        for (let v = 0; v < V; v++) h[t * D + d] += encoder[d * V + v] * x[t * V + v];
      }
      for (let v = 0; v < V; v++) {
        for (let d = 0; d < D; d++) rest[t * V + v] -= decoder[v * D + d] * h[t * D + d];
      }
    }
    parts.push({ x, h, rest });
  }
  return parts;
}

/** States at the offsets, 0 beyond the ends of the run. */
function neighboursAt(h: Float64Array, t: number, offsets: readonly number[]): number[] {
  return offsets.flatMap((offset) =>
    Array.from({ length: D }, (_, d) => h[(t + offset) * D + d] ?? 0)
  );
}

function shareOf(
  fitted: readonly RunParts[],
  scored: readonly RunParts[],
  offsets: readonly number[],
): number {
  const K = offsets.length * D;
  const V = fitted[0].x.length / T;
  const [gram, cross] = [new Float64Array(K * K), new Float64Array(K * V)];
  for (const { h, rest } of fitted) {
    for (let t = 0; t < T; t++) {
      const z = neighboursAt(h, t, offsets);
      for (let i = 0; i < K; i++) {
        for (let j = 0; j < K; j++) gram[i * K + j] += z[i] * z[j];
        for (let v = 0; v < V; v++) cross[i * V + v] += z[i] * rest[t * V + v];
      }
    }
  }
  const weights = K === 0
    ? new Float64Array(0)
    : solveNormalEquations(gram, cross, { size: K, penalty: PENALTY * T * fitted.length })!;
  let error = 0, total = 0;
  for (const { x, h, rest } of scored) {
    for (let t = 0; t < T; t++) {
      const z = neighboursAt(h, t, offsets);
      for (let v = 0; v < V; v++) {
        let left = rest[t * V + v];
        for (let i = 0; i < K; i++) left -= z[i] * weights[i * V + v];
        error += left * left;
        total += x[t * V + v] ** 2;
      }
    }
  }
  return 1 - error / total;
}
