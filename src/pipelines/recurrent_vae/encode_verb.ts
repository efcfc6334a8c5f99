/** `recvae encode`: latent trajectories of scans. */
import type { Cohort } from "../../data/cohort.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { defineVerb } from "../pipeline.ts";
import { OWN_DATA_OPTIONS, SOURCE_OPTIONS } from "./data_options.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { type Option, UsageError } from "../option_table.ts";
import { rollOut, writeStates } from "./rollouts.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { sayingWhatIsSafe, wholeOutputs } from "../safe_outputs.ts";
import { uniqueStems } from "./scan_names.ts";
import { openRun, withModelAndScans } from "./trained_model.ts";

const OPTIONS = [
  ...SOURCE_OPTIONS,
  ...OWN_DATA_OPTIONS,
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder for one NAME_latents.tsv a scan",
    group: "Results",
  },
  FORCE_OPTION,
  ...ENGINE_OPTIONS,
  { name: "json", kind: "flag", help: "Print the trajectories as JSON instead of writing files" },
] as const satisfies readonly Option[];

/** The verb. */
export const encodeVerb = defineVerb({
  summary: "Turn scans into latent trajectories",
  usage: "encode RUN [FILE…] --out DIR",
  description:
    "Runs the encoder and the latent dynamics of a trained run over scans and writes the posterior mean of the " +
    "state at every frame: tab-separated, a column a dimension, a line a frame. Nothing random is added. " +
    "Without scans: those the run was trained with.",
  options: OPTIONS,
  examples: [
    { line: "recvae encode runs/first sub-*_bold.nii.gz --out latents", does: "one table a scan" },
    { line: "recvae encode runs/first --cn scans/cn --json", does: "a folder, printed" },
  ],
  async run({ folder, files, values }) {
    if (values.out === undefined && !values.json) {
      throw new UsageError("encode needs --out DIR for its tables, or --json");
    }
    if (values.out !== undefined && values.json) {
      throw new UsageError("--json prints the trajectories and writes no tables; leave out --out");
    }
    const run = await openRun(folder);
    const pathOf = (stem: string) => `${values.out}/${stem}_latents.tsv`;
    const check = ({ subjects }: Cohort) => {
      if (values.json) return;
      const inputs = subjects.map(({ id }) => id);
      requireFreeOutputs(uniqueStems(subjects).map(pathOf), { force: values.force, inputs });
    };
    return await withModelAndScans(run, { values, files, check }, async (model, loader) => {
      const stems = uniqueStems(loader.cohort.subjects);
      const printed: { name: string; file: string; shape: readonly number[]; h: unknown }[] = [];
      let written = 0;
      const safe = () => wholeOutputs(values.out!, { written, all: stems.length, what: "tables" });
      await sayingWhatIsSafe(safe, async () => {
        if (!values.json) makeFolder(values.out!);
        for (const [row, name] of stems.entries()) {
          const { states } = await rollOut(model, loader, { row });
          const file = loader.cohort.subjects[row].id;
          if (values.json) printed.push({ name, file, shape: states.shape, h: states.data });
          else writeStates(pathOf(name), states);
          written++;
        }
      });
      const { tolTime } = run.config.model;
      const text = `${stems.length} ${stems.length === 1 ? "table" : "tables"} of ${tolTime} ${
        tolTime === 1 ? "frame" : "frames"
      } in ${values.out}`;
      return { json: printed, text };
    });
  },
});
