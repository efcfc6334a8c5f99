/** Verbs of a run of streamlines that need no request of their own: encode, reconstruct, evaluate. */
import { lengthsOf, type Streamlines, tractogramOf } from "../../data/streamlines/geometry.ts";
import { writeTractogram } from "../../data/streamlines/tractogram_files.ts";
import { meanPointError } from "../../evaluation/bundle_metrics.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { type Option, UsageError } from "../option_table.ts";
import { defineVerb } from "../pipeline.ts";
import { sayingWhatIsSafe } from "../safe_outputs.ts";
import { bundleOf } from "./bundle_densities.ts";
import { openStreamlines } from "./data.ts";
import { readForModel, type SavedModel, withSavedModel } from "./saved_model.ts";
import { scoreStreamlines, scoreText } from "./scores.ts";

/** Streamlines that cannot be used are left out. */
export const DROP_OPTION = {
  name: "drop-invalid",
  kind: "flag",
  help: "Leave out streamlines of one point, without length or with NaN",
} as const satisfies Option;

const JSON_OPTION = { name: "json", kind: "flag", help: "Print as JSON" } as const;

function outOption(help: string) {
  return { name: "out", short: "o", kind: "text", value: "FILE", help } as const satisfies Option;
}

function oneFile(files: readonly string[], verb: string): string {
  if (files.length === 1) return files[0];
  throw new UsageError(`${verb} needs one tractogram, found ${files.length}`);
}

/** Writes what a verb made, and says what is safe when that fails. */
export function writingOnly(path: string, write: () => void): Promise<void> {
  return sayingWhatIsSafe(
    () => `Nothing was written, the run is as it was; choose another place than "${path}"`,
    write,
  );
}

/** `recvae encode`. */
export const encodeVerb = defineVerb({
  summary: "Turn streamlines into codes",
  usage: "encode RUN FILE --out FILE.tsv",
  description:
    "Runs the encoder over the streamlines of a tractogram, resampled to the model's number of points, and writes a " +
    "line of codes for each: tab-separated, with a first line of names. Variational models give posterior means.",
  options: [outOption("Table to write"), DROP_OPTION, FORCE_OPTION, ...ENGINE_OPTIONS],
  examples: [{ line: "recvae encode runs/tracts new.trk --out codes.tsv", does: "a tractogram" }],
  async run({ folder, files, values }) {
    const file = oneFile(files, "encode");
    const { out } = values;
    if (out === undefined) throw new UsageError("encode needs --out FILE for its table");
    requireFreeOutputs([out], { force: values.force, inputs: [file] });
    return await withSavedModel(folder, values, async ({ model }) => {
      const { points, latentDim } = model.config;
      const input = await readForModel(file, { points, dropInvalid: values["drop-invalid"] });
      const { data, shape: [count] } = await model.encode(input.streamlines);
      const names = Array.from({ length: latentDim }, (_, d) => `z${d + 1}`);
      const rows = Array.from(
        { length: count },
        (_, s) => [...data.subarray(s * latentDim, (s + 1) * latentDim)].join("\t"),
      );
      await writingOnly(out, () => writeWhole(out, `${[names.join("\t"), ...rows].join("\n")}\n`));
      const text = `Codes of ${count} streamlines in ${out}${droppedText(input.dropped)}`;
      return { json: { streamlines: count, dropped: input.dropped, out }, text };
    });
  },
});

/** What is said of streamlines that were left out. */
export function droppedText(dropped: number): string {
  return dropped > 0 ? `; ${dropped} that cannot be used were left out` : "";
}

/** `recvae reconstruct`. */
export const reconstructVerb = defineVerb({
  summary: "Encode and decode streamlines",
  usage: "reconstruct RUN FILE --out FILE [--bundle NAME]",
  description:
    "Runs the encoder and the decoder over the streamlines of a tractogram and writes the result in the format of " +
    "the output's ending, with the image of the input. Models whose decoder is told the bundle need --bundle.",
  options: [
    outOption("Tractogram to write: .trk, .tck or .trx"),
    {
      name: "bundle",
      kind: "text",
      value: "NAME",
      help: "Bundle of all these streamlines, for models that are told it",
    },
    DROP_OPTION,
    FORCE_OPTION,
    ...ENGINE_OPTIONS,
    JSON_OPTION,
  ],
  examples: [{ line: "recvae reconstruct runs/tracts new.trk --out again.trk", does: "a file" }],
  async run({ folder, files, values }) {
    const file = oneFile(files, "reconstruct");
    const { out } = values;
    if (out === undefined) throw new UsageError("reconstruct needs --out FILE for its tractogram");
    requireFreeOutputs([out], { force: values.force, inputs: [file] });
    return await withSavedModel(folder, values, async (saved) => {
      const { points } = saved.model.config;
      const input = await readForModel(file, { points, dropInvalid: values["drop-invalid"] });
      const { streamlines } = input;
      const beside = conditionsFor(saved, streamlines, values.bundle);
      const decoded = await saved.model.reconstruct(streamlines, beside);
      const { perStreamline, groups, perGroup } = input.tractogram;
      const space = input.tractogram.space ?? saved.run.found.space ?? undefined;
      const result = {
        ...tractogramOf(decoded as Streamlines),
        perStreamline,
        groups,
        perGroup,
        space,
      };
      await writingOnly(out, () => writeTractogram(out, result));
      const error = meanPointError(decoded.data, streamlines.data);
      const count = streamlines.shape[0];
      return {
        json: { streamlines: count, dropped: input.dropped, pointError: error, out },
        text: `${count} streamlines in ${out}, mean point error ${error.toFixed(3)} mm${
          droppedText(input.dropped)
        }`,
      };
    });
  },
});

/** What the decoder is told of streamlines of one bundle. */
function conditionsFor(
  { model, run, classes }: SavedModel,
  streamlines: Streamlines,
  bundle: string | undefined,
) {
  if (model.config.classes.length === 0) return {};
  if (bundle === undefined && classes.length > 1) {
    throw new UsageError(
      `The decoder of a ${run.kind} model is told the bundle; add --bundle with one of ${
        classes.join(", ")
      }`,
    );
  }
  const label = bundle === undefined ? 0 : bundleOf(bundle, classes);
  const { mean, deviation } = run.found.length;
  const scores = Float32Array.from(lengthsOf(streamlines), (mm) => (mm - mean) / deviation);
  const [count] = streamlines.shape;
  return {
    labels: new Int32Array(count).fill(label),
    attributes: { data: scores, shape: [count, 1] },
  };
}

/** `recvae evaluate`. */
export const evaluateVerb = defineVerb({
  summary: "Score a run of streamlines beside principal components and real streamlines",
  usage: "evaluate RUN",
  description:
    "Opens the data of the run again, and scores the reconstruction of the streamlines that were held out and those " +
    "that the model generates.",
  options: [...ENGINE_OPTIONS, JSON_OPTION],
  examples: [{ line: "recvae evaluate runs/tracts", does: "the streamlines held out" }],
  run: ({ folder, values }) =>
    withSavedModel(folder, values, async (saved) => {
      const { data } = await openStreamlines(saved.run);
      const scores = await scoreStreamlines(saved.model, saved.run, {
        data,
        densities: saved.densities(),
      });
      return { json: { scores }, text: scoreText(scores) };
    }),
});
