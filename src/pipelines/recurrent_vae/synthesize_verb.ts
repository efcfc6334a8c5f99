/** `recvae synthesize`: writes a synthetic cohort as NIfTI files. */
import { letOthersRun } from "../../base/event_loop.ts";
import type { CohortSubject } from "../../data/cohort.ts";
import { FILE_OPTIONS } from "../../data/openers/synthetic_files.ts";
import { syntheticCohort } from "../../data/synthetic.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import type { NiftiImageFacts } from "../../formats/nifti_write.ts";
import { defineVerb } from "../pipeline.ts";
import { spatialShapeOf } from "./model_options.ts";
import { type Option, UsageError } from "../option_table.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { sayingWhatIsSafe, wholeOutputs } from "../safe_outputs.ts";

const { nCn, nAd, voxelSize, repetitionTime, cohortEffect, noiseStd } = FILE_OPTIONS.fields;

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
  FORCE_OPTION,
  { name: "seed", kind: "integer", value: "N", help: "Seed", otherwise: "0" },
] as const satisfies readonly Option[];

/** The verb. */
export const synthesizeVerb = defineVerb({
  summary: "Write a synthetic cohort as NIfTI files",
  usage: "synthesize --out DIR [options]",
  description:
    "Makes subjects whose spatial pattern rises and falls over time, in two groups that differ in one half of " +
    "the volume, and writes them as DIR/CN and DIR/AD: data of any size to try the program on.",
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
  ],
  async run({ values }) {
    if (values.out === undefined) throw new UsageError("synthesize needs --out DIR");
    if (values.cn === 0 && values.ad === 0) {
      throw new UsageError("--cn is 0 and --ad too, needs at least one subject");
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
    const size = values["voxel-size"] ?? 2;
    const affine = [size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0, 0, 0, 0, 1];
    const { out } = values;
    const pathOf = ({ label, id }: CohortSubject) => `${out}/${label}/${id}_task-rest_bold.nii`;
    requireFreeOutputs(cohort.subjects.map(pathOf), { force: values.force, inputs: [] });
    let written = 0;
    const safe = () =>
      wholeOutputs(out, { written, all: cohort.subjects.length, what: "subjects" });
    await sayingWhatIsSafe(safe, async () => {
      for (const label of new Set(cohort.subjects.map(({ label }) => label))) {
        makeFolder(`${out}/${label}`);
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
    });
    const text = `${cohort.subjects.length} subjects in ${values.out}/CN and ${values.out}/AD`;
    return { json: { subjects: cohort.subjects.length, folder: out }, text };
  },
});

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
