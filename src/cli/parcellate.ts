/** `recvae parcellate`: time series of an atlas's regions, as tables. */
import type { NdArray } from "../base/arrays.ts";
import { UsageError } from "../pipelines/option_table.ts";
import type { Values } from "../pipelines/option_table.ts";
import { type Cohort, cohortFromFiles, type CohortSubject } from "../data/cohort.ts";
import {
  absentContent,
  type Dataset,
  leftOutNotes,
  listDataset,
  refuseMixed,
} from "../data/dataset.ts";
import { openAtlas } from "../data/preprocessing/atlas.ts";
import { type RegionReader, STRATEGIES } from "../data/preprocessing/regions.ts";
import {
  type CleaningOptions,
  cleanSignals,
  STANDARDISATIONS,
} from "../data/preprocessing/signal_cleaning.ts";
import { smoothVolume } from "../data/preprocessing/smoothing.ts";
import { basename } from "../deps/node_path.ts";
import { toJson } from "../files/json.ts";
import { kindOf } from "../files/whats_there.ts";
import { writeWhole } from "../files/whole_file.ts";
import { makeFolder } from "../files/whole_folder.ts";
import { columnLengths } from "../linalg/affine.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../pipelines/free_outputs.ts";
import { isRun } from "../pipelines/run_argument.ts";
import { say } from "../pipelines/terminal.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";

const OPTIONS = [
  {
    name: "atlas",
    kind: "text",
    value: "FILE",
    help: "Label image (3-D), or maps of weights (4-D), in the space of the scans",
  },
  { name: "out", short: "o", kind: "text", value: "DIR", help: "Folder for one table a scan" },
  {
    name: "strategy",
    kind: "choice",
    choices: STRATEGIES,
    help: "How the voxels of a label become one number",
    otherwise: "mean",
  },
  {
    name: "smooth",
    kind: "number",
    range: { above: 0 },
    value: "MM",
    help: "Smooth volumes first, by a Gaussian of this full width at half maximum",
  },
  { name: "detrend", kind: "flag", help: "Remove mean and linear trend of each region" },
  {
    name: "standardize",
    kind: "choice",
    choices: STANDARDISATIONS,
    help: "Scale each region: by its standard deviation, or to percent of its mean",
  },
  {
    name: "low-pass",
    kind: "number",
    range: { above: 0 },
    value: "HZ",
    help: "Remove faster changes (Butterworth, zero phase)",
  },
  {
    name: "high-pass",
    kind: "number",
    range: { above: 0 },
    value: "HZ",
    help: "Remove slower changes (Butterworth, zero phase)",
  },
  {
    name: "tr",
    kind: "number",
    range: { above: 0 },
    value: "SECONDS",
    help: "Seconds between frames, where neither header nor metadata say",
  },
  FORCE_OPTION,
] as const;

/** The command. */
export const parcellateCommand = defineCommand({
  name: "parcellate",
  summary: "Turn scans into time series of an atlas's regions",
  usage: "parcellate SCANS… --atlas FILE --out DIR",
  description:
    "Writes a table for each scan, one column a region and one line a frame, and a JSON file beside it with the repetition " +
    "time, the regions and every step. Labels give the mean of their voxels; maps the least-squares weights of all together. " +
    "Smoothing, detrending, filters and scaling follow the order and the numbers of nilearn. SCANS are files and folders, " +
    "BIDS datasets among them; atlas and scans are brought to one voxel order.",
  options: OPTIONS,
  examples: [
    {
      line: "recvae parcellate scans --atlas atlas.nii --out tables --standardize zscore_sample",
      does: "a folder of scans",
    },
  ],
  positionals: [1, Infinity],
  async run({ values, positionals }) {
    const { atlas, out, force } = values;
    if (atlas === undefined || out === undefined) {
      throw new UsageError("parcellate needs --atlas FILE and --out DIR");
    }
    const cohort = await cohortFromFiles(positionals.flatMap(scansOf));
    const inputs = [...cohort.subjects.map(({ id }) => id), atlas];
    const stems = stemsOf(cohort.subjects);
    const outputs = stems.flatMap((stem) => [".tsv", ".json"].map((end) => `${out}/${stem}${end}`));
    requireFreeOutputs(outputs, { force, inputs });
    const remarks: string[] = [];
    const reader = await openAtlas(atlas, cohort.grid!, {
      ...(values.strategy ? { strategy: values.strategy } : {}),
      onRemark: (remark) => remarks.push(`"${atlas}": ${remark}`),
    });
    for (const note of [...cohort.notes ?? [], ...remarks]) say(`Note: ${note}`);
    makeFolder(out);
    for (const [row, subject] of cohort.subjects.entries()) {
      const { table, steps } = await seriesOf(subject, { cohort, reader, values });
      writeTable(`${out}/${stems[row]}.tsv`, table, reader.names);
      writeWhole(
        `${out}/${stems[row]}.json`,
        toJson({ ...steps, Atlas: atlas, Columns: reader.names }) + "\n",
      );
    }
    console.log(
      `${stems.length} ${
        stems.length === 1 ? "table" : "tables"
      } of ${reader.names.length} regions in ${out}`,
    );
    return EXIT.ok;
  },
});

