/** `recvae synthesize`: writes a synthetic cohort as NIfTI files. */
import { letOthersRun } from "../../base/event_loop.ts";
import type { FloatArray } from "../../base/arrays.ts";
import type { Cohort, CohortSubject } from "../../data/cohort.ts";
import { FILE_OPTIONS } from "../../data/openers/synthetic_files.ts";
import {
  PLANTED_OPTIONS,
  type PlantedCohort,
  plantedCohort,
  type PlantedGroup,
} from "../../data/planted.ts";
import { syntheticCohort } from "../../data/synthetic.ts";
import { toJson } from "../../files/json.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import type { NiftiImageFacts } from "../../formats/nifti_write.ts";
import { eigenvalues } from "../../linalg/eigenvalues.ts";
import { defineVerb, type VerbResult } from "../pipeline.ts";
import { spatialShapeOf } from "./model_options.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { sayingWhatIsSafe, wholeOutputs } from "../safe_outputs.ts";

const { nCn, nAd, voxelSize, repetitionTime, cohortEffect, noiseStd } = FILE_OPTIONS.fields;

const PLANTED = "Planted dynamics";

const OPTIONS = [
  { name: "out", short: "o", kind: "text", value: "DIR", help: "Folder to write" },
  {
    name: "cn",
    kind: "integer",
    range: nCn.range,
    value: "N",
    help: "Subjects of the group CN",
    otherwise: "4",
  },
  {
    name: "ad",
    kind: "integer",
    range: nAd.range,
    value: "N",
    help: "Subjects of the group AD",
    otherwise: "4",
  },
  { name: "frames", kind: "integer", min: 1, value: "T", help: "Frames of each", otherwise: "16" },
  {
    name: "spatial",
    kind: "text",
    value: "X,Y,Z",
    help: "Size of the volumes",
    otherwise: "91,109,91",
  },
  {
    name: "voxel-size",
    kind: "number",
    range: voxelSize.range,
    value: "MM",
    help: "Edge of a voxel in millimetres",
    otherwise: "2",
  },
  {
    name: "repetition-time",
    kind: "number",
    range: repetitionTime.range,
    value: "S",
    help: "Seconds between frames",
    otherwise: "3",
  },
  {
    name: "cohort-effect",
    kind: "number",
    range: cohortEffect.range,
    help: "How much weaker AD patterns are in one half",
    otherwise: "0.3",
  },
  {
    name: "noise",
    kind: "number",
    range: noiseStd.range,
    help: "Standard deviation of the noise",
    otherwise: "0.1",
  },
  {
    name: "planted",
    kind: "flag",
    help: "Plant rotating latent states instead; what was planted is written beside the scans",
    group: PLANTED,
  },
  {
    name: "runs",
    kind: "integer",
    range: PLANTED_OPTIONS.fields.runs.range,
    value: "N",
    help:
      "Planted runs of one group; --cn and --ad make two groups with dynamics of their own instead",
    otherwise: "8",
    group: PLANTED,
  },
  {
    name: "snr",
    kind: "number",
    range: PLANTED_OPTIONS.fields.snr.range,
    help: "Variance of the planted signal by that of the noise",
    otherwise: "1",
    group: PLANTED,
  },
  FORCE_OPTION,
  { name: "seed", kind: "integer", value: "N", help: "Seed", otherwise: "0" },
] as const satisfies readonly Option[];

/** The verb. */
export const synthesizeVerb = defineVerb({
  summary: "Write a synthetic cohort as NIfTI files",
  usage: "synthesize --out DIR [options]",
  description:
    "Makes subjects whose spatial pattern rises and falls over time, in two groups that differ in one half of " +
    "the volume, and writes them as DIR/CN and DIR/AD: data of any size to try the program on. With --planted: runs of " +
    "120 frames of 8×10×8 voxels unless told otherwise, whose four latent states are known, so that what a model finds can " +
    "be held against them.",
  options: OPTIONS,
  examples: [
    {
      line: "recvae synthesize --out scans --spatial 33,35,40 --frames 24",
      does: "eight small subjects",
    },
    {
      line: "recvae train --cn scans/CN --ad scans/AD --out runs/synthetic",
      does: "train on them",
    },
    {
      line: "recvae synthesize --planted --out planted",
      does: "eight runs with known dynamics, in planted/planted.json",
    },
  ],
  async run({ values }) {
    if (values.out === undefined) throw new UsageError("synthesize needs --out DIR");
    if (values.cn === 0 && values.ad === 0) {
      throw new UsageError("--cn is 0 and --ad too, needs at least one subject");
    }
    return values.planted
      ? await writePlanted(values.out, values)
      : await writeGroups(values.out, values);
  },
});

type SynthesizeValues = Values<typeof OPTIONS>;

