/** Scores of a trained VAE beside what it has to beat: the training mean, and PCA of the same width. */
import type { NdArray } from "../../base/arrays.ts";
import { RecvaeError } from "../../base/errors.ts";
import { probeFeatures, type ProbeResult } from "../../evaluation/probing.ts";
import { type NamedScore, scoreRows } from "../../evaluation/row_scores.ts";
import { fitPca } from "../../linalg/pca.ts";
import type { EncodedSamples, VAE } from "../../models/vae/vae.ts";
import { scaleSamples } from "../../data/sample_scaling.ts";
import type { VaeData } from "./data.ts";

/** KL above which a latent is in use. */
const IN_USE = 0.01;

/** A line of the table of reconstructions. */
export interface ReconstructionRow extends NamedScore {
  /** 1 − mse/mse of the training mean. */
  readonly varianceExplained: number;
}

/** What is known of a trained model. */
export interface VaeScores {
  /** Of the held-out samples: the model, the training mean, PCA. */
  readonly reconstruction: readonly ReconstructionRow[];
  readonly heldOut: number;
  /** Divergence of each latent, mean over the held-out samples, in nats. */
  readonly klPerLatent: readonly number[];
  /** How many of them are above 0.01. */
  readonly latentsInUse: number;
  /** Where there are targets; what could not be probed says why. */
  readonly probe?: {
    readonly unit: string;
    readonly latents: ProbeResult;
    readonly pca: ProbeResult;
  } | { readonly problem: string };
}

/** Latents of all samples, rows of the set. */
export function encodeAll(model: VAE, { set, scaling }: VaeData): Promise<EncodedSamples> {
  return model.encode(scaleSamples(set.values, scaling));
}

/**
 * Scores held-out samples.
 *
 * @param model Trained.
 * @param data Its data.
 * @param encoded Latents of all samples.
 */
export async function scoreModel(
  model: VAE,
  data: VaeData,
  encoded: EncodedSamples,
): Promise<VaeScores> {
  const rows = flat(data.heldOut.x);
  const training = flat(data.training.x);
  const reconstruction = flat(await model.reconstruct(data.heldOut.x));
  const components = Math.min(model.latentDim, training.shape[0] - 1);
  const scores = await scoreRows(rows, { training, reconstruction, components });
  const reference = scores[1].mse;
  const kl = klPerLatent(encoded, data.heldOut.rows);
  return {
    reconstruction: scores.map((one) => ({ ...one, varianceExplained: 1 - one.mse / reference })),
    heldOut: rows.shape[0],
    klPerLatent: kl,
    latentsInUse: kl.filter((value) => value > IN_USE).length,
    ...(data.set.targets ? { probe: await probe(data, encoded, components) } : {}),
  };
}

/** The model's means and the coordinates of principal components, probed alike. */
async function probe(data: VaeData, { mu }: EncodedSamples, components: number) {
  try {
    const columns = data.set.values.data.length / data.set.values.shape[0];
    const training = flat(data.training.x);
    const pca = await fitPca({
      rows: training.shape[0],
      columns,
      read: (row) => training.data.subarray(row * columns, (row + 1) * columns),
    }, components);
    const all = flat(scaleSamples(data.set.values, data.scaling));
    const coordinates = Array.from(
      { length: all.shape[0] },
      (_, row) => [...pca.transform(all.data.subarray(row * columns, (row + 1) * columns))],
    ).flat();
    const pcaFeatures = { data: Float64Array.from(coordinates), shape: [all.shape[0], pca.size] };
    return {
      unit: probeUnits(data).blocks ? "blocks" : "samples",
      latents: await probeSamples(data, mu),
      pca: await probeSamples(data, pcaFeatures),
    };
  } catch (error) {
    if (!(error instanceof RecvaeError)) throw error;
    return { problem: error.message };
  }
}

