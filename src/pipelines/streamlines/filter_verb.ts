/** `recvae filter`: tells plausible from implausible streamlines by distance in the space of codes [streamlines §8]. */
import type { NdArray } from "../../base/arrays.ts";
import { pickFromTractogram } from "../../data/streamlines/selection.ts";
import { writeTractogram } from "../../data/streamlines/tractogram_files.ts";
import { toJson } from "../../files/json.ts";
import { writeWhole } from "../../files/whole_file.ts";
import {
  chooseThreshold,
  rocCurve,
  type ThresholdRule,
} from "../../evaluation/distance_thresholds.ts";
import { nearestNeighbours, voteOfNeighbours } from "../../evaluation/nearest_neighbours.ts";
import { quantile } from "../../linalg/densities.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { defineVerb } from "../pipeline.ts";
import { openStreamlines } from "./data.ts";
import { filterStreamlines } from "./filtering.ts";
import { readForModel, type SavedModel, withSavedModel } from "./saved_model.ts";
import { DROP_OPTION, droppedText, writingOnly } from "./verbs.ts";

const OPTIONS = [
  {
    name: "plausible",
    kind: "texts",
    value: "FILE",
    help: "Plausible streamlines to compare with, a bundle a file; may be given several times",
    otherwise: "those the run was trained with",
    group: "References",
  },
  {
    name: "implausible",
    kind: "text",
    value: "FILE",
    help: "Implausible streamlines: the threshold is chosen between the two kinds",
    group: "References",
  },
  {
    name: "rule",
    kind: "choice",
    choices: ["equal-error", "accuracy", "youden"],
    value: "NAME",
    help: "How the threshold is chosen where --implausible is given",
    otherwise: "equal-error",
    group: "References",
  },
  {
    name: "threshold",
    kind: "number",
    range: { above: 0 },
    value: "X",
    help: "Distance up to which a streamline is plausible",
    otherwise:
      "chosen; without --implausible the 99th percentile of each bundle's held-out streamlines",
    group: "References",
  },
  {
    name: "neighbours",
    kind: "integer",
    min: 1,
    value: "K",
    help: "Neighbours that vote on the bundle",
    otherwise: "1",
    group: "References",
  },
  {
    name: "out-plausible",
    kind: "text",
    value: "FILE",
    help: "Tractogram of what was accepted",
    group: "Results",
  },
  {
    name: "out-implausible",
    kind: "text",
    value: "FILE",
    help: "Tractogram of what was not",
    group: "Results",
  },
  {
    name: "out-thresholds",
    kind: "text",
    value: "FILE",
    help: "Thresholds and the curve they were chosen from, as JSON",
    group: "Results",
  },
  DROP_OPTION,
  FORCE_OPTION,
  ...ENGINE_OPTIONS,
  { name: "json", kind: "flag", help: "Print as JSON" },
] as const satisfies readonly Option[];

type FilterValues = Values<typeof OPTIONS>;

/** References: codes, the bundle of each, names. */
interface References {
  readonly codes: NdArray;
  readonly labels: Int32Array;
  readonly names: readonly string[];
  /** Codes of other plausible streamlines of known bundles, from which thresholds are taken. */
  readonly heldOut: { readonly codes: NdArray; readonly labels: Int32Array };
}

/** The verb. */
export const filterVerb = defineVerb({
  summary: "Tell plausible from implausible streamlines",
  usage: "filter RUN FILE --out-plausible FILE [--out-implausible FILE]",
  description:
    "Encodes the streamlines and compares each with the nearest plausible one, of whose bundle it then is: plausible when " +
    "it lies no further than the threshold. Values of points and streamlines go with them into the outputs.",
  options: OPTIONS,
  examples: [
    {
      line: "recvae filter runs/tracts all.trk --out-plausible good.trk --out-implausible bad.trk",
      does: "against the training set",
    },
    {
      line:
        "recvae filter runs/tracts all.trk --plausible a.trk --plausible b.trk --out-plausible good.trk",
      does: "against other bundles",
    },
  ],
  async run({ folder, files, values }) {
    if (files.length !== 1) {
      throw new UsageError(`filter needs one tractogram, found ${files.length}`);
    }
    const outs = [values["out-plausible"], values["out-implausible"], values["out-thresholds"]];
    const outputs = outs.filter((path) => path !== undefined);
    if (outputs.length === 0) {
      throw new UsageError("filter needs --out-plausible FILE or --out-implausible FILE");
    }
    const inputs = [...files, ...values.plausible, values.implausible]
      .filter((path) => path !== undefined);
    requireFreeOutputs(outputs, { force: values.force, inputs });
    return await withSavedModel(folder, values, (saved) => filtered(saved, files[0], values));
  },
});