async function writeGroups(out: string, values: SynthesizeValues): Promise<VerbResult> {
  for (const name of ["runs", "snr"] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --planted`);
  }
  const cohort = syntheticCohort({
    nCn: values.cn ?? 4,
    nAd: values.ad ?? 4,
    frames: values.frames ?? 16,
    spatialShape: spatialShapeOf(values.spatial ?? "91,109,91"),
    cohortEffect: values["cohort-effect"] ?? 0.3,
    noiseStd: values.noise ?? 0.1,
    seed: values.seed ?? 0,
  });
  await writeCohort(out, cohort, values);
  const text = `${cohort.subjects.length} subjects in ${out}/CN and ${out}/AD`;
  return { json: { subjects: cohort.subjects.length, folder: out }, text };
}

async function writePlanted(out: string, values: SynthesizeValues): Promise<VerbResult> {
  for (const name of ["cohort-effect", "noise"] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} does not go with --planted`);
  }
  const { cn, ad, runs } = values;
  const grouped = cn !== undefined || ad !== undefined;
  if (grouped && runs !== undefined) {
    throw new UsageError("--runs is of one group, --cn and --ad of two");
  }
  const cohort = plantedCohort({
    ...(runs === undefined ? {} : { runs }),
    ...(grouped ? { groups: plantedGroups(cn ?? 4, ad ?? 4) } : {}),
    ...(values.frames === undefined ? {} : { frames: values.frames }),
    ...(values.spatial === undefined ? {} : { spatialShape: spatialShapeOf(values.spatial) }),
    ...(values.snr === undefined ? {} : { snr: values.snr }),
    seed: values.seed ?? 0,
  });
  const truth = `${out}/planted.json`;
  await writeCohort(out, cohort, values, { name: truth, content: plantedJson(cohort) });
  const text = `${cohort.subjects.length} runs in ${out}; what was planted is in ${truth}`;
  return { json: { subjects: cohort.subjects.length, folder: out, truth }, text };
}

/** Two groups with dynamics of their own. */
function plantedGroups(cn: number, ad: number): PlantedGroup[] {
  return [
    { label: "CN", runs: cn, moduli: [0.95, 0.88], angles: [0.35, 0.9] },
    { label: "AD", runs: ad, moduli: [0.85, 0.94], angles: [0.6, 0.65] },
  ].filter(({ runs }) => runs > 0);
}

/** F and its eigenvalues, by group, and the states of each run. */
function plantedJson({ latents, transitions, subjects }: PlantedCohort): string {
  const [, frames, D] = latents.shape;
  const rowsOf = (data: FloatArray) =>
    Array.from(
      { length: data.length / D },
      (_, i) => Array.from(data.subarray(i * D, (i + 1) * D)),
    );
  const labels = [...new Set(subjects.map(({ label }) => label))];
  return toJson({
    groups: transitions.map((F, g) => ({
      label: labels[g],
      F: rowsOf(F),
      eigenvalues: eigenvalues(F, D),
    })),
    states: Object.fromEntries(
      subjects.map((
        { id },
        n,
      ) => [id, rowsOf(latents.data.subarray(n * frames * D, (n + 1) * frames * D))]),
    ),
  }) + "\n";
}

/** Writes the scans, in a folder for each group that has a name, and what is to be known about them. */
async function writeCohort(
  out: string,
  cohort: Cohort,
  values: SynthesizeValues,
  beside?: { readonly name: string; readonly content: string },
): Promise<void> {
  const size = values["voxel-size"] ?? 2;
  const affine = [size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0, 0, 0, 0, 1];
  const folderOf = (label: string) => label === "" ? out : `${out}/${label}`;
  const pathOf = ({ label, id }: CohortSubject) => `${folderOf(label)}/${id}_task-rest_bold.nii`;
  const outputs = [...cohort.subjects.map(pathOf), ...(beside ? [beside.name] : [])];
  requireFreeOutputs(outputs, { force: values.force, inputs: [] });
  let written = 0;
  const safe = () => wholeOutputs(out, { written, all: cohort.subjects.length, what: "subjects" });
  await sayingWhatIsSafe(safe, async () => {
    for (const label of new Set(cohort.subjects.map(({ label }) => label))) {
      makeFolder(folderOf(label));
    }
    for (const subject of cohort.subjects) {
      await writeSubject(pathOf(subject), subject, {
        spatialShape: cohort.spatialShape,
        frames: cohort.frames,
        affine,
        repetitionTime: values["repetition-time"] ?? 3,
        description: "recvae synthetic",
      });
      written++;
    }
    if (beside) writeWhole(beside.name, beside.content);
  });
}

async function writeSubject(
  path: string,
  subject: CohortSubject,
  facts: NiftiImageFacts & { readonly frames: number },
): Promise<void> {
  const run = await subject.open();
  using file = new NiftiFile(path, facts);
  for (let t = 0; t < facts.frames; t++) {
    await file.append(run.readFrame(t));
    await letOthersRun();
  }
  await file.finish();
  run.close();
}
