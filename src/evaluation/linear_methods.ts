/**
 * The linear methods a model of latent width D stands beside: PCA(D), PCA(D) with a lag path, and one step ahead
 * persistence, AR(1) of each voxel and VAR(1) of the PCA scores, with and without the autocorrelation of what PCA leaves.
 * Fitted to training runs, scored on others; frames are read in blocks.
 */
import type { FloatArray } from "../base/arrays.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { isObserved, type MaskedRun } from "../base/masked_run.ts";
import type { LinearStart } from "../linalg/linear_start.ts";
import { solveNormalEquations, transposed } from "../linalg/normal_equations.ts";
import { ResidualAutocorrelation } from "./residual_autocorrelation.ts";
import { type ExplainedShare, VarianceExplained } from "./variance_explained.ts";

/** The methods by what they predict, in the order of a table. */
export const LINEAR_METHODS = [
  "pca",
  "pcaLag",
  "persistence",
  "voxelAr1",
  "pcaVar1",
  "pcaVar1Residual",
] as const;

/** Name of a method: the first two reconstruct a frame, the others predict it from the frame before. */
export type LinearMethod = typeof LINEAR_METHODS[number];

/** What is fitted to the training runs, beside the start. */
export interface LinearMethods {
  readonly start: LinearStart;
  /** α: AR(1) coefficient of each voxel about the training mean, `[V]`. */
  readonly voxelAr1: Float64Array;
  /** M: v_{t+1} ≈ M·v_t for plain PCA scores v, `[D, D]` row-major. */
  readonly scoreTransition: Float64Array;
  /** φ′: AR(1) coefficient of what PCA leaves of each voxel, `[V]`. */
  readonly residualAr1: Float64Array;
}

/** Frames read at a time. */
const BLOCK_FRAMES = 8;

/**
 * Fits the methods.
 *
 * @param training Training runs.
 * @param start Fitted to the same runs.
 */
export async function fitLinearMethods(
  training: readonly MaskedRun[],
  start: LinearStart,
): Promise<LinearMethods> {
  const { voxels: V, latentDim: D, mean } = start;
  const frames = new ResidualAutocorrelation(V);
  const residuals = new ResidualAutocorrelation(V);
  const [gram, cross] = [new Float64Array(D * D), new Float64Array(D * D)];
  await eachFrame(training, start, ({ x, run, t, scores, before, pca }) => {
    frames.add(x, mean, { run, t });
    residuals.add(x, pca, { run, t });
    if (!before) return;
    for (let i = 0; i < D; i++) {
      for (let j = 0; j < D; j++) {
        gram[i * D + j] += before.scores[i] * before.scores[j];
        cross[i * D + j] += before.scores[i] * scores[j];
      }
    }
  });
  const solution = solveNormalEquations(gram, cross, { size: D });
  return {
    start,
    voxelAr1: frames.result(),
    scoreTransition: solution ? transposed(solution, D) : new Float64Array(D * D),
    residualAr1: residuals.result(),
  };
}

/**
 * Scores the methods.
 *
 * @param heldOut Runs that nothing was fitted to.
 * @param methods From {@link fitLinearMethods}.
 * @returns Share of variance about the training mean: reconstructions over all observed frames, predictions over frames
 *   whose predecessor is observed too.
 */
