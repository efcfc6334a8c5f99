/** `recvae evaluate`: scores a run on its held-out scans, or on any others. */
import { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { scoreModel } from "./baselines.ts";
import type { ReconstructionScore } from "../../evaluation/reconstruction_score.ts";
import { defineVerb, type VerbResult } from "../pipeline.ts";
import { namesScans, OWN_DATA_OPTIONS, SOURCE_OPTIONS } from "./data_options.ts";
import { ENGINE_OPTIONS, startEngine } from "../engine_options.ts";
import { knownScanLines, recogniseScans } from "./known_scans.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { temporaryFolder } from "../output_permissions.ts";
import { ownDataOf } from "./own_data.ts";
import { batchesInOrder, prepareData } from "./prepared_data.ts";
import { isLaggedScores, laggedScoreLines } from "./lagged_scores.ts";
import { scoreAny } from "./report.ts";
import { scoreFitted } from "./scores.ts";
import { TRAINING_FIELDS } from "./settings.ts";
import { scoreTable } from "./summary.ts";
import { openRun, type SavedRun, withModelAndScans } from "./trained_model.ts";

const OPTIONS = [
  ...SOURCE_OPTIONS,
  ...OWN_DATA_OPTIONS,
  {
    name: "fit-offsets",
    kind: "integer",
    range: TRAINING_FIELDS.fields.fitOffsets.range,
    value: "STEPS",
    help: "Updates of the scans' offsets in the second score; 0 leaves it out",
    otherwise: "as in the run",
    group: "Scores",
  },
  ...ENGINE_OPTIONS,
  { name: "json", kind: "flag", help: "Print the scores as JSON" },
] as const satisfies readonly Option[];

/** The verb. */
export const evaluateVerb = defineVerb({
  summary: "Score a trained run on held-out or other scans",
  usage: "evaluate RUN [options] [FILE…]",
  description:
    "Without scans: scores the run on the scans it held out, beside the mean image of the training scans, " +
    "principal components and each scan's own mean. With scans (files, or --cn, --ad, --group, --data): scores their " +
    "reconstruction, and says of each of them whether the run was trained on it; a copy under another name is " +
    "recognised. Scans are normalised as the run's were.",
  options: OPTIONS,
  examples: [
    { line: "recvae evaluate runs/first", does: "the scans held out in training" },
    {
      line: "recvae evaluate runs/first --data-root /new/disk/scans",
      does: "the same after the scans have moved",
    },
    { line: "recvae evaluate runs/first new/*.nii.gz --json", does: "other scans, for a program" },
  ],
  async run({ folder, files, values }) {
    const run = await openRun(folder);
    return namesScans(values, files)
      ? await evaluateOther(run, values, files)
      : await evaluateOwn(run, values);
  },
});

type EvaluateValues = Values<typeof OPTIONS>;

async function evaluateOwn(run: SavedRun, values: EvaluateValues): Promise<VerbResult> {
  const { config, normalization } = run;
  const { batchSize, seed } = config.model;
  const own = ownDataOf(run, values);
  const data = await prepareData(own, {
    batchSize,
    seed,
    normalization,
    ...temporaryFolder(run.folder),
  });
  try {
    if (!data.heldOut) {
      throw new UsageError(`The run "${run.folder}" held nothing out; name scans to score`);
    }
    const engine = await startEngine(values);
    const model = run.model();
    const scores = await scoreAny(model, { ...data, heldOut: data.heldOut }, {
      fitOffsets: values["fit-offsets"] ?? config.training.fitOffsets,
      ...(data.mask ? { mask: data.mask } : {}),
    });
    const scans = data.heldOut.cohort.subjects.map(({ id: file }) => ({ file, seen: "held out" }));
    model.dispose();
    await engine.stop();
    const lines = isLaggedScores(scores) ? laggedScoreLines(scores) : scoreTable(scores);
    return { json: { ...scores, scans, notes: data.notes }, text: lines.join("\n") };
  } finally {
    data.close();
  }
}

async function evaluateOther(
  run: SavedRun,
  values: EvaluateValues,
  files: readonly string[],
): Promise<VerbResult> {
  return await withModelAndScans(run, { values, files }, async (model, loader) => {
    const steps = values["fit-offsets"] ?? run.config.training.fitOffsets;
    const batches = batchesInOrder(loader);
    const plain = await scoreModel(model, batches);
    const fitted = steps > 0 && model instanceof RecurrentVae
      ? await scoreFitted(model, batches, { steps })
      : null;
    const { cohort } = loader;
    const scans = await recogniseScans(run.config, cohort, values.synthetic);
    const lines = [
      `Reconstruction of ${loader.subjects} scans:`,
      scoreLine("no offset (z = 0)", plain),
      ...(fitted ? [scoreLine("offset z fitted to the scan", fitted)] : []),
      ...knownScanLines(scans),
    ];
    const json = { runs: loader.subjects, model: plain, fitted, scans };
    return { json, text: lines.join("\n") };
  });
}

function scoreLine(name: string, { mse, correlation, contrast }: ReconstructionScore): string {
  const show = (value: number) => String(Number(value.toPrecision(3)));
  return `  ${name.padEnd(30)} mean squared error ${
    show(mse)
  } (normalised units), spatial correlation ` +
    `${show(correlation)}, contrast ${show(contrast)}`;
}