/** Scans of a path: a file, or what a folder holds. */
function scansOf(path: string): string[] {
  if (kindOf(path) !== "folder") return [path];
  if (isRun(path)) throw new UsageError(`"${path}" is a run, which holds no scans`);
  const dataset: Dataset = listDataset(path, { skipFolder: isRun });
  if (dataset.absent.length > 0) throw absentContent(dataset.absent, path);
  if (dataset.scans.length === 0) {
    throw new UsageError(`"${path}" holds no scans; recvae inspect ${path} says why`);
  }
  refuseMixed(dataset.scans, path);
  for (const note of leftOutNotes(dataset)) say(`Note: ${note}`);
  return [...dataset.scans];
}

/** Names of the tables: those of the scans, with the row where two are equal. */
function stemsOf(subjects: readonly CohortSubject[]): string[] {
  const plain = subjects.map(({ id, subject }) => {
    const stem = basename(id).replace(/\.(nii|hdr|img)(\.gz)?$/i, "").replace(/_bold$/, "");
    return subject === undefined || stem.includes(subject) ? stem : `sub-${subject}_${stem}`;
  });
  return plain.map((stem, row) =>
    `${
      plain.filter((other) => other === stem).length > 1 ? `${stem}_row-${row + 1}` : stem
    }_timeseries`
  );
}

async function seriesOf(
  subject: CohortSubject,
  { cohort, reader, values }: {
    readonly cohort: Cohort;
    readonly reader: RegionReader;
    readonly values: Values<typeof OPTIONS>;
  },
): Promise<{ table: NdArray<Float64Array>; steps: Record<string, unknown> }> {
  const { spatialShape, grid } = cohort;
  const voxelSizes = columnLengths(grid!.affine);
  const frames = subject.frames!;
  const width = reader.names.length;
  const data = new Float64Array(frames * width);
  const source = await subject.open();
  try {
    for (let t = 0; t < frames; t++) {
      const frame = source.readFrame(t);
      if (values.smooth !== undefined) {
        smoothVolume(frame, { spatialShape, voxelSizes, fwhm: values.smooth });
      }
      data.set(reader.read(frame), t * width);
    }
  } finally {
    source.close();
  }
  const time = subject.repetitionTime ?? values.tr;
  const cleaning = cleaningOf(values, time);
  return {
    table: cleanSignals({ data, shape: [frames, width] }, cleaning),
    steps: {
      RepetitionTime: time ?? null,
      Source: subject.id,
      Strategy: values.strategy ?? "mean",
      SmoothingFWHM: values.smooth ?? null,
      Cleaning: cleaning,
    },
  };
}

function cleaningOf(values: Values<typeof OPTIONS>, time: number | undefined): CleaningOptions {
  const { detrend, standardize, "low-pass": lowPass, "high-pass": highPass } = values;
  const filter = lowPass !== undefined || highPass !== undefined;
  return {
    ...(detrend ? { detrend } : {}),
    ...(standardize ? { standardize } : {}),
    ...(filter ? { filter: "butterworth" } : {}),
    ...(lowPass === undefined ? {} : { lowPass }),
    ...(highPass === undefined ? {} : { highPass }),
    ...(filter && time !== undefined ? { repetitionTime: time } : {}),
  };
}

function writeTable(
  path: string,
  { data, shape: [frames, width] }: NdArray<Float64Array>,
  names: readonly string[],
): void {
  const lines = [names.map((name) => `region-${name}`).join("\t")];
  for (let t = 0; t < frames; t++) {
    const row = Array.from(data.subarray(t * width, (t + 1) * width));
    lines.push(row.map((value) => String(Number(value.toPrecision(12)))).join("\t"));
  }
  writeWhole(path, lines.join("\n") + "\n");
}
