/** What can be done with a run of the VAE. */
import { CheckpointError } from "../../base/errors.ts";
import type { SampleSet } from "../../data/sample_set.ts";
import {
  parseSampleScaling,
  type SampleScaling,
  scaleSamples,
  unscaleSamples,
} from "../../data/sample_scaling.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { VAE } from "../../models/vae/vae.ts";
import { ENGINE_OPTIONS, startEngine } from "../engine_options.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { type Option, UsageError } from "../option_table.ts";
import { defineVerb, type Verb } from "../pipeline.ts";
import { readSavedRun } from "../saved_run.ts";
import { configFromJson, type VaeConfig } from "./config.ts";
import { listedFiles, openData, openSet } from "./data.ts";
import { endingOf, tableText, writeSamples } from "./outputs.ts";
import { encodeAll, probeSamples, scoreModel, scoreText } from "./scores.ts";

const JSON_OPTION = { name: "json", kind: "flag", help: "Print as JSON" } as const;
const OUT = {
  name: "out",
  short: "o",
  kind: "text",
  value: "FILE",
  help: "File to write",
  group: "Results",
} as const satisfies Option;

interface OpenRun {
  readonly model: VAE;
  readonly config: VaeConfig;
  readonly scaling: SampleScaling;
}

/** A run's model on the engine that the options choose, for as long as a body runs. */
async function withRun<T>(
  folder: string,
  values: Parameters<typeof startEngine>[0],
  body: (run: OpenRun) => Promise<T>,
): Promise<T> {
  const { config: json, normalisation } = await readSavedRun(folder);
  const config = configFromJson(json, folder);
  const scaling = parseSampleScaling(normalisation, folder);
  const engine = await startEngine(values);
  const model = await VAE.load(folder);
  try {
    return await body({ model, config, scaling });
  } finally {
    model.dispose();
    await engine.stop();
  }
}

/** The samples that are named, or the run's own; they must be of the shape it was trained on. */
async function samplesFor(
  folder: string,
  { config: { data, model }, scaling }: OpenRun,
  named: readonly string[],
) {
  const set = await openSet(
    named.length > 0 ? { ...data, participants: undefined } : data,
    listedFiles(
      named.length > 0 ? named : data.files,
    ),
  );
  if (set.shape.join() !== model.options.shape!.join()) {
    throw new CheckpointError(
      folder,
      `Cannot use these samples: they have ${set.shape.join("×")} values, needs the ${
        model.options.shape!.join("×")
      } that "${folder}" was trained on`,
    );
  }
  return { set, x: scaleSamples(set.values, scaling) };
}

/** A path for samples like those of the set. */
function outputFor(out: string | undefined, set: Pick<SampleSet, "space" | "columns">): string {
  const ending = endingOf(set);
  const fits = out?.endsWith(ending) || (ending === ".nii.gz" && out?.endsWith(".nii"));
  if (out !== undefined && fits) return out;
  throw new UsageError(
    out === undefined
      ? `--out is missing, needs a file that ends in ${ending}`
      : `--out is "${out}", needs a file that ends in ${ending}, as samples of this run are kept`,
  );
}

const evaluate = defineVerb({
  summary: "Score a run beside the training mean and PCA",
  usage: "evaluate RUN",
  description: "Scores the samples that were held out, as the summary of the training does.",
  options: [...ENGINE_OPTIONS, JSON_OPTION],
  examples: [{ line: "recvae evaluate runs/maps", does: "the samples held out" }],
  run: ({ folder, values }) =>
    withRun(folder, values, async ({ model, config, scaling }) => {
      const data = await openData(config, scaling);
      const scores = await scoreModel(model, data, await encodeAll(model, data));
      return { json: scores, text: scoreText(scores, model.latentDim) };
    }),
});

const encode = defineVerb({
  summary: "Write the latents of samples",
  usage: "encode RUN [FILE…] --out FILE",
  description:
    "Writes a line a sample: its name and the means of its latents. Without files: the run's own samples.",
  options: [OUT, FORCE_OPTION, ...ENGINE_OPTIONS],
  examples: [{ line: "recvae encode runs/maps maps --out latents.tsv", does: "a folder" }],
  run({ folder, files, values }) {
    if (values.out === undefined) throw new UsageError("encode needs --out FILE for its table");
    const { out, force } = values;
    requireFreeOutputs([out], { force, inputs: files });
    return withRun(folder, values, async (run) => {
      const { set, x } = await samplesFor(folder, run, files);
      const { mu } = await run.model.encode(x);
      const width = run.model.latentDim;
      const columns = ["sample", ...Array.from({ length: width }, (_, d) => `z${d + 1}`)];
      const rows = set.names.map((name, row) => [
        name,
        ...mu.data.subarray(row * width, (row + 1) * width),
      ]);
      writeWhole(out, tableText(columns, rows));
      return { json: null, text: `${rows.length} samples in ${out}` };
    });
  },
});

