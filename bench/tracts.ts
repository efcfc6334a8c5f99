/**
 * Figures of the streamline models on `fibercup`, with the baselines beside them: reconstruction, generation, agreement of
 * lengths, filtering, sampling around seeds.
 *
 * Run with: deno task bench:tracts [--only ae,vae,conditional,adversarial] [--epochs 20] [--threads 1]
 */
import { selectBackend } from "../src/backends/registry.ts";
import { parseArgs } from "../src/deps/node_util.ts";
import {
  lengthsOf,
  nearestDistances,
  pickStreamlines,
  type Streamlines,
} from "../src/data/streamlines/geometry.ts";
import { IMPLAUSIBLE_KINDS, implausibleFibercup } from "../src/data/streamlines/implausible.ts";
import { resampleStreamlines, tractogramOf } from "../src/data/streamlines/geometry.ts";
import { rocCurve } from "../src/evaluation/distance_thresholds.ts";
import { resemblance } from "../src/evaluation/bundle_metrics.ts";
import { nearestNeighbours } from "../src/evaluation/nearest_neighbours.ts";
import type { StreamlineKind } from "../src/models/streamlines/config.ts";
import type { StreamlineModel } from "../src/models/streamlines/model.ts";
import { fitBundleDensities } from "../src/pipelines/streamlines/bundle_densities.ts";
import { openStreamlines, type PreparedStreamlines } from "../src/pipelines/streamlines/data.ts";
import { fitStreamlines } from "../src/pipelines/streamlines/fit.ts";
import { buildModel, type StreamlinesRun } from "../src/pipelines/streamlines/run_config.ts";
import { sampleFromSeeds } from "../src/pipelines/streamlines/sampling.ts";
import { scoreStreamlines, scoreText } from "../src/pipelines/streamlines/scores.ts";
import { planConfig, type TrainValues } from "../src/pipelines/streamlines/settings.ts";

/** Options of `train streamlines`, none given. */
const NOTHING = {
  "no-shortcut": false,
  "drop-invalid": false,
  "allow-outside": false,
  force: false,
  json: false,
  quiet: false,
} as unknown as TrainValues;

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      only: { type: "string" },
      epochs: { type: "string" },
      threads: { type: "string" },
    },
  });
  const kinds = (values.only ?? "ae,vae,conditional,adversarial").split(",") as StreamlineKind[];
  await selectBackend("wasm", values.threads ? { threads: Number(values.threads) } : {});
  for (const kind of kinds) {
    const epochs = values.epochs === undefined ? {} : { epochs: Number(values.epochs) };
    const planned = planConfig({ ...NOTHING, kind, ...epochs }, []);
    const { config, data } = await openStreamlines(planned);
    const model = buildModel(config);
    const began = performance.now();
    await fitStreamlines(model, { config, data }, {
      signal: new AbortController().signal,
      callbacks: [],
      onBatch() {},
      log() {},
    });
    const densities = await fitBundleDensities(model, data.training, config.found);
    const seconds = (performance.now() - began) / 1000;
    console.log(`\n## ${kind}: ${config.training.epochs} epochs, ${seconds.toFixed(0)} s`);
    console.log(scoreText(await scoreStreamlines(model, config, { data, densities })));
    if (kind === "ae") {
      await printFilter(model, data);
      await printSeeds(model, config, data);
    }
    model.dispose();
  }
}

/** Area under the ROC curve of distances to the nearest training code, all kinds and each. */
async function printFilter(
  model: StreamlineModel,
  { training, heldOut }: PreparedStreamlines,
): Promise<void> {
  const bad = implausibleFibercup(600, { set: "test" });
  const { data } = resampleStreamlines(tractogramOf(bad.streamlines), model.config.points);
  const shape = [600, model.config.points, 3];
  const references = await model.encode(training.streamlines);
  const near = async (set: Streamlines) =>
    nearestNeighbours(await model.encode(set), { references }).distances;
  const good = await near(heldOut.streamlines);
  const wrong = await near({ data, shape });
  const area = (distances: ArrayLike<number>) =>
    rocCurve(
      [...good, ...Array.from(distances)],
      Array.from({ length: good.length + distances.length }, (_, i) => i < good.length),
    ).area;
  const kinds = IMPLAUSIBLE_KINDS.map((name, kind) =>
    `${name} ${area(wrong.filter((_, i) => bad.labels[i] === kind)).toFixed(4)}`
  );
  console.log(`\nFilter, area under ROC: all ${area(wrong).toFixed(4)}, ${kinds.join(", ")}`);
}

/** Sampling around the seeds of every bundle. */
async function printSeeds(
  model: StreamlineModel,
  { found }: StreamlinesRun,
  { training, heldOut }: PreparedStreamlines,
): Promise<void> {
  const parts: Float32Array[] = [];
  for (const bundle of found.length.ranges.keys()) {
    const own = [...training.labels.keys()].filter((row) => training.labels[row] === bundle);
    const seeds = await model.encode(pickStreamlines(training.streamlines, own.slice(0, 300)));
    const count = Math.round((1001 * own.length) / training.labels.length);
    const { codes, acceptance } = sampleFromSeeds(seeds, { count, seed: 1, scale: 0.75 });
    console.log(`GESTA bundle ${bundle}: acceptance ${acceptance.toFixed(3)}`);
    parts.push((await model.decode(codes)).data as Float32Array);
  }
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const { points } = model.config;
  const made = { data: all, shape: [all.length / points / 3, points, 3] };
  const limit = nearestDistances(heldOut.streamlines, training.streamlines).sort()
    .at(Math.floor(0.99 * heldOut.labels.length))!;
  const { plausible, coverage } = resemblance({
    generated: nearestDistances(made, training.streamlines),
    heldOut: nearestDistances(heldOut.streamlines, made),
  }, limit);
  const mean = lengthsOf(made).reduce((sum, mm) => sum + mm, 0) / made.shape[0];
  console.log(
    `GESTA: plausible ${plausible.toFixed(3)}, coverage ${coverage.toFixed(3)}, mean length ${
      mean.toFixed(1)
    } mm`,
  );
}

if (import.meta.main) await main();
