/** Scores a trained VAE and writes what people look at. */
import type { NdArray } from "../../base/arrays.ts";
import { unscaleSamples } from "../../data/sample_scaling.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import type { VAE } from "../../models/vae/vae.ts";
import { lossCurve } from "../../reports/loss_curve.ts";
import { reportPage } from "../../reports/page.ts";
import { sliceComparison } from "../../reports/slice_comparison.ts";
import { traversalFigure } from "../../reports/traversal.ts";
import { formatDuration } from "../../training/progress.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import { RUN_LAYOUT } from "../run_folder.ts";
import type { VaeConfig } from "./config.ts";
import type { VaeData } from "./data.ts";
import { endingOf, FOLDERS, tableText, writeSamples } from "./outputs.ts";
import { encodeAll, scoreModel, scoreText } from "./scores.ts";

/** Samples that are drawn for the report. */
const DRAWN = 8;
/** Latents that the traversal shows. */
const TRAVERSED = 6;
const TRAVERSAL_VALUES = [-3, -2, -1, 0, 1, 2, 3];

/**
 * Scores, tables, images, figures and page of a run, and its summary.
 *
 * @param source What was trained, and how it went.
 * @throws {WriteError} when a file cannot be written.
 */
export async function reportRun(
  source: ReportSource<VaeConfig, VaeData, VAE>,
): Promise<RunSummary> {
  const { folder, config, data, model, outcome: { metrics, ended } } = source;
  model.fitted = true;
  const encoded = await encodeAll(model, data);
  const scores = await scoreModel(model, data, encoded);
  writeLatents(folder, data, encoded.mu);
  await writeImages(folder, model, data);
  const text = [
    `Data      ${
      data.set.values.shape[0]
    } samples (${data.training.rows.length} trained on, ${data.heldOut.rows.length} ` +
    `held out by group), ${data.set.shape.join("×")} values`,
    `Model     ${model.latentDim} latents, beta ${model.beta}, ${model.defaultDist} reconstruction, ` +
    `${config.model.options.network ?? "default"} network, seed ${config.training.seed}`,
    `Training  ${metrics.length} of ${config.training.epochs} epochs on ${source.engine.name} in ` +
    `${formatDuration(1000 * source.seconds)}; mean loss ${show(metrics[0]?.loss)} -> ${
      show(metrics.at(-1)?.loss)
    }`,
    "",
    scoreText(scores, model.latentDim),
    "",
    `Run       ${folder}`,
    `Open ${folder}/${RUN_LAYOUT.report} for the figures.`,
  ].join("\n");
  await writeFigures(source, text);
  const json = { folder, training: { epochs: metrics.length, ended }, ...scores };
  return { json, text };
}

function show(value: number | undefined): string {
  return value === undefined ? "n/a" : value.toPrecision(4);
}

function writeLatents(folder: string, { set, heldOut }: VaeData, mu: NdArray): void {
  const [count, width] = mu.shape;
  const tested = new Set(heldOut.rows);
  makeFolder(`${folder}/${FOLDERS.latents}`, { parents: false });
  const columns = [
    "sample",
    "group",
    "part",
    ...Array.from({ length: width }, (_, d) => `z${d + 1}`),
  ];
  const rows = Array.from({ length: count }, (_, row) => [
    set.names[row],
    set.groups[row],
    tested.has(row) ? "held-out" : "training",
    ...mu.data.subarray(row * width, (row + 1) * width),
  ]);
  writeWhole(`${folder}/${FOLDERS.latents}/samples.tsv`, tableText(columns, rows));
}

async function writeImages(folder: string, model: VAE, { set, heldOut, scaling }: VaeData) {
  makeFolder(`${folder}/${FOLDERS.reconstructions}`, { parents: false });
  const ending = endingOf(set);
  const write = (name: string, samples: NdArray) =>
    writeSamples(
      `${folder}/${FOLDERS.reconstructions}/${name}${ending}`,
      unscaleSamples(samples, scaling),
      set,
    );
  await write("held-out", await model.reconstruct(heldOut.x));
  await write("samples", await model.sample(DRAWN));
}

async function writeFigures(
  { folder, data: { set, heldOut }, model, outcome: { metrics } }: ReportSource<
    VaeConfig,
    VaeData,
    VAE
  >,
  summary: string,
): Promise<void> {
  const figures = [{ name: "loss", svg: lossCurve(metrics), caption: "Training loss by epoch." }];
  if (set.shape.length === 3 && set.channels === 1) {
    const [X, Y, Z] = set.shape;
    const size = X * Y * Z;
    const first = {
      data: heldOut.x.data.subarray(0, size),
      shape: [1, ...heldOut.x.shape.slice(1)],
    };
    const { data } = await model.reconstruct(first);
    figures.push({
      name: "slice",
      svg: sliceComparison({
        input: first.data,
        reconstruction: data,
        spatialShape: [X, Y, Z],
        title: "First held-out sample",
      }),
      caption: "Middle axial slice in the units the model sees.",
    });
    figures.push(await traversal(model, [X, Y, Z]));
  }
  makeFolder(`${folder}/${FOLDERS.figures}`, { parents: false });
  for (const { name, svg } of figures) {
    writeWhole(`${folder}/${FOLDERS.figures}/${name}.svg`, svg);
  }
  const title = `recvae run ${folder.split("/").at(-1)}`;
  writeWhole(`${folder}/${RUN_LAYOUT.report}`, reportPage({ title, summary, figures }));
}

async function traversal(model: VAE, [X, Y, Z]: readonly number[]) {
  const middle = Math.floor(Z / 2) * X * Y;
  const rows = [];
  for (let latent = 0; latent < Math.min(TRAVERSED, model.latentDim); latent++) {
    const { data } = await model.traverse(latent, { values: TRAVERSAL_VALUES });
    const slices = TRAVERSAL_VALUES.map((_, i) => {
      const start = i * X * Y * Z + middle;
      return data.subarray(start, start + X * Y);
    });
    rows.push({ name: `latent ${latent + 1}`, slices });
  }
  return {
    name: "traversal",
    svg: traversalFigure(rows, {
      width: X,
      values: TRAVERSAL_VALUES,
      title: "One latent moves, the others are 0",
    }),
    caption: "Middle axial slice of the decoded latents.",
  };
}
