/** Scores of a trained model on held-out streamlines, with baselines beside them. */
import {
  determination,
  meanPointError,
  type Resemblance,
  resemblance,
} from "../../evaluation/bundle_metrics.ts";
import {
  lengthsOf,
  nearestDistances,
  pickStreamlines,
  type Streamlines,
} from "../../data/streamlines/geometry.ts";
import { fitPca } from "../../linalg/pca.ts";
import { quantile } from "../../linalg/densities.ts";
import type { Conditions, StreamlineModel } from "../../models/streamlines/model.ts";
import type { BundleDensities } from "./bundle_densities.ts";
import type { Labelled, PreparedStreamlines } from "./data.ts";
import type { FoundInData, StreamlinesRun } from "./run_config.ts";
import { sampleAtLengths } from "./sampling.ts";

/** Held-out reconstruction. */
export interface ReconstructionRow {
  readonly name: string;
  /** Mean distance of corresponding points, mm. */
  readonly pointError: number;
}

/** Generated streamlines against real ones. */
export interface GenerationRow extends Resemblance {
  readonly name: string;
  /** R² of lengths asked for and measured, over all bundles; null where lengths are not asked for. */
  readonly lengthR2: number | null;
  /** Least of the bundles. */
  readonly leastBundleR2: number | null;
}

/** Everything that is measured. */
export interface StreamlineScores {
  readonly reconstruction: readonly ReconstructionRow[];
  /** mm, 99th percentile of the distances of held-out to training streamlines. */
  readonly limit: number;
  readonly generation: readonly GenerationRow[];
  /** Deviation of reconstructed over that of real coordinates; below 0.5 the model has collapsed. */
  readonly spread: number;
}

/** Streamlines that distances are measured with, at most: all pairs are compared. */
const MOST_COMPARED = 2000;

/** Generated streamlines. */
const GENERATED = 1001;

/**
 * Bundles and z-scored lengths of streamlines, for models that are told them.
 *
 * @param labelled The streamlines.
 * @param found Lengths of the data.
 */
export function conditionsOf(
  { streamlines, labels }: Labelled,
  { length }: FoundInData,
): Conditions {
  const scores = Float32Array.from(
    lengthsOf(streamlines),
    (mm) => (mm - length.mean) / length.deviation,
  );
  return { labels, attributes: { data: scores, shape: [labels.length, 1] } };
}

/**
 * Scores a model.
 *
 * @param model Trained.
 * @param run Its configuration.
 * @param given Data and densities of bundles.
 */
export async function scoreStreamlines(
  model: StreamlineModel,
  run: StreamlinesRun,
  given: { readonly data: PreparedStreamlines; readonly densities: BundleDensities },
): Promise<StreamlineScores> {
  const { training, heldOut } = given.data;
  const real = heldOut.streamlines;
  const decoded = await model.reconstruct(real, conditionsOf(heldOut, run.found));
  const baselines = await principalBaselines(training.streamlines, real, model.config.latentDim);
  const references = few(training.streamlines);
  const tests = few(real);
  const near = nearestDistances(tests, references);
  const limit = quantile(near, 0.99);
  const generation: GenerationRow[] = [];
  for (const prior of ["bundle", "normal"] as const) {
    const name = prior === "bundle" ? "each bundle's Gaussian" : "N(0, I)";
    const made = await generateLike(model, { ...given, run, prior });
    generation.push({
      name,
      ...resemblance({
        generated: nearestDistances(made.streamlines, references),
        heldOut: nearestDistances(tests, made.streamlines),
      }, limit),
      ...(run.kind === "conditional" ? made.agreement : { lengthR2: null, leastBundleR2: null }),
    });
  }
  const half = halves(training.streamlines);
  generation.push({
    name: "real streamlines",
    ...resemblance({
      generated: nearestDistances(half, references),
      heldOut: nearestDistances(tests, half),
    }, limit),
    lengthR2: null,
    leastBundleR2: null,
  });
  return {
    reconstruction: [
      { name: "model", pointError: meanPointError(decoded.data, real.data) },
      ...baselines,
    ],
    limit,
    generation,
    spread: deviationOf(decoded.data) / deviationOf(real.data),
  };
}

