/** What a trained model makes of each scan: latent trajectories as text, reconstructions as NIfTI. */
import { discard, type NdArray } from "../../base/arrays.ts";
import { letOthersRun } from "../../base/event_loop.ts";
import type { CohortSubject } from "../../data/cohort.ts";
import { voxelCount } from "../../data/frame_source.ts";
import type { DataLoader } from "../../data/loader.ts";
import { invertScaling } from "../../data/normalization.ts";
import type { ScanSpace, ScanView } from "../../data/scan_view.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { writeWhole } from "../../files/whole_file.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";

/** Where a scan lies in space and time. */
export interface ScanPlace extends ScanSpace {
  /** Seconds between frames; null when nobody says. */
  readonly repetitionTime: number | null;
}

/**
 * Where results about a scan belong: its own voxels, or the grid it was resampled to.
 *
 * @param subject Row of a cohort.
 */
export async function scanPlace(subject: CohortSubject): Promise<ScanPlace> {
  const source = await subject.open();
  try {
    const { space } = source as Partial<ScanView>;
    const anywhere = {
      spatialShape: source.spatialShape,
      restore: (values: Float32Array) => values,
    };
    return { ...space ?? anywhere, repetitionTime: subject.repetitionTime ?? null };
  } finally {
    source.close();
  }
}

/** A reconstruction beside the scan it is of, in the scan's own voxel order and with its header's facts. */
class ReconstructionFile {
  readonly #place: ScanPlace;
  readonly #file: NiftiFile;

  constructor(path: string, place: ScanPlace, frames: number) {
    const { restore: _, description, ...space } = place;
    this.#place = place;
    const words = description ? `${description}; recvae reconstruction` : "recvae reconstruction";
    this.#file = new NiftiFile(path, { ...space, frames, description: words });
  }

  /** Appends frames `[count, Z, Y, X]` of the model's order. */
  async append(values: Float32Array): Promise<void> {
    const voxels = voxelCount(this.#place.spatialShape);
    for (let at = 0; at < values.length; at += voxels) {
      await this.#file.append(this.#place.restore(values.subarray(at, at + voxels)));
    }
  }

  finish(): Promise<void> {
    return this.#file.finish();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Result of {@link rollOut}. */
export interface Trajectory {
  /** Posterior means h `[T, D]`: no noise is added. */
  readonly states: NdArray;
  /** Posterior log-variances of the states, `[T, D]`. */
  readonly logVar: NdArray;
  /** First frame of the input and of the reconstruction, normalised, `[Z, Y, X]`. */
  readonly firstFrames: { readonly input: Float32Array; readonly reconstruction: Float32Array };
}

/** Options of {@link rollOut}. */
export interface RolloutOptions {
  /** Row of the loader. */
  readonly row: number;
  /** z `[D]` of the scan; default zero. */
  readonly offset?: Float32Array;
  /** Writes the reconstruction here, in the scan's own intensities. */
  readonly path?: string;
}

/**
 * Encodes and reconstructs one scan with the posterior's mean path (ε = 0).
 *
 * @param model Trained; left in evaluation mode.
 * @param loader Holds the scan.
 * @param options Which scan, and what to write.
 * @throws {WriteError} when the reconstruction cannot be written; no part of it is left behind then.
 */
export async function rollOut(
  model: ReconstructingModel,
  loader: DataLoader,
  options: RolloutOptions,
): Promise<Trajectory> {
  const { row, path } = options;
  const { latentDim } = model.config;
  const { frames } = loader;
  const batch = loader.batch([row]);
  const scaling = loader.scalings[row];
  const subject = loader.cohort.subjects[row];
  using file = path === undefined
    ? null
    : new ReconstructionFile(path, await scanPlace(subject), frames);
  let firstFrames: Trajectory["firstFrames"] | undefined;
  const { h, posteriorLogVar } = await model.eval().rollout(batch, {
    subjects: [0],
    frames,
    offsets: { data: options.offset ?? new Float32Array(latentDim), shape: [1, latentDim] },
    noise: { data: new Float32Array(frames * latentDim), shape: [frames, 1, latentDim] },
    onFrames: async ({ start, count, reconstruction }) => {
      firstFrames ??= {
        input: Float32Array.from(await batch.read(start, 1)),
        reconstruction: Float32Array.from(
          reconstruction.subarray(0, reconstruction.length / count),
        ),
      };
      const values = reconstruction instanceof Float32Array
        ? reconstruction
        : Float32Array.from(reconstruction); // of the reference engine
      await file?.append(invertScaling(values, scaling, { firstFrame: start }));
      discard(reconstruction);
      await letOthersRun();
    },
  });
  await file?.finish();
  const shape = [frames, latentDim];
  return {
    states: { data: h.data, shape },
    logVar: { data: posteriorLogVar.data, shape },
    firstFrames: firstFrames!,
  };
}

/**
 * Writes latent states as two tables of tab-separated text, each with a header and one line a frame: the posterior's means
 * `h1 … hD` and its standard deviations `sd1 … sdD`.
 *
 * @param paths Where; see {@link statePaths}.
 * @param trajectory Of a scan.
 * @throws {WriteError} when one cannot be written.
 */
export function writeStates(
  paths: StatePaths,
  { states, logVar }: Pick<Trajectory, "states" | "logVar">,
): void {
  writeTable(paths.means, "h", states);
  writeTable(paths.deviations, "sd", deviationsOf(logVar));
}

/** Files of a scan's latent states. */
export interface StatePaths {
  readonly means: string;
  readonly deviations: string;
}

/**
 * Names of the tables of a scan.
 *
 * @param folder Where they go.
 * @param stem File name of the scan without extension.
 */
export function statePaths(folder: string, stem: string): StatePaths {
  return {
    means: `${folder}/${stem}_latents.tsv`,
    deviations: `${folder}/${stem}_latents_sd.tsv`,
  };
}

/** exp(ℓ/2): standard deviations of log-variances. */
export function deviationsOf({ data, shape }: NdArray): NdArray {
  return { data: Float64Array.from(data, (value) => Math.exp(value / 2)), shape };
}

function writeTable(path: string, letter: string, { data, shape: [frames, width] }: NdArray): void {
  const lines = [Array.from({ length: width }, (_, d) => `${letter}${d + 1}`).join("\t")];
  for (let t = 0; t < frames; t++) {
    const row = Array.from(data.subarray(t * width, (t + 1) * width));
    lines.push(row.map((value) => String(Number(value.toPrecision(9)))).join("\t"));
  }
  writeWhole(path, lines.join("\n") + "\n");
}
