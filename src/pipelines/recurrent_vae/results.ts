/** Writes what a trained run leaves behind for people: latents, F, reconstructions, figures, the report page. */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { DataLoader } from "../../data/loader.ts";
import { isRunKind } from "../../data/normalization.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { reportDynamics, type ReportedDynamics } from "../../evaluation/reported_dynamics.ts";
import type { NiftiImageFacts } from "../../formats/nifti_write.ts";
import { type Eigenvalue, eigenvalues } from "../../linalg/eigenvalues.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";
import { eigenvaluePlot } from "../../reports/eigenvalue_plot.ts";
import { latentTrajectories } from "../../reports/latent_trajectories.ts";
import { type EpochRecord, lossCurve } from "../../reports/loss_curve.ts";
import { mapMontage } from "../../reports/map_montage.ts";
import { reportPage } from "../../reports/page.ts";
import { sliceComparison } from "../../reports/slice_comparison.ts";
import { type LatentMaps, latentMaps, writeMaps } from "./latent_maps.ts";
import type { PreparedData } from "./prepared_data.ts";
import { toJson } from "../../files/json.ts";
import { rollOut, statePaths, type Trajectory, writeStates } from "./rollouts.ts";
import { RUN_LAYOUT } from "../run_folder.ts";
import { RESULT_FILES } from "./result_files.ts";
import { uniqueStems } from "./scan_names.ts";

/** What the figures and the summary need. */
export interface RunResults {
  /** Of F, largest modulus first. */
  readonly eigenvalues: readonly Eigenvalue[];
  /** Least squares on the posterior means of the training runs; null where they do not determine it. */
  readonly dynamics: ReportedDynamics | null;
  /** What each dimension changes in space. */
  readonly maps: LatentMaps;
  /** Seconds between frames of the first scan; null when nobody says. */
  readonly repetitionTime: number | null;
  /** States of the held-out runs (of all runs, if none are held out), `[N, T, D]`. */
  readonly states: NdArray;
  /** Posterior log-variances of these states, `[N, T, D]`. */
  readonly logVar: NdArray;
  /** First frames of the first of these runs. */
  readonly example: Trajectory["firstFrames"];
  /** File name of that run, without extension. */
  readonly exampleName: string;
  /** Whether these runs were held out. */
  readonly heldOut: boolean;
}

/**
 * Writes subjects.tsv, transition.json, latents of all runs and reconstructions of the held-out ones (of all
 * runs, if none are held out).
 *
 * @param folder Of the run.
 * @param model Trained.
 * @param data Its data.
 * @throws {WriteError} when a file cannot be written; those before it are whole. {@link writeReport} the same.
 */
export async function writeResults(
  folder: string,
  model: ReconstructingModel,
  data: PreparedData,
): Promise<RunResults> {
  for (const name of [RESULT_FILES.latents, RESULT_FILES.reconstructions]) {
    makeFolder(`${folder}/${name}`, { parents: false });
  }
  const stems = uniqueStems(data.cohort.subjects);
  writeSubjects(folder, data, stems);
  const table = await model.subjectOffsets();
  const width = model.config.latentDim;
  const trained = await rollOutAll(folder, model, {
    loader: data.train,
    stems: data.split.train.map((row) => stems[row]),
    offset: (row) => Float32Array.from(table.data.subarray(row * width, (row + 1) * width)),
    reconstruct: data.heldOut === null,
  });
  const heldOut = data.heldOut && await rollOutAll(folder, model, {
    loader: data.heldOut,
    stems: data.split.test.map((row) => stems[row]),
    reconstruct: true,
  });
  const { grid, repetitionTime = null } = data.cohort;
  const space = {
    spatialShape: model.config.spatialShape,
    ...(grid ? { affine: grid.affine } : {}),
  };
  const maps = await latentMaps(model, trained.map(({ states }) => states));
  await writeMaps(`${folder}/${RESULT_FILES.maps}`, maps, space);
  await writeFoundMask(`${folder}/${RESULT_FILES.mask}`, data.train, space);
  const dynamics = reportDynamics(trained.map(({ states }) => ({ states: states.data })), width);
  const spectrum = writeTransition(folder, model.transitionMatrix, { repetitionTime, dynamics });
  const shown = heldOut ?? trained;
  return {
    eigenvalues: spectrum,
    dynamics,
    maps,
    repetitionTime,
    states: stack(shown.map(({ states }) => states)),
    logVar: stack(shown.map(({ logVar }) => logVar)),
    example: shown[0].firstFrames,
    exampleName: stems[data.heldOut ? data.split.test[0] : data.split.train[0]],
    heldOut: data.heldOut !== null,
  };
}

/** Writes the mask beside the run where nobody gave one. */
async function writeFoundMask(
  path: string,
  { normalization }: DataLoader,
  space: NiftiImageFacts,
): Promise<void> {
  if (!isRunKind(normalization) || normalization.mask.from === "given") return;
  using file = new NiftiFile(path, {
    ...space,
    description: `recvae mask by ${normalization.mask.from}`,
  });
  await file.append(Float32Array.from(normalization.mask.inside));
  await file.finish();
}