const reconstruct = defineVerb({
  summary: "Write samples as the model reconstructs them",
  usage: "reconstruct RUN [FILE…] --out FILE",
  description:
    "Decodes the means of the latents, in the units of the input. Without files: the run's own samples.",
  options: [OUT, FORCE_OPTION, ...ENGINE_OPTIONS],
  examples: [{
    line: "recvae reconstruct runs/maps new.nii --out recon.nii.gz",
    does: "one image",
  }],
  run: ({ folder, files, values }) =>
    withRun(folder, values, async (run) => {
      const { set, x } = await samplesFor(folder, run, files);
      const out = outputFor(values.out, set);
      requireFreeOutputs([out], { force: values.force, inputs: files });
      await writeSamples(out, unscaleSamples(await run.model.reconstruct(x), run.scaling), set);
      return { json: null, text: `${set.values.shape[0]} samples in ${out}` };
    }),
});

const sample = defineVerb({
  summary: "Draw samples from the model",
  usage: "sample RUN --out FILE",
  description:
    "Decodes draws of the prior, in the units of the input; no observation noise is added.",
  options: [
    OUT,
    { name: "count", kind: "integer", min: 1, value: "N", help: "Samples", otherwise: "8" },
    {
      name: "seed",
      kind: "integer",
      value: "N",
      help: "Seed of the draws",
      otherwise: "the run's",
    },
    FORCE_OPTION,
    ...ENGINE_OPTIONS,
  ],
  examples: [{ line: "recvae sample runs/maps --count 4 --out drawn.nii.gz", does: "four images" }],
  run: ({ folder, values }) =>
    withRun(folder, values, async ({ model, config, scaling }) => {
      const set = await openSet(config.data);
      const out = outputFor(values.out, set);
      requireFreeOutputs([out], { force: values.force, inputs: config.data.files });
      const { count = 8, seed = config.training.seed } = values;
      await writeSamples(out, unscaleSamples(await model.sample(count, { seed }), scaling), set);
      return { json: null, text: `${count} samples in ${out}` };
    }),
});

const traverse = defineVerb({
  summary: "Write what becomes of a sample when one latent moves",
  usage: "traverse RUN --latent N --out FILE",
  description: "Decodes one latent from −3 to 3, the others at 0, in the units of the input.",
  options: [
    OUT,
    { name: "latent", kind: "integer", min: 1, value: "N", help: "Which, counted from 1" },
    { name: "steps", kind: "integer", min: 2, value: "N", help: "Values it takes", otherwise: "7" },
    FORCE_OPTION,
    ...ENGINE_OPTIONS,
  ],
  examples: [{
    line: "recvae traverse runs/maps --latent 1 --out one.nii.gz",
    does: "seven images",
  }],
  run: ({ folder, values }) =>
    withRun(folder, values, async ({ model, config, scaling }) => {
      const { latent, steps = 7 } = values;
      if (latent === undefined || latent > model.latentDim) {
        throw new UsageError(
          `--latent is ${latent ?? "missing"}, needs a whole number from 1 to ${model.latentDim}`,
        );
      }
      const set = await openSet(config.data);
      const out = outputFor(values.out, set);
      requireFreeOutputs([out], { force: values.force, inputs: config.data.files });
      const moved = Array.from({ length: steps }, (_, i) => -3 + 6 * i / (steps - 1));
      const decoded = await model.traverse(latent - 1, { values: moved });
      await writeSamples(out, unscaleSamples(decoded, scaling), set);
      return { json: null, text: `${steps} samples in ${out}` };
    }),
});

const probe = defineVerb({
  summary: "Say what the latents know about a target",
  usage: "probe RUN [--participants FILE] --target COLUMN",
  description:
    "Fits a linear probe to the latents of the run's samples, every group held out once: logistic regression for classes, ridge " +
    "regression for numbers. Without --target: the run's own, or the events beside its scans.",
  options: [
    {
      name: "participants",
      kind: "text",
      value: "FILE",
      help: "Table with participant_id and targets",
    },
    { name: "target", kind: "text", value: "COLUMN", help: "Column of that table" },
    ...ENGINE_OPTIONS,
    JSON_OPTION,
  ],
  examples: [
    {
      line: "recvae probe runs/maps --participants participants.tsv --target age",
      does: "how well age can be told",
    },
  ],
  run({ folder, values }) {
    const { participants, target } = values;
    if ((participants === undefined) !== (target === undefined)) {
      throw new UsageError("probe needs --participants and --target, or neither of them");
    }
    return withRun(folder, values, async ({ model, config, scaling }) => {
      const asked = participants === undefined ? {} : { participants, target };
      const data = await openData({ ...config, data: { ...config.data, ...asked } }, scaling);
      if (!data.set.targets) {
        throw new UsageError("The run's samples have no targets; give --participants and --target");
      }
      const found = await probeSamples(data, (await encodeAll(model, data)).mu);
      const measure = found.kind === "numbers" ? "R²" : "balanced accuracy";
      return {
        json: found,
        text:
          `${measure} ${found.score.toFixed(3)} over ${found.rows} rows in ${found.folds} folds ` +
          `(chance ${found.chance.toFixed(3)})`,
      };
    });
  },
});

/** By name. */
export const verbs: Readonly<Record<string, Verb>> = {
  evaluate,
  encode,
  reconstruct,
  sample,
  traverse,
  probe,
};