/**
 * Probes features of all samples for the targets of the set, every group held out once; frames of a block are averaged first.
 *
 * @param data With targets.
 * @param features `[N, D]`, rows of the set.
 * @throws {ConfigError} when targets or groups are too few.
 */
export function probeSamples(data: VaeData, features: NdArray): Promise<ProbeResult> {
  const { units } = probeUnits(data);
  const [, width] = features.shape;
  const means = new Float64Array(units.length * width);
  units.forEach((rows, i) => {
    for (const row of rows) {
      for (let d = 0; d < width; d++) {
        means[i * width + d] += features.data[row * width + d] / rows.length;
      }
    }
  });
  return probeFeatures({ data: means, shape: [units.length, width] }, {
    targets: units.map(([row]) => data.set.targets![row]),
    groups: units.map(([row]) => data.set.groups[row]),
  });
}

/** Rows that are one unit: consecutive frames of one group and label, else each row. */
function probeUnits({ set: { targets = [], groups, names } }: VaeData) {
  const blocks = names.every((name) => /^frame \d+ of /.test(name));
  const units: number[][] = [];
  targets.forEach((target, row) => {
    if (target === "") return;
    const before = units.at(-1);
    const goes = blocks && before?.at(-1) === row - 1 && targets[row - 1] === target &&
      groups[row - 1] === groups[row];
    if (goes) before!.push(row);
    else units.push([row]);
  });
  return { units, blocks };
}

function klPerLatent({ mu, logVar }: EncodedSamples, rows: readonly number[]): number[] {
  const [, width] = mu.shape;
  return Array.from({ length: width }, (_, d) =>
    rows.reduce((sum, row) => {
      const [m, l] = [mu.data[row * width + d], logVar.data[row * width + d]];
      return sum + 0.5 * (Math.exp(l) + m * m - 1 - l) / rows.length;
    }, 0));
}

/** `[N, columns]`. */
export function flat({ data, shape: [rows] }: NdArray): NdArray {
  return { data, shape: [rows, data.length / rows] };
}

/** The scores as lines for people. */
export function scoreText(scores: VaeScores, latentDim: number): string {
  const names = ["this model", "training mean", `PCA with ${latentDim} components`];
  const order = [1, 0, 2];
  const width = Math.max(...names.map((name) => name.length));
  const lines = [
    `Reconstruction of the ${scores.heldOut} held-out samples:`,
    `  ${"".padEnd(width)}   variance   mean sq.`,
    `  ${"".padEnd(width)}  explained      error`,
    ...order.map((i) => {
      const { varianceExplained, mse, name } = scores.reconstruction[i];
      const shown = i === 2 ? `PCA with ${parseInt(name)} components` : names[i];
      return `  ${shown.padEnd(width)}  ${
        `${(100 * varianceExplained).toFixed(1)} %`.padStart(9)
      }  ${mse.toPrecision(3).padStart(9)}`;
    }),
    "  Variance is about the mean of the training samples.",
    `Latents   ${scores.latentsInUse} of ${latentDim} have a KL divergence above ${IN_USE} nats`,
  ];
  return [...lines, ...probeLines(scores.probe)].join("\n");
}

function probeLines(probe: VaeScores["probe"]): string[] {
  if (!probe) return [];
  if ("problem" in probe) return [`Probe     ${probe.problem}`];
  const { latents, pca, unit } = probe;
  const of = (result: ProbeResult) =>
    result.kind === "numbers"
      ? `R² ${result.score.toFixed(3)}`
      : `${result.right} of ${result.rows} ${unit} right (balanced ${
        (100 * result.score).toFixed(1)
      } %)`;
  const chance = latents.kind === "numbers"
    ? "0"
    : `${(latents.rows * latents.chance).toFixed(0)} of ${latents.rows}`;
  return [
    `Probe     linear, ${latents.folds} folds, every group held out once from the probe:`,
    `          latents ${of(latents)}, PCA ${of(pca)}, chance ${chance}`,
  ];
}