interface RolloutPlan {
  readonly loader: DataLoader;
  readonly stems: readonly string[];
  readonly offset?: (row: number) => Float32Array;
  readonly reconstruct: boolean;
}

async function rollOutAll(
  folder: string,
  model: ReconstructingModel,
  plan: RolloutPlan,
): Promise<Trajectory[]> {
  const trajectories: Trajectory[] = [];
  for (const [row, stem] of plan.stems.entries()) {
    const path = `${folder}/${RESULT_FILES.reconstructions}/${stem}_desc-reconstruction_bold.nii`;
    const trajectory = await rollOut(model, plan.loader, {
      row,
      ...(plan.offset ? { offset: plan.offset(row) } : {}),
      ...(plan.reconstruct ? { path } : {}),
    });
    writeStates(statePaths(`${folder}/${RESULT_FILES.latents}`, stem), trajectory);
    trajectories.push(trajectory);
  }
  return trajectories;
}

function stack(arrays: readonly NdArray[]): NdArray {
  const { shape } = arrays[0];
  const size = shape[0] * shape[1];
  const data = new Float32Array(arrays.length * size);
  arrays.forEach((array, n) => data.set(array.data, n * size));
  return { data, shape: [arrays.length, ...shape] };
}

/** One line a scan: which row of the offset table it has, and whether it was trained on. */
function writeSubjects(folder: string, data: PreparedData, stems: readonly string[]): void {
  const lines = ["name\tgroup\tpart\toffset_row\tfile\tsubject"];
  const trainRows = new Map(data.split.train.map((row, offset) => [row, offset]));
  data.cohort.subjects.forEach(({ id, label, subject }, row) => {
    const offset = trainRows.get(row);
    const part = offset === undefined ? "held-out\tn/a" : `training\t${offset}`;
    const file = data.plan.files?.[row].path ?? id;
    lines.push(`${stems[row]}\t${label || "n/a"}\t${part}\t${file}\t${subject ?? "n/a"}`);
  });
  writeWhole(`${folder}/${RESULT_FILES.subjects}`, lines.join("\n") + "\n");
}

function writeTransition(
  folder: string,
  { data, shape }: NdArray,
  { repetitionTime, dynamics }: Pick<RunResults, "repetitionTime" | "dynamics">,
): Eigenvalue[] {
  const [width] = shape;
  const spectrum = eigenvalues(data, width);
  const rowsOf = (matrix: FloatArray) =>
    Array.from({ length: width }, (_, i) => matrix.slice(i * width, (i + 1) * width));
  const leastSquares = dynamics && {
    F: rowsOf(dynamics.transition),
    pairs: dynamics.pairs,
    modes: dynamics.modes,
  };
  const content = { F: rowsOf(data), repetitionTime, eigenvalues: spectrum, leastSquares };
  writeWhole(`${folder}/${RESULT_FILES.transition}`, toJson(content) + "\n");
  return spectrum;
}

/**
 * Draws the figures and the page.
 *
 * @param folder Of the run.
 * @param results From {@link writeResults}.
 * @param more History, size of the volumes and the summary's text.
 */
export function writeReport(
  folder: string,
  results: RunResults,
  more: {
    readonly history: readonly EpochRecord[];
    readonly spatialShape: readonly [number, number, number];
    readonly summary: string;
  },
): void {
  const which = results.heldOut ? "held-out" : "trained-on";
  const { repetitionTime } = results;
  const figures = {
    loss: {
      svg: lossCurve(more.history),
      caption: "Training loss and its parts, mean over the batches of each epoch.",
    },
    slice: {
      svg: sliceComparison({
        ...results.example,
        spatialShape: more.spatialShape,
        title: `${results.exampleName}, first frame (${which})`,
      }),
      caption: "Middle axial slice in the units the model sees.",
    },
    latents: {
      svg: latentTrajectories(results.states, {
        ...(repetitionTime === null ? {} : { repetitionTime }),
        title: `Latent state, mean of ${results.states.shape[0]} ${which} runs`,
      }),
      caption: "Posterior means of the latent state over time.",
    },
    maps: {
      svg: mapMontage({
        maps: results.maps.maps,
        spatialShape: more.spatialShape,
        names: Array.from(results.maps.deviations, (_, d) => `h${d + 1}`),
        title: "What each latent dimension changes",
      }),
      caption:
        "Change of the volume, in the units the model sees, for one standard deviation of each dimension; all slices " +
        `are in ${RESULT_FILES.maps}.`,
    },
    eigenvalues: {
      svg: eigenvaluePlot(
        results.eigenvalues.map(({ real, imaginary }) => ({ re: real, im: imaginary })),
      ),
      caption: "Inside the circle a mode decays; off the real axis it oscillates.",
    },
  };
  makeFolder(`${folder}/${RESULT_FILES.figures}`, { parents: false });
  for (const [name, { svg }] of Object.entries(figures)) {
    writeWhole(`${folder}/${RESULT_FILES.figures}/${name}.svg`, svg);
  }
  const page = reportPage({
    title: `recvae run ${folder.split("/").at(-1)}`,
    summary: more.summary,
    figures: Object.values(figures),
  });
  writeWhole(`${folder}/${RUN_LAYOUT.report}`, page);
}