async function filtered(saved: SavedModel, file: string, values: FilterValues) {
  const options = { points: saved.model.config.points, dropInvalid: values["drop-invalid"] };
  const input = await readForModel(file, options);
  const references = await referencesOf(saved, values);
  const judge = (codes: NdArray) =>
    voteOfNeighbours(
      nearestNeighbours(codes, { references: references.codes, k: values.neighbours }),
      references.labels,
    );
  const { thresholds, curve } = await thresholdsOf(saved, references, { values, judge });
  const { labels, plausible } = filterStreamlines(
    await saved.model.encode(input.streamlines),
    { ...references, thresholds, neighbours: values.neighbours },
  );
  const rows = [...labels.keys()];
  const accepted = rows.filter((row) => plausible[row]);
  const taken = new Set(accepted);
  const sets = [
    ["out-plausible", accepted],
    ["out-implausible", rows.filter((row) => !taken.has(row))],
  ] as const;
  for (const [option, which] of sets) {
    const path = values[option];
    if (path === undefined) continue;
    await writingOnly(
      path,
      () => writeTractogram(path, pickFromTractogram(input.tractogram, which)),
    );
  }
  const byBundle = references.names.map((name, bundle) => ({
    name,
    threshold: thresholds[bundle],
    accepted: accepted.filter((row) => labels[row] === bundle).length,
  }));
  const table = values["out-thresholds"];
  if (table !== undefined) {
    await writingOnly(table, () => writeWhole(table, toJson({ bundles: byBundle, curve })));
  }
  const json = {
    streamlines: rows.length,
    accepted: accepted.length,
    dropped: input.dropped,
    byBundle,
  };
  const lines = [
    `${accepted.length} of ${rows.length} streamlines are plausible${droppedText(input.dropped)}`,
    ...byBundle.map(({ name, threshold, accepted }) =>
      `  ${name.padEnd(24)}${String(accepted).padStart(7)}   within ${threshold.toPrecision(4)}`
    ),
    ...(curve ? [`Area under the ROC curve ${curve.area.toFixed(4)}`] : []),
  ];
  return { json, text: lines.join("\n") };
}

async function referencesOf(saved: SavedModel, values: FilterValues): Promise<References> {
  const { model } = saved;
  const { data } = await openStreamlines(
    values.plausible.length === 0 ? saved.run : {
      ...saved.run,
      data: {
        ...saved.run.data,
        files: values.plausible,
        phantom: null,
        segment: null,
        dropInvalid: values["drop-invalid"],
      },
    },
  );
  return {
    codes: await model.encode(data.training.streamlines),
    labels: data.training.labels,
    names: data.classes,
    heldOut: {
      codes: await model.encode(data.heldOut.streamlines),
      labels: data.heldOut.labels,
    },
  };
}

/** One threshold a bundle. */
async function thresholdsOf(
  { model }: SavedModel,
  { names, heldOut }: References,
  { values, judge }: {
    readonly values: FilterValues;
    readonly judge: (codes: NdArray) => { labels: Int32Array; distances: Float64Array };
  },
) {
  if (values.threshold !== undefined) {
    return { thresholds: names.map(() => values.threshold!), curve: null };
  }
  const plausible = judge(heldOut.codes);
  if (values.implausible === undefined) {
    const thresholds = names.map((_, bundle) => {
      const own = [...plausible.distances].filter((_, row) => plausible.labels[row] === bundle);
      return own.length > 0 ? quantile(own, 0.99) : quantile(plausible.distances, 0.99);
    });
    return { thresholds, curve: null };
  }
  const options = { points: model.config.points, dropInvalid: values["drop-invalid"] };
  const other = await readForModel(values.implausible, options);
  const implausible = judge(await model.encode(other.streamlines));
  const rule: ThresholdRule = values.rule ?? "equal-error";
  const both = [...plausible.distances, ...implausible.distances];
  const labels = [...plausible.labels, ...implausible.labels];
  const truth = both.map((_, i) => i < plausible.distances.length);
  const curve = rocCurve(both, truth);
  const thresholds = names.map((_, bundle) => {
    const rows = labels.flatMap((label, i) => (label === bundle ? [i] : []));
    const mixed = rows.some((i) => truth[i]) && rows.some((i) => !truth[i]);
    const own = mixed ? rocCurve(rows.map((i) => both[i]), rows.map((i) => truth[i])) : curve;
    return chooseThreshold(own, rule);
  });
  return {
    thresholds,
    curve: {
      area: curve.area,
      candidates: [...curve.candidates],
      truePositives: [...curve.truePositives],
      falsePositives: [...curve.falsePositives],
    },
  };
}
