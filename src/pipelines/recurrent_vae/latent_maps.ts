/**
 * What each latent dimension means in space: how the decoded volume changes when the state moves along that dimension from
 * its mean over the training runs. A numerical Jacobian, so linear paths and convolutions count alike.
 */
import type { NdArray } from "../../base/arrays.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import type { NiftiImageFacts } from "../../formats/nifti_write.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";

/** Step of the central difference, in standard deviations of the state over the training frames. */
const STEP = 0.1;

/** Maps of D dimensions. */
export interface LatentMaps {
  /** Change of the normalised volume for one standard deviation of the state, `[D, Z·Y·X]`. */
  readonly maps: Float32Array;
  /** Standard deviation of each dimension over the training frames, `[D]`. */
  readonly deviations: Float64Array;
}

/**
 * Computes the maps.
 *
 * @param model Trained; left in evaluation mode.
 * @param states Posterior means of the training runs, `[T, D]` each.
 */
export async function latentMaps(
  model: Pick<ReconstructingModel, "config" | "eval" | "decode">,
  states: readonly NdArray[],
): Promise<LatentMaps> {
  const D = model.config.latentDim;
  const { mean, deviations } = moments(states, D);
  const volumeAt = async (d: number, step: number) => {
    const data = Float32Array.from(mean, (value, k) => k === d ? value + step : value);
    return (await model.eval().decode({ data, shape: [1, D] })).data;
  };
  const maps: Float32Array[] = [];
  for (let d = 0; d < D; d++) {
    const step = STEP * (deviations[d] || 1);
    const [above, below] = [await volumeAt(d, step), await volumeAt(d, -step)];
    const scale = deviations[d] / (2 * step);
    maps.push(Float32Array.from(above, (value, v) => (value - below[v]) * scale));
  }
  return { maps: joined(maps), deviations };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.length * parts[0].length);
  parts.forEach((part, n) => result.set(part, n * part.length));
  return result;
}

/**
 * Writes maps as one NIfTI file with an image a dimension.
 *
 * @param path Where.
 * @param maps From {@link latentMaps}.
 * @param facts Size and affine.
 * @throws {WriteError} when it cannot be written.
 */
export async function writeMaps(
  path: string,
  { maps, deviations }: LatentMaps,
  facts: Omit<NiftiImageFacts, "frames" | "repetitionTime">,
): Promise<void> {
  using file = new NiftiFile(path, {
    ...facts,
    frames: deviations.length,
    description: "recvae latent maps, one a dimension",
  });
  await file.append(maps);
  await file.finish();
}

function moments(states: readonly NdArray[], D: number) {
  const [sum, squares] = [new Float64Array(D), new Float64Array(D)];
  let frames = 0;
  for (const { data } of states) {
    frames += data.length / D;
    for (let i = 0; i < data.length; i++) sum[i % D] += data[i];
  }
  const mean = sum.map((value) => value / frames);
  for (const { data } of states) {
    for (let i = 0; i < data.length; i++) squares[i % D] += (data[i] - mean[i % D]) ** 2;
  }
  return { mean, deviations: squares.map((value) => Math.sqrt(value / frames)) };
}
