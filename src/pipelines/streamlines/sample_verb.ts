/** `recvae sample`: new streamlines of a bundle, or around seeds. */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError } from "../../base/errors.ts";
import {
  flipStreamline,
  lengthsOf,
  pickStreamlines,
  type Streamlines,
  tractogramOf,
} from "../../data/streamlines/geometry.ts";
import { writeTractogram } from "../../data/streamlines/tractogram_files.ts";
import { RandomStream } from "../../base/random.ts";
import { ENGINE_OPTIONS } from "../engine_options.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { defineVerb } from "../pipeline.ts";
import { bundleOf } from "./bundle_densities.ts";
import {
  requireCoveredPrior,
  type Sampled,
  sampleFromSeeds,
  sampleStreamlines,
} from "./sampling.ts";
import { readForModel, type SavedModel, withSavedModel } from "./saved_model.ts";
import { DROP_OPTION, writingOnly } from "./verbs.ts";

const OPTIONS = [
  {
    name: "bundle",
    kind: "text",
    value: "NAME",
    help: "Which bundle: its name, or its number from 1",
    group: "What",
  },
  {
    name: "attribute",
    kind: "text",
    value: "length=MM:MM",
    help: "Lengths wanted, drawn evenly in the range (or length=MM)",
    otherwise: "the range of the bundle",
    group: "What",
  },
  {
    name: "count",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Streamlines",
    otherwise: "100",
    group: "What",
  },
  { name: "seed", kind: "integer", value: "N", help: "Seed", otherwise: "0", group: "What" },
  {
    name: "prior",
    kind: "choice",
    choices: ["bundle", "normal"],
    value: "NAME",
    help: "Draw codes from the bundle's Gaussian or from N(0, I)",
    otherwise: "bundle",
    group: "What",
  },
  {
    name: "seeds",
    kind: "text",
    value: "FILE",
    help: "Sample around the codes of these streamlines by rejection (GESTA)",
    group: "Seeds",
  },
  {
    name: "atlas",
    kind: "text",
    value: "FILE",
    help: "Further seeds, in both orientations",
    group: "Seeds",
  },
  {
    name: "ratio",
    kind: "text",
    value: "A,B",
    help: "Shares of seeds from --seeds and --atlas, which add up to 1",
    otherwise: "0.5,0.5",
    group: "Seeds",
  },
  {
    name: "kernel-factor",
    kind: "number",
    range: { above: 0 },
    value: "X",
    help: "Factor on the width of the kernels (Scott's rule)",
    otherwise: "1",
    group: "Seeds",
  },
  {
    name: "scale",
    kind: "text",
    value: "max|X",
    help: "Scale of rejection: the largest ratio of densities, or a quantile such as 0.75",
    otherwise: "max",
    group: "Seeds",
  },
  {
    name: "length-range",
    kind: "text",
    value: "MM:MM",
    help: "Keep streamlines of these lengths only",
    group: "Acceptance",
  },
  { name: "out", short: "o", kind: "text", value: "FILE", help: "Tractogram to write" },
  DROP_OPTION,
  FORCE_OPTION,
  ...ENGINE_OPTIONS,
  { name: "json", kind: "flag", help: "Print as JSON" },
] as const satisfies readonly Option[];

type SampleValues = Values<typeof OPTIONS>;

