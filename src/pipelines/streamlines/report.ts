/** What a training of streamlines leaves behind: scores, densities of bundles, tractograms, figures and the page. */
import {
  pickStreamlines,
  type Streamlines,
  tractogramOf,
} from "../../data/streamlines/geometry.ts";
import { tractogramBytes } from "../../data/streamlines/tractogram_files.ts";
import { tsne } from "../../evaluation/tsne.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import type { TractogramSpace } from "../../formats/tractogram.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import { latentMap } from "../../reports/latent_map.ts";
import { lossCurve } from "../../reports/loss_curve.ts";
import { reportPage } from "../../reports/page.ts";
import { type DrawnStreamlines, streamlinePlanes } from "../../reports/streamline_planes.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import {
  type BundleDensities,
  DENSITIES_FILE,
  densitiesToBytes,
  fitBundleDensities,
} from "./bundle_densities.ts";
import type { Labelled, PreparedStreamlines } from "./data.ts";
import type { StreamlinesRun } from "./run_config.ts";
import { sampleStreamlines } from "./sampling.ts";
import { conditionsOf, scoreStreamlines, scoreText } from "./scores.ts";

/** Folder of a run that holds its tractograms. */
export const TRACTOGRAMS_FOLDER = "tractograms";

/** Streamlines a bundle in the generated tractogram. */
const PER_BUNDLE = 50;
/** Streamlines in a panel of a figure, and points in the map. */
const DRAWN = 120;
const MAPPED = 350;

type Source = ReportSource<StreamlinesRun, PreparedStreamlines, StreamlineModel>;

/**
 * Scores a run and writes what people look at.
 *
 * @param source What was trained, and how it went.
 * @throws {WriteError} when a file cannot be written.
 */
export async function reportStreamlines(source: Source): Promise<RunSummary> {
  const { folder, config, data, model, outcome, seconds } = source;
  const { metrics, ended } = outcome;
  const densities = await fitBundleDensities(model, data.training, config.found);
  writeWhole(`${folder}/${DENSITIES_FILE}`, densitiesToBytes(densities));
  const scores = await scoreStreamlines(model, config, { data, densities });
  const real = some(data.heldOut, DRAWN);
  const decoded = await model.reconstruct(real.streamlines, conditionsOf(real, config.found));
  const made = await generateAll(source, densities);
  writeTractograms(folder, data.space, {
    "held-out": data.heldOut.streamlines,
    reconstructed: (await model.reconstruct(
      data.heldOut.streamlines,
      conditionsOf(data.heldOut, config.found),
    )) as Streamlines,
    generated: made.streamlines,
  });
  const text = summaryText(source, densities, scoreText(scores));
  const rows: DrawnStreamlines[] = [
    drawn("held-out streamlines", real),
    drawn("reconstructed", { ...real, streamlines: decoded as Streamlines }),
    drawn("generated, bundle by bundle", some(made, DRAWN)),
  ];
  const figures = [
    {
      svg: streamlinePlanes(rows),
      caption: "Held-out streamlines, what the model makes of them, and new ones.",
    },
    { svg: await mapFigure(model, data), caption: "Codes of held-out streamlines, by bundle." },
    { svg: lossCurve(metrics), caption: "How the loss fell." },
  ];
  writeWhole(
    `${folder}/report.html`,
    reportPage({ title: `Streamlines: ${config.kind}`, summary: text, figures }),
  );
  const json = {
    training: { epochs: metrics.length, ended, seconds },
    kind: config.kind,
    divergence: densities.divergence,
    scores,
  };
  return { json, text };
}

function summaryText(
  { config, data, outcome: { metrics, ended }, seconds, folder }: Source,
  { divergence, shrunk }: BundleDensities,
  scores: string,
): string {
  const count = data.training.labels.length;
  const lines = [
    `A ${config.kind} model of ${count} streamlines in ${data.classes.length} bundles: ${metrics.length} epochs, ` +
    `${ended}, ${seconds.toFixed(0)} s`,
    "",
    scores,
  ];
  if (divergence !== null) {
    lines.push(
      "",
      `Mean divergence of the posteriors ${divergence.toFixed(1)} nats, ln N ${
        Math.log(count).toFixed(1)
      }${
        divergence > Math.log(count) ? ": N(0, I) cannot be covered, sample from the bundles" : ""
      }`,
    );
  }
  if (shrunk.length > 0) {
    const names = shrunk.map((bundle) => data.classes[bundle]).join(", ");
    lines.push("", `Few streamlines, so that their Gaussians were shrunk: ${names}`);
  }
  lines.push("", `Report    ${folder}/report.html`);
  return lines.join("\n");
}

async function generateAll(
  { model, config, data }: Source,
  densities: BundleDensities,
): Promise<Labelled> {
  const parts: Float32Array[] = [];
  const labels: number[] = [];
  for (const bundle of data.classes.keys()) {
    const { streamlines } = await sampleStreamlines(model, { densities, found: config.found }, {
      bundle,
      count: PER_BUNDLE,
      seed: config.training.seed,
      lengths: null,
      prior: "bundle",
    });
    parts.push(streamlines.data);
    labels.push(...new Array<number>(PER_BUNDLE).fill(bundle));
  }
  const { points } = model.config;
  const all = new Float32Array(labels.length * points * 3);
  parts.forEach((part, i) => all.set(part, i * PER_BUNDLE * points * 3));
  return {
    streamlines: { data: all, shape: [labels.length, points, 3] },
    labels: Int32Array.from(labels),
  };
}

/** Evenly spaced streamlines. */
function some({ streamlines, labels }: Labelled, most: number): Labelled {
  const count = Math.min(most, labels.length);
  const rows = Array.from({ length: count }, (_, i) => Math.floor((i * labels.length) / count));
  return {
    streamlines: pickStreamlines(streamlines, rows),
    labels: Int32Array.from(rows, (row) => labels[row]),
  };
}

function drawn(title: string, { streamlines, labels }: Labelled): DrawnStreamlines {
  return { title, points: streamlines.data, pointsEach: streamlines.shape[1], labels };
}

async function mapFigure(model: StreamlineModel, { heldOut, classes }: PreparedStreamlines) {
  const { streamlines, labels } = some(heldOut, MAPPED);
  if (labels.length < 8) return latentMap([], { labels, names: classes, title: "Codes" });
  const { map } = await tsne(await model.encode(streamlines), { iterations: 500 });
  return latentMap(map.data, { labels, names: classes, title: "Codes of held-out streamlines" });
}

/** `.trk` where the image is known, else `.tck`. */
function writeTractograms(
  folder: string,
  space: TractogramSpace | null,
  sets: Readonly<Record<string, Streamlines>>,
): void {
  makeFolder(`${folder}/${TRACTOGRAMS_FOLDER}`);
  for (const [name, streamlines] of Object.entries(sets)) {
    const tractogram = { ...tractogramOf(streamlines), ...(space ? { space } : {}) };
    const path = `${folder}/${TRACTOGRAMS_FOLDER}/${name}.${space ? "trk" : "tck"}`;
    writeWhole(path, tractogramBytes(tractogram, path));
  }
}
