/** `recvae reconstruct`: what a trained run makes of scans, as NIfTI in the scans' own intensities. */
import { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { isLagged } from "./run_config.ts";
import { evaluateHeldOut } from "./held_out.ts";
import type { Cohort } from "../../data/cohort.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { defineVerb } from "../pipeline.ts";
import { OWN_DATA_OPTIONS, SOURCE_OPTIONS } from "./data_options.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { type Option, UsageError } from "../option_table.ts";
import { rollOut } from "./rollouts.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { sayingWhatIsSafe, wholeOutputs } from "../safe_outputs.ts";
import { uniqueStems } from "./scan_names.ts";
import { TRAINING_FIELDS } from "./settings.ts";
import { openRun, withModelAndScans } from "./trained_model.ts";

const OPTIONS = [
  ...SOURCE_OPTIONS,
  ...OWN_DATA_OPTIONS,
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder for one NAME_desc-reconstruction_bold.nii a scan",
    group: "Results",
  },
  {
    name: "fit-offsets",
    kind: "integer",
    range: TRAINING_FIELDS.fields.fitOffsets.range,
    value: "STEPS",
    help: "Fit the offset z of each scan first",
    otherwise: "0: z = 0",
    group: "Results",
  },
  FORCE_OPTION,
  ...ENGINE_OPTIONS,
] as const satisfies readonly Option[];

/** The verb. */
export const reconstructVerb = defineVerb({
  summary: "Write a run's reconstructions of scans as NIfTI",
  usage: "reconstruct RUN [FILE…] --out DIR",
  description:
    "Encodes and decodes scans with a trained run and writes float32 NIfTI files with the scans' affine and repetition " +
    "time; the normalisation is undone, so intensities are those of the scan. Without scans: those the run was trained with.",
  options: OPTIONS,
  examples: [
    { line: "recvae reconstruct runs/first sub-07_bold.nii.gz --out recon", does: "one scan" },
    {
      line: "recvae reconstruct runs/first --data scans --fit-offsets 50 --out recon",
      does: "a folder, with offsets fitted to each scan",
    },
  ],
  async run({ folder, files, values }) {
    if (values.out === undefined) throw new UsageError("reconstruct needs --out DIR");
    const run = await openRun(folder);
    const { out } = values;
    const innerSteps = values["fit-offsets"] ?? 0;
    const pathOf = (stem: string) => `${out}/${stem}_desc-reconstruction_bold.nii`;
    const check = ({ subjects }: Cohort) => {
      const inputs = subjects.map(({ id }) => id);
      requireFreeOutputs(uniqueStems(subjects).map(pathOf), { force: values.force, inputs });
    };
    if (innerSteps > 0 && isLagged(run.config.model)) {
      throw new UsageError(
        "--fit-offsets is for runs of presets conv and original: this run's scans have no offset left",
      );
    }
    return await withModelAndScans(run, { values, files, check }, async (model, loader) => {
      const stems = uniqueStems(loader.cohort.subjects);
      const paths: string[] = [];
      const safe = () =>
        wholeOutputs(out, { written: paths.length, all: stems.length, what: "files" });
      await sayingWhatIsSafe(safe, async () => {
        makeFolder(out);
        for (const [row, stem] of stems.entries()) {
          const fitted = innerSteps > 0 && model instanceof RecurrentVae
            ? await evaluateHeldOut(model, loader.batch([row]), { innerSteps })
            : null;
          const path = pathOf(stem);
          await rollOut(model, loader, {
            row,
            path,
            ...(fitted ? { offset: Float32Array.from(fitted.zTest.data) } : {}),
          });
          paths.push(path);
        }
      });
      return { json: paths, text: paths.join("\n") };
    });
  },
});
