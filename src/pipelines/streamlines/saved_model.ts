/** A finished run of streamlines, built again for its verbs. */
import { CheckpointError } from "../../base/errors.ts";
import { fileExists } from "../../data/openers/directory.ts";
import { readRegularFile } from "../../data/openers/regular_file.ts";
import { resampleStreamlines, type Streamlines } from "../../data/streamlines/geometry.ts";
import { findInvalid, pickFromTractogram } from "../../data/streamlines/selection.ts";
import { readTractogram } from "../../data/streamlines/tractogram_files.ts";
import { FormatError } from "../../base/errors.ts";
import { streamlineCount, type Tractogram } from "../../formats/tractogram.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import { startEngine } from "../engine_options.ts";
import { readSavedRun } from "../saved_run.ts";
import { type BundleDensities, DENSITIES_FILE, densitiesFromBytes } from "./bundle_densities.ts";
import { buildModel, runFromJson, type StreamlinesRun } from "./run_config.ts";

/** A run, ready for use. */
export interface SavedModel {
  readonly run: StreamlinesRun;
  readonly model: StreamlineModel;
  /** Names of bundles. */
  readonly classes: readonly string[];
  /** Reads what the run knows of bundles. */
  densities(): BundleDensities;
}

/** Names of bundles in a run's folder. */
export const BUNDLE_NAMES = "bundles.json";

/**
 * Builds a run's model on the engine that the options choose, for as long as a body runs.
 *
 * @param folder Of the run.
 * @param values Engine options.
 * @param body Uses it.
 */
export async function withSavedModel<T>(
  folder: string,
  values: Parameters<typeof startEngine>[0],
  body: (saved: SavedModel) => Promise<T>,
): Promise<T> {
  const { weights, config } = await readSavedRun(folder);
  const run = runFromJson(config, folder);
  const engine = await startEngine(values);
  const model = buildModel(run);
  try {
    model.loadStateDict(weights);
    return await body({
      run,
      model,
      classes: namesOf(folder),
      densities() {
        const path = `${folder}/${DENSITIES_FILE}`;
        return densitiesFromBytes(readRegularFile(path), path);
      },
    });
  } finally {
    model.dispose();
    await engine.stop();
  }
}

function namesOf(folder: string): string[] {
  const path = `${folder}/${BUNDLE_NAMES}`;
  if (!fileExists(path)) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": it has no ${BUNDLE_NAMES}; recvae train --resume ${folder} writes it`,
    );
  }
  return JSON.parse(new TextDecoder().decode(readRegularFile(path)));
}

/** A file's streamlines as a model takes them. */
export interface ModelInput {
  /** Without those that cannot be used. */
  readonly tractogram: Tractogram;
  readonly streamlines: Streamlines;
  /** Streamlines that were left out. */
  readonly dropped: number;
}

/**
 * Reads streamlines and resamples them to a model's number of points.
 *
 * @param path A tractogram.
 * @param options Points, and whether streamlines that cannot be used are left out.
 * @throws {FormatError} when some cannot be used and are not left out.
 */
export async function readForModel(
  path: string,
  options: { readonly points: number; readonly dropInvalid: boolean },
): Promise<ModelInput> {
  let tractogram = await readTractogram(path);
  const { short, still, unreal } = findInvalid(tractogram);
  const invalid = new Set([...short, ...still, ...unreal]);
  if (invalid.size > 0 && !options.dropInvalid) {
    throw new FormatError(
      path,
      "streamlines.invalid",
      `Cannot use "${path}": ${invalid.size} streamlines have fewer than two points, no length or coordinates that ` +
        `are no numbers, the first is ${Math.min(...invalid)}; --drop-invalid leaves them out`,
    );
  }
  if (invalid.size > 0) {
    const kept = Array.from({ length: streamlineCount(tractogram) }, (_, s) => s)
      .filter((s) => !invalid.has(s));
    tractogram = pickFromTractogram(tractogram, kept);
  }
  const streamlines = resampleStreamlines(tractogram, options.points);
  return { tractogram, streamlines, dropped: invalid.size };
}