export async function scoreLinearMethods(
  heldOut: readonly MaskedRun[],
  methods: LinearMethods,
): Promise<Record<LinearMethod, ExplainedShare>> {
  const { start, voxelAr1, residualAr1 } = methods;
  const { voxels: V, mean } = start;
  const scores = Object.fromEntries(
    LINEAR_METHODS.map((name) => [name, new VarianceExplained(mean)]),
  ) as Record<LinearMethod, VarianceExplained>;
  const prediction = new Float64Array(V);
  await eachFrame(heldOut, start, ({ x, run, pca, before }) => {
    scores.pca.add(x, pca, run);
    prediction.set(pca);
    if (before) addLag(prediction, before.scores, start);
    scores.pcaLag.add(x, prediction, run);
    if (!before) return;
    scores.persistence.add(x, before.x, run);
    for (let v = 0; v < V; v++) {
      prediction[v] = mean[v] + voxelAr1[v] * (before.x[v] - mean[v]);
    }
    scores.voxelAr1.add(x, prediction, run);
    predictScores(prediction, before.scores, methods);
    scores.pcaVar1.add(x, prediction, run);
    for (let v = 0; v < V; v++) prediction[v] += residualAr1[v] * (before.x[v] - before.pca[v]);
    scores.pcaVar1Residual.add(x, prediction, run);
  });
  return Object.fromEntries(
    LINEAR_METHODS.map((name) => [name, scores[name].result()]),
  ) as Record<LinearMethod, ExplainedShare>;
}

/** An observed frame: itself, its PCA scores v and reconstruction, and the same of the frame before where that was observed. */
interface SeenFrame {
  readonly x: FloatArray;
  readonly run: number;
  readonly t: number;
  readonly scores: Float64Array;
  readonly pca: Float64Array;
  readonly before: Pick<SeenFrame, "x" | "scores" | "pca"> | null;
}

async function eachFrame(
  runs: readonly MaskedRun[],
  start: LinearStart,
  action: (frame: SeenFrame) => void,
): Promise<void> {
  const { voxels: V } = start;
  for (const [number, run] of runs.entries()) {
    let before: SeenFrame | null = null;
    for (let from = 0; from < run.frames; from += BLOCK_FRAMES) {
      const count = Math.min(BLOCK_FRAMES, run.frames - from);
      const block = await run.read(from, count);
      for (let t = from; t < from + count; t++) {
        await letOthersRun();
        if (!isObserved(run, t)) {
          before = null;
          continue;
        }
        const x = Float64Array.from(block.subarray((t - from) * V, (t - from + 1) * V));
        const frame: SeenFrame = { x, run: number, t, ...project(x, start), before };
        action(frame);
        before = { ...frame, before: null };
      }
    }
  }
}

/** PCA scores v = V_Dᵀ(x − m) and m + V_D·v; P = diag(1/sd)·V_Dᵀ and W = V_D·diag(sd). */
function project(
  x: FloatArray,
  { voxels: V, latentDim: D, mean, encoder, decoder, deviations }: LinearStart,
) {
  const states = new Float64Array(D);
  for (let d = 0; d < D; d++) {
    for (let v = 0; v < V; v++) states[d] += encoder[d * V + v] * (x[v] - mean[v]);
  }
  const pca = Float64Array.from(mean);
  for (let v = 0; v < V; v++) {
    for (let d = 0; d < D; d++) pca[v] += decoder[v * D + d] * states[d];
  }
  return { scores: states.map((state, d) => state * deviations[d]), pca };
}

/** target += U·h of the frame before, h = v/sd. */
function addLag(
  target: Float64Array,
  scores: Float64Array,
  { latentDim: D, lag, deviations }: LinearStart,
): void {
  for (let v = 0; v < target.length; v++) {
    for (let d = 0; d < D; d++) target[v] += lag[v * D + d] * scores[d] / deviations[d];
  }
}

/** target = x̄ + V_D·M·v. */
function predictScores(
  target: Float64Array,
  scores: Float64Array,
  { scoreTransition, start: { latentDim: D, mean, decoder, deviations } }: LinearMethods,
): void {
  const states = deviations.map((sd, i) => {
    let next = 0;
    for (let j = 0; j < D; j++) next += scoreTransition[i * D + j] * scores[j];
    return next / sd;
  });
  for (let v = 0; v < target.length; v++) {
    target[v] = mean[v];
    for (let d = 0; d < D; d++) target[v] += decoder[v * D + d] * states[d];
  }
}