/** As many generated streamlines a bundle, and of such lengths, as were held out. */
async function generateLike(
  model: StreamlineModel,
  { run, data: { heldOut }, densities, prior }: {
    readonly run: StreamlinesRun;
    readonly data: PreparedStreamlines;
    readonly densities: BundleDensities;
    readonly prior: "bundle" | "normal";
  },
) {
  const lengths = lengthsOf(heldOut.streamlines);
  const { points, asked, measured } = {
    points: [] as Float32Array[],
    asked: [] as number[],
    measured: [] as number[],
  };
  const perBundle: number[] = [];
  let count = 0;
  for (const bundle of densities.bundles.keys()) {
    const own = lengths.filter((_, row) => heldOut.labels[row] === bundle);
    const wanted = Math.round((GENERATED * own.length) / lengths.length);
    if (wanted === 0) continue;
    const made = await sampleAtLengths(model, { densities, found: run.found }, {
      bundle,
      seed: run.training.seed + 1,
      prior,
      asked: Float64Array.from({ length: wanted }, (_, i) => own[i % own.length]),
    });
    const found = lengthsOf(made.streamlines);
    perBundle.push(determination(made.asked, found));
    points.push(made.streamlines.data);
    asked.push(...made.asked);
    measured.push(...found);
    count += wanted;
  }
  const all = new Float32Array(points.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of points) {
    all.set(part, at);
    at += part.length;
  }
  const streamlines: Streamlines = { data: all, shape: [count, model.config.points, 3] };
  const agreement = {
    lengthR2: determination(asked, measured),
    leastBundleR2: Math.min(...perBundle),
  };
  return { streamlines, agreement };
}

function few(streamlines: Streamlines): Streamlines {
  const [count] = streamlines.shape;
  if (count <= 2 * MOST_COMPARED) return streamlines;
  const step = count / MOST_COMPARED;
  return pickStreamlines(
    streamlines,
    Array.from({ length: MOST_COMPARED }, (_, i) => Math.floor(i * step)),
  );
}

/** Every n-th of the training streamlines, as many as are generated: what real ones would cover. */
function halves(streamlines: Streamlines): Streamlines {
  const [count] = streamlines.shape;
  const step = Math.max(1, count / GENERATED);
  return pickStreamlines(
    streamlines,
    Array.from({ length: Math.min(count, GENERATED) }, (_, i) => Math.floor(i * step)),
  );
}

/** Rows that principal components are fitted to. */
const COMPONENT_ROWS = 800;

async function principalBaselines(
  { data, shape: [count, points] }: Streamlines,
  { data: real, shape: [rows] }: Streamlines,
  latentDim: number,
): Promise<ReconstructionRow[]> {
  const width = 3 * points;
  const step = Math.max(1, Math.ceil(count / COMPONENT_ROWS));
  const fitted = Math.floor(count / step);
  const read = (row: number) => data.subarray(row * step * width, (row * step + 1) * width);
  const components = Math.min(latentDim, fitted - 1);
  const pca = await fitPca({ rows: fitted, columns: width, read }, components);
  let [mean, principal] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const own = real.subarray(row * width, (row + 1) * width);
    mean += meanPointError(pca.mean, own) / rows;
    principal += meanPointError(pca.reconstruct(own), own) / rows;
  }
  return [
    { name: `${components} principal components`, pointError: principal },
    { name: "mean streamline", pointError: mean },
  ];
}

function deviationOf(data: ArrayLike<number>): number {
  const values = Float64Array.from(data);
  let [sum, square] = [0, 0];
  const mean = [0, 0, 0];
  values.forEach((value, i) => mean[i % 3] += (3 * value) / values.length);
  values.forEach((value, i) => {
    sum += 1;
    square += (value - mean[i % 3]) ** 2;
  });
  return Math.sqrt(square / sum);
}

/**
 * The scores as a page of text.
 *
 * @param scores Of a model.
 */
export function scoreText({ reconstruction, generation, limit, spread }: StreamlineScores): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(9);
  const lines = [
    "Held-out streamlines            mean point error",
    ...reconstruction.map(({ name, pointError }) =>
      `  ${name.padEnd(28)}${pointError.toFixed(3).padStart(9)} mm`
    ),
    "",
    `Generated streamlines           plausible coverage   (within ${limit.toFixed(2)} mm)`,
    ...generation.map(({ name, plausible, coverage, lengthR2, leastBundleR2 }) => {
      const lengths = lengthR2 === null
        ? ""
        : `   length R² ${lengthR2.toFixed(3)}, least of the bundles ${leastBundleR2!.toFixed(2)}`;
      return `  ${name.padEnd(28)}${percent(plausible)}${percent(coverage)}${lengths}`;
    }),
  ];
  if (spread < 0.5) {
    lines.push(
      "",
      `The model collapsed: what it decodes scatters ${
        (100 * spread).toFixed(0)
      } % as far as what it was given. Try more --epochs or a smaller --learning-rate.`,
    );
  }
  return lines.join("\n");
}