/** The verb. */
export const sampleVerb = defineVerb({
  summary: "Make new streamlines of a bundle, or around given ones",
  usage: "sample RUN --bundle NAME --out FILE",
  description:
    "Draws codes from what the model knows of a bundle and decodes them. A conditional model is told the length that is " +
    "asked for; of other models the codes move with it. With --seeds, codes are drawn around those of given " +
    "streamlines by rejection sampling. Printed: how many were kept, and why others were not.",
  options: OPTIONS,
  examples: [
    {
      line:
        "recvae sample runs/tracts --bundle fan --attribute length=40:120 --count 500 --out new.trk",
      does: "500 of a bundle",
    },
    {
      line:
        "recvae sample runs/tracts --seeds subject.trk --atlas atlas.trk --ratio 0.7,0.3 --out new.trk",
      does: "around a subject's",
    },
  ],
  async run({ folder, files, values }) {
    if (files.length > 0) throw new UsageError("sample takes no files beside its options");
    const { out } = values;
    if (out === undefined) throw new UsageError("sample needs --out FILE for its tractogram");
    const inputs = [values.seeds, values.atlas].filter((path) => path !== undefined);
    requireFreeOutputs([out], { force: values.force, inputs });
    return await withSavedModel(folder, values, async (saved) => {
      const notes: string[] = [];
      const made = values.seeds === undefined
        ? await fromBundle(saved, values, notes)
        : await fromSeeds(saved, values, notes);
      const { kept, rejected } = withinLengths(made.streamlines, values["length-range"]);
      const space = saved.run.found.space ?? undefined;
      await writingOnly(out, () => writeTractogram(out, { ...tractogramOf(kept), space }));
      const lines = [
        `${kept.shape[0]} streamlines in ${out}`,
        ...(rejected > 0 ? [`${rejected} rejected: length outside the range`] : []),
        ...notes,
      ];
      return {
        json: { streamlines: kept.shape[0], rejected: { length: rejected }, notes, out },
        text: lines.join("\n"),
      };
    });
  },
});

async function fromBundle(
  { run, model, classes, densities }: SavedModel,
  values: SampleValues,
  notes: string[],
): Promise<Sampled> {
  if (values.bundle === undefined) {
    throw new UsageError(
      `sample needs --bundle with one of ${classes.join(", ")}, or --seeds FILE`,
    );
  }
  const bundle = bundleOf(values.bundle, classes);
  const known = { densities: densities(), found: run.found };
  const prior = values.prior ?? "bundle";
  if (prior === "normal") requireCoveredPrior(known.densities, values.force);
  const lengths = rangeOf(
    values.attribute?.replace(/^length=/, ""),
    "--attribute",
    "length=40:120",
  );
  if (values.attribute !== undefined && !values.attribute.startsWith("length=")) {
    throw new UsageError(
      `--attribute is "${values.attribute}"; the model knows length: length=40:120`,
    );
  }
  if (lengths) noteBeyond(lengths, run.found.length.ranges[bundle], notes);
  return await sampleStreamlines(model, known, {
    bundle,
    count: values.count ?? 100,
    seed: values.seed ?? 0,
    lengths,
    prior,
  });
}

/** Lengths far beyond what was seen are guesses. */
function noteBeyond(
  [least, most]: readonly [number, number],
  [low, high]: readonly [number, number],
  notes: string[],
): void {
  const reach = 0.25 * (high - low);
  if (least >= low - reach && most <= high + reach) return;
  notes.push(
    `Lengths of ${least} to ${most} mm go more than 25 % beyond those of the bundle, ${
      low.toFixed(0)
    } to ${high.toFixed(0)} mm: what comes out there is a guess.`,
  );
}

function rangeOf(
  text: string | undefined,
  option: string,
  example: string,
): readonly [number, number] | null {
  if (text === undefined) return null;
  const [least, most = least] = text.split(":").map(Number);
  if (least > 0 && most >= least && text.split(":").length <= 2) return [least, most];
  throw new UsageError(`${option} is "${text}", needs lengths in mm such as ${example}`);
}

