/** What a trained model makes of each scan: latent trajectories as text, reconstructions as NIfTI. */
import { discard, type NdArray } from "../../base/arrays.ts";
import { letOthersRun } from "../../base/event_loop.ts";
import { sidecarRepetitionTime } from "../../data/bids.ts";
import type { BoldRun } from "../../data/bold_run.ts";
import type { CohortSubject } from "../../data/cohort.ts";
import type { DataLoader } from "../../data/loader.ts";
import { invertScaling } from "../../data/normalization.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { writeWhole } from "../../files/whole_file.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";

/** Where a scan lies in space and time. */
export interface ScanSpace {
  /** 4 × 4, row by row; undefined for synthetic scans. */
  readonly affine?: readonly number[];
  /** Seconds between frames; null when nobody says. */
  readonly repetitionTime: number | null;
}

/**
 * Reads affine and repetition time of a scan, the latter from the JSON beside it if the header has none.
 *
 * @param subject Row of a cohort.
 */
export async function scanSpace(subject: CohortSubject): Promise<ScanSpace> {
  const source = await subject.open();
  try {
    const run = source as Partial<BoldRun>;
    const repetitionTime = run.repetitionTime ?? sidecarRepetitionTime(subject.id);
    return { ...(run.affine ? { affine: run.affine } : {}), repetitionTime };
  } finally {
    source.close();
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
  using file = path === undefined ? null : new NiftiFile(path, {
    spatialShape: loader.spatialShape,
    frames,
    description: "recvae reconstruction",
    ...await scanSpace(subject),
  });
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
