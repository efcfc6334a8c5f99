/** `recvae encode`: latent trajectories of scans. */
import type { FloatArray } from "../../base/arrays.ts";
import type { Cohort } from "../../data/cohort.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { defineVerb } from "../pipeline.ts";
import { OWN_DATA_OPTIONS, SOURCE_OPTIONS } from "./data_options.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { type Option, UsageError } from "../option_table.ts";
import { deviationsOf, rollOut, statePaths, writeStates } from "./rollouts.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { sayingWhatIsSafe, wholeOutputs } from "../safe_outputs.ts";
import { uniqueStems } from "./scan_names.ts";
import { openRun, withModelAndWholeScans } from "./trained_model.ts";

const OPTIONS = [
  ...SOURCE_OPTIONS,
  ...OWN_DATA_OPTIONS,
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder for the tables",
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
    "state at every frame, NAME_latents.tsv, and its standard deviation, NAME_latents_sd.tsv: tab-separated, a column a " +
    "dimension, a line a frame. Scans may be of any length, all their frames are used. Nothing random is added. " +
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
    const pathsOf = (stem: string) => statePaths(values.out!, stem);
    const check = ({ subjects }: Cohort) => {
      if (values.json) return;
      const inputs = subjects.map(({ id }) => id);
      const paths = uniqueStems(subjects).flatMap((stem) => Object.values({ ...pathsOf(stem) }));
      requireFreeOutputs(paths, { force: values.force, inputs });
    };
    return await withModelAndWholeScans(run, { values, files, check }, async (model, scans) => {
      const stems = uniqueStems(scans.cohort.subjects);
      const printed: PrintedStates[] = [];
      const lengths = new Set<number>();
      let written = 0;
      const safe = () => wholeOutputs(values.out!, { written, all: stems.length, what: "tables" });
      await sayingWhatIsSafe(safe, async () => {
        if (!values.json) makeFolder(values.out!);
        for (const [place, name] of stems.entries()) {
          const { loader, row } = scans.at(place);
          const trajectory = await rollOut(model, loader, { row });
          const { states: { shape, data: h }, logVar } = trajectory;
          const file = loader.cohort.subjects[row].id;
          lengths.add(loader.frames);
          if (values.json) printed.push({ name, file, shape, h, sd: deviationsOf(logVar).data });
          else writeStates(pathsOf(name), trajectory);
          written++;
        }
      });
      return { json: printed, text: `${tables(stems.length, lengths)} in ${values.out}` };
    });
  },
});

interface PrintedStates {
  readonly name: string;
  readonly file: string;
  readonly shape: readonly number[];
  readonly h: FloatArray;
  readonly sd: FloatArray;
}

/** `"3 tables of 4 to 120 frames"`. */
function tables(count: number, lengths: ReadonlySet<number>): string {
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  const frames = least === most ? `${most}` : `${least} to ${most}`;
  return `${count} ${count === 1 ? "table" : "tables"} of ${frames} ${
    most === 1 ? "frame" : "frames"
  }`;
}