async function fromSeeds(
  { model, run, classes }: SavedModel,
  values: SampleValues,
  notes: string[],
): Promise<Sampled> {
  const options = { points: model.config.points, dropInvalid: values["drop-invalid"] };
  const own = (await readForModel(values.seeds!, options)).streamlines;
  const atlas = values.atlas === undefined
    ? null
    : bothWays((await readForModel(values.atlas, options)).streamlines);
  const seeds = atlas ? mixed(own, atlas, { ratio: values.ratio, seed: values.seed ?? 0 }) : own;
  const { codes, acceptance, notes: said } = sampleFromSeeds(await model.encode(seeds), {
    count: values.count ?? 100,
    seed: values.seed ?? 0,
    kernelFactor: values["kernel-factor"],
    scale: scaleOf(values.scale),
  });
  notes.push(`Acceptance ${(100 * acceptance).toPrecision(3)} %`, ...said);
  const lengths = lengthsOf(seeds);
  const typical = lengths.reduce((sum, mm) => sum + mm, 0) / lengths.length;
  const label = values.bundle === undefined ? 0 : bundleOf(values.bundle, classes);
  if (model.config.classes.length > 0 && values.bundle === undefined) {
    throw new UsageError(
      `The decoder of a ${run.kind} model is told the bundle; add --bundle with one of ${
        classes.join(", ")
      }`,
    );
  }
  const [count] = codes.shape;
  const { mean, deviation } = run.found.length;
  const decoded = await model.decode(codes, {
    labels: new Int32Array(count).fill(label),
    attributes: {
      data: new Float32Array(count).fill((typical - mean) / deviation),
      shape: [count, 1],
    },
  });
  return {
    streamlines: decoded as Streamlines,
    asked: new Float64Array(count).fill(typical),
  };
}

function scaleOf(text: string | undefined): "max" | number {
  if (text === undefined || text === "max") return "max";
  const share = Number(text);
  if (share > 0 && share < 1) return share;
  throw new UsageError(`--scale is "${text}", needs max, or a quantile between 0 and 1`);
}

function bothWays({ data, shape: [count, points] }: Streamlines): Streamlines {
  const width = 3 * points;
  const all = new Float32Array(2 * data.length);
  all.set(data);
  for (let s = 0; s < count; s++) {
    all.set(flipStreamline(data.subarray(s * width, (s + 1) * width)), data.length + s * width);
  }
  return { data: all, shape: [2 * count, points, 3] };
}

/** Seeds of two sources in the shares that were asked for, as many as there can be. */
function mixed(
  own: Streamlines,
  atlas: Streamlines,
  { ratio = "0.5,0.5", seed }: { readonly ratio?: string; readonly seed: number },
): Streamlines {
  const [a, b] = ratio.split(",").map(Number);
  if (!(a >= 0 && b >= 0 && Math.abs(a + b - 1) < 1e-6)) {
    throw new ConfigError(
      "ratio",
      `Cannot mix seeds: --ratio is "${ratio}", needs two shares that add up to 1, such as 0.7,0.3`,
    );
  }
  const total = Math.floor(Math.min(
    a > 0 ? own.shape[0] / a : Infinity,
    b > 0 ? atlas.shape[0] / b : Infinity,
  ));
  const random = RandomStream.fromSeed(seed).split("ratio");
  const draw = (from: Streamlines, share: number, name: string): NdArray<Float32Array> => {
    const order = random.split(name).permutation(from.shape[0]);
    return pickStreamlines(from, order.subarray(0, Math.round(total * share)));
  };
  const [first, second] = [draw(own, a, "own"), draw(atlas, b, "atlas")];
  const data = new Float32Array(first.data.length + second.data.length);
  data.set(first.data);
  data.set(second.data, first.data.length);
  return { data, shape: [first.shape[0] + second.shape[0], own.shape[1], 3] };
}

function withinLengths(
  streamlines: Streamlines,
  text: string | undefined,
): { readonly kept: Streamlines; readonly rejected: number } {
  const range = rangeOf(text, "--length-range", "20:220");
  if (!range) return { kept: streamlines, rejected: 0 };
  const lengths = lengthsOf(streamlines);
  const rows = [...lengths.keys()].filter((s) => lengths[s] >= range[0] && lengths[s] <= range[1]);
  return {
    kept: pickStreamlines(streamlines, rows),
    rejected: streamlines.shape[0] - rows.length,
  };
}
