/** Facts about a finished run, for `inspect`. */
import { describeNormalization } from "../../data/normalization.ts";
import { eigenvalues } from "../../linalg/eigenvalues.ts";
import { readRun } from "../../training/run_folder.ts";
import { openRun } from "./trained_model.ts";

/**
 * What was trained, how far, and what came of it.
 *
 * @param folder Of the run.
 * @throws {CheckpointError} when it is missing or damaged.
 */
export async function runFacts(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const run = await openRun(folder);
  const { weights, version } = await readRun(folder);
  const { model, training, data } = run.config;
  const matrix = weights.get("F_mat");
  const spectrum = matrix ? eigenvalues(matrix.data as Float32Array, model.latentDim) : [];
  return {
    kind: "run of recvae train",
    version,
    epochs: `${run.epoch} of ${model.epochs}`,
    preset: training.preset,
    data: data.kind === "files" ? `${data.files!.length} files` : data.kind,
    normalisation: describeNormalization(run.normalization),
    spatialShape: model.spatialShape,
    frames: model.tolTime,
    latentDim: model.latentDim,
    channels: model.channels,
    subjects: weights.get("z_vectors")?.shape[0],
    eigenvalueModuli: spectrum.map(({ modulus }) => Number(modulus.toPrecision(4))),
  };
}
