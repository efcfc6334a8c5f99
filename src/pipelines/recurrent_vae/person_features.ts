/**
 * Numbers that characterise each scan: by the latent states of a trained model, by principal components of its training
 * frames, and by functional connectivity. Scans that were trained on and held-out ones are treated alike.
 */
import { letOthersRun } from "../../base/event_loop.ts";
import type { DataLoader } from "../../data/loader.ts";
import {
  connectivity,
  type NamedNumbers,
  trajectoryFeatures,
} from "../../evaluation/trajectory_features.ts";
import { fitPca, type Pca } from "../../linalg/pca.ts";
import type { FoldFeatures, OpenedRun } from "../pipeline.ts";
import { scoreModel } from "./baselines.ts";
import { modelledVoxels, type PreparedData, unitsOf } from "./prepared_data.ts";
import { rollOut } from "./rollouts.ts";
import type { RunConfig } from "./run_config.ts";
import { affordableFrames } from "./scores.ts";
import type { TrainedModel } from "./trained_model.ts";

/** Most parcels of the connectivity: 64 have 2016 pairs. */
const MOST_PARCELS = 64;

/** Voxels `[Z·Y·X]` in parcels: the number of each, −1 outside the mask. */
interface Parcels {
  readonly count: number;
  readonly of: Int32Array;
}

/**
 * Features of all scans of a run.
 *
 * @param run Its configuration, data and trained model.
 */
export async function personFeatures(
  { config, data, model }: OpenedRun<RunConfig, PreparedData> & { readonly model: TrainedModel },
): Promise<FoldFeatures> {
  const pca = await fitPca(frameRows(data.train), config.model.latentDim);
  const parcels = makeParcels(data);
  const units = unitsOf(data.cohort.subjects);
  const parts = [
    { loader: data.train, rows: data.split.train, heldOut: false },
    ...(data.heldOut ? [{ loader: data.heldOut, rows: data.split.test, heldOut: true }] : []),
  ];
  const rows: FoldFeatures["rows"][number][] = [];
  const found: NamedNumbers[][] = [];
  for (const { loader, rows: cohortRows, heldOut } of parts) {
    for (const [row, cohortRow] of cohortRows.entries()) {
      const { label } = data.cohort.subjects[cohortRow];
      rows.push({ person: units[cohortRow], label, heldOut });
      const latent = await latentFeatures(model, loader, { row, data });
      found.push([latent, ...await linearFeatures(loader, row, { pca, parcels })]);
    }
  }
  const methods = [
    { method: "latent states", own: true },
    { method: `PCA with ${pca.size} components`, own: false },
    { method: "functional connectivity", own: false },
  ];
  return {
    rows,
    sets: methods.map((method, index) => ({
      ...method,
      names: found[0][index].names,
      values: found.map((features) => features[index].values),
    })),
  };
}

/** Of the posterior means, and how well the scan is reconstructed from them. */
async function latentFeatures(
  model: TrainedModel,
  loader: DataLoader,
  { row, data: { mask } }: { readonly row: number; readonly data: PreparedData },
): Promise<NamedNumbers> {
  const { states } = await rollOut(model, loader, { row });
  const { names, values } = trajectoryFeatures(states.data, states.shape[1]);
  const { mse } = await scoreModel(model, [loader.batch([row])], mask ? { mask } : {});
  return {
    names: [...names, "log reconstruction error"],
    values: [...values, Math.log(Math.max(mse, 1e-30))],
  };
}

/** Of the components' scores, and of the mean series of the parcels; frame by frame. */
async function linearFeatures(
  loader: DataLoader,
  row: number,
  { pca, parcels }: { readonly pca: Pca; readonly parcels: Parcels },
): Promise<[NamedNumbers, NamedNumbers]> {
  const batch = loader.batch([row]);
  const { frames } = loader;
  const scores = new Float64Array(frames * pca.size);
  const series = new Float64Array(frames * parcels.count);
  for (let t = 0; t < frames; t++) {
    await letOthersRun();
    const frame = batch.read(t, 1);
    scores.set(pca.transform(frame), t * pca.size);
    // A sum correlates as a mean does.
    for (let v = 0; v < frame.length; v++) {
      if (parcels.of[v] >= 0) series[t * parcels.count + parcels.of[v]] += frame[v];
    }
  }
  return [trajectoryFeatures(scores, pca.size), connectivity(series, parcels.count)];
}

/** Training frames, evenly spaced over all of them, as rows. */
function frameRows(loader: DataLoader) {
  const all = loader.subjects * loader.frames;
  const rows = Math.min(all, affordableFrames(loader));
  const [x, y, z] = loader.spatialShape;
  return {
    rows,
    columns: x * y * z,
    read(index: number) {
      const place = Math.floor(index * all / rows);
      return loader.batch([Math.floor(place / loader.frames)]).read(place % loader.frames, 1);
    },
  };
}

/** Cubes of voxels as small as their number allows, of those inside the mask. */
function makeParcels({ train, mask }: PreparedData): Parcels {
  const [x, y, z] = train.spatialShape;
  const inside = modelledVoxels(train).filter((voxel) => !mask || mask.data[voxel] > 0);
  for (let edge = 1;; edge++) {
    const [nx, ny] = [x, y].map((size) => Math.ceil(size / edge));
    const numbers = new Map<number, number>();
    const of = new Int32Array(x * y * z).fill(-1);
    for (const voxel of inside) {
      const place = [voxel % x, Math.floor(voxel / x) % y, Math.floor(voxel / (x * y))];
      const [a, b, c] = place.map((i) => Math.floor(i / edge));
      const cube = (c * ny + b) * nx + a;
      if (!numbers.has(cube)) numbers.set(cube, numbers.size);
      of[voxel] = numbers.get(cube)!;
    }
    if (numbers.size <= MOST_PARCELS) return { count: numbers.size, of };
  }
}
