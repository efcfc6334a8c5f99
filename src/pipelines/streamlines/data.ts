/** Streamlines for training and scoring: from files, bundle by bundle, or from a phantom. */
import type { BatchSource } from "../../base/batches.ts";
import { ConfigError, FormatError } from "../../base/errors.ts";
import { fewOf } from "../../base/lists.ts";
import { RandomStream } from "../../base/random.ts";
import {
  lengthsOf,
  pickStreamlines,
  resampleStreamlines,
  type Streamlines,
} from "../../data/streamlines/geometry.ts";
import {
  fibercup,
  FIBERCUP_BUNDLES,
  FIBERCUP_SPACE,
  type LabelledStreamlines,
  sevenArcs,
} from "../../data/streamlines/phantom.ts";
import { orientStreamlines, quickBundles } from "../../data/streamlines/quick_bundles.ts";
import { findInvalid, findOutside, pickFromTractogram } from "../../data/streamlines/selection.ts";
import { readTractogram } from "../../data/streamlines/tractogram_files.ts";
import { previewNifti } from "../../data/bold_run.ts";
import {
  spaceOfImage,
  streamlineCount,
  type Tractogram,
  type TractogramSpace,
} from "../../formats/tractogram.ts";
import type { StreamlineBatch } from "../../models/streamlines/model.ts";
import type { OpenedData } from "../pipeline.ts";
import type { FoundInData, StreamlineData, StreamlinesRun } from "./run_config.ts";

/** Streamlines with their bundle. */
export type Labelled = LabelledStreamlines;

/** Open data. */
export interface PreparedStreamlines extends OpenedData {
  readonly training: Labelled;
  readonly heldOut: Labelled;
  /** Names of bundles. */
  readonly classes: readonly string[];
  readonly space: TractogramSpace | null;
}

/** Share of every bundle that is held out. */
const HELD_OUT = 0.2;

/** What is read from the files, or made. */
interface Bundles extends Labelled {
  readonly classes: readonly string[];
  readonly space: TractogramSpace | null;
  readonly notes: readonly string[];
}

/**
 * Opens the data of a configuration and fills in what was found in them.
 *
 * @param run Of any state.
 * @throws {FormatError} {ConfigError} for files that cannot be used.
 */
export async function openStreamlines(
  run: StreamlinesRun,
): Promise<{ readonly config: StreamlinesRun; readonly data: PreparedStreamlines }> {
  const points = run.model.points ?? 256;
  const { seed, batchSize } = run.training;
  const parts = run.data.phantom
    ? phantomParts(run.data, points, seed)
    : splitParts(await readBundles(run.data, points), seed);
  const { training, classes, space } = parts;
  const found = findInData(training, { classes, space });
  const { centre, scale } = run.training.rawEpsilon
    ? { centre: [0, 0, 0], scale: 1 }
    : extentOf(training.streamlines);
  const told = run.kind === "conditional" || run.kind === "adversarial";
  const config: StreamlinesRun = {
    ...run,
    model: { ...run.model, classes: told ? classes : [], centre, scale },
    found,
  };
  return {
    config,
    data: {
      ...parts,
      batchesPerEpoch: Math.ceil(training.labels.length / batchSize),
      describe: (row) => `streamline ${row} of ${classes[training.labels[row]]}`,
      close() {},
    },
  };
}

type Parts = Omit<PreparedStreamlines, keyof OpenedData> & Pick<OpenedData, "notes">;

function phantomParts({ phantom, share }: StreamlineData, points: number, seed: number): Parts {
  const at = ({ streamlines, labels }: Labelled): Labelled => ({
    labels,
    streamlines: points === 256 ? streamlines : resampled(streamlines, points),
  });
  if (phantom === "seven-arcs") {
    const bundles = sevenArcs(Math.max(10, Math.round(100 * share)));
    return splitParts({
      ...at(bundles),
      classes: Array.from({ length: 7 }, (_, b) => `arc-${b}`),
      space: null,
      notes: [],
    }, seed);
  }
  return {
    training: at(fibercup({ seed, share })),
    heldOut: at(fibercup({ seed, share: share * HELD_OUT, set: "test" })),
    classes: FIBERCUP_BUNDLES.map(([name]) => name),
    space: FIBERCUP_SPACE,
    notes: [],
  };
}

function resampled({ data, shape: [count, points] }: Streamlines, wanted: number): Streamlines {
  const offsets = Uint32Array.from({ length: count + 1 }, (_, s) => s * points);
  return resampleStreamlines({ points: data, offsets }, wanted);
}

function splitParts(bundles: Bundles, seed: number): Parts {
  const { streamlines, labels, classes, space, notes } = bundles;
  const random = RandomStream.fromSeed(seed).split("held out");
  const training: number[] = [];
  const heldOut: number[] = [];
  classes.forEach((_, bundle) => {
    const rows = [...labels.keys()].filter((row) => labels[row] === bundle);
    const order = random.split(bundle).permutation(rows.length);
    const count = Math.max(1, Math.round(HELD_OUT * rows.length));
    order.forEach((k, i) => (i < count ? heldOut : training).push(rows[k]));
  });
  const take = (rows: number[]): Labelled => {
    rows.sort((a, b) => a - b);
    return {
      streamlines: pickStreamlines(streamlines, rows),
      labels: Int32Array.from(rows, (row) => labels[row]),
    };
  };
  return { training: take(training), heldOut: take(heldOut), classes, space, notes };
}

/** Streamlines of which bundle, of each of the files. */
async function readBundles(data: StreamlineData, points: number): Promise<Bundles> {
  const notes: string[] = [];
  const parts: Streamlines[] = [];
  const labels: number[] = [];
  const classes: string[] = [];
  const reference = data.reference === null ? null : await referenceSpace(data.reference);
  let space: TractogramSpace | null = reference;
  for (const file of data.files) {
    const tractogram = await readChecked(file, data, { reference, notes });
    space ??= tractogram.space ?? null;
    const rows = bundlesInside(tractogram, file);
    parts.push(resampleStreamlines(tractogram, points));
    for (const name of rows) {
      if (!classes.includes(name)) classes.push(name);
      labels.push(classes.indexOf(name));
    }
  }
  const joined = joinStreamlines(parts, points);
  if (data.segment !== null) return segmented(joined, { threshold: data.segment, space, notes });
  const own = Int32Array.from(labels);
  return { streamlines: orientStreamlines(joined, own), labels: own, classes, space, notes };
}

function joinStreamlines(parts: readonly Streamlines[], points: number): Streamlines {
  const count = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const data = new Float32Array(count * points * 3);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, shape: [count, points, 3] };
}

/** Bundles that were found by distance; those of fewer than five streamlines are left out. */
function segmented(
  streamlines: Streamlines,
  { threshold, space, notes }: {
    readonly threshold: number;
    readonly space: TractogramSpace | null;
    readonly notes: string[];
  },
): Bundles {
  const [count, points] = streamlines.shape;
  const offsets = Uint32Array.from({ length: count + 1 }, (_, s) => s * points);
  const { labels, sizes } = quickBundles({ points: streamlines.data, offsets }, { threshold });
  const kept = sizes.flatMap((size, b) => (size >= 5 ? [b] : []));
  const rows = [...labels.keys()].filter((row) => kept.includes(labels[row]));
  notes.push(
    `QuickBundles within ${threshold} mm found ${kept.length} bundles; ${
      count - rows.length
    } streamlines are in bundles of fewer than five and were left out.`,
  );
  if (kept.length === 0) {
    throw new ConfigError(
      "segment",
      `Cannot train: QuickBundles within ${threshold} mm found no bundle of five streamlines, needs one; take a ` +
        "larger distance (--segment quickbundles:20)",
    );
  }
  const own = Int32Array.from(rows, (row) => kept.indexOf(labels[row]));
  return {
    streamlines: orientStreamlines(pickStreamlines(streamlines, rows), own),
    labels: own,
    classes: kept.map((_, i) => `bundle-${i + 1}`),
    space,
    notes,
  };
}

/** The bundle of every streamline: its group in the file, or the file. */
function bundlesInside(tractogram: Tractogram, file: string): string[] {
  const name = file.replace(/\/+$/, "").split("/").at(-1)!.replace(/\.(trk|tck|trx)(\.gz)?$/i, "");
  const labels = new Array<string>(streamlineCount(tractogram)).fill(name);
  for (const [group, members] of tractogram.groups ?? []) {
    for (const row of members) labels[row] = group;
  }
  return labels;
}

/** A file whose streamlines can all be used. */
async function readChecked(
  file: string,
  { dropInvalid, trkOrigin, allowOutside }: StreamlineData,
  { reference, notes }: {
    readonly reference: TractogramSpace | null;
    readonly notes: string[];
  },
): Promise<Tractogram> {
  let tractogram = await readTractogram(file, { trkOrigin });
  for (const remark of tractogram.remarks ?? []) notes.push(`${file}: ${remark}`);
  const { short, still, unreal } = findInvalid(tractogram);
  const invalid = new Set([...short, ...still, ...unreal]);
  if (invalid.size > 0) {
    const words =
      `${invalid.size} streamlines that cannot be used (${short.length} of fewer than two points, ${still.length} ` +
      `without length, ${unreal.length} with coordinates that are no numbers): ${
        fewOf([...invalid].map(String))
      }`;
    if (!dropInvalid) {
      throw new FormatError(
        file,
        "streamlines.invalid",
        `Cannot use "${file}": found ${words}; --drop-invalid leaves them out`,
      );
    }
    notes.push(`${file}: ${words}; they were left out.`);
    tractogram = without(tractogram, invalid);
  }
  if (reference) tractogram = inReference(file, tractogram, { reference, allowOutside, notes });
  if (streamlineCount(tractogram) === 0) {
    throw new FormatError(
      file,
      "streamlines.none",
      `Cannot use "${file}": it holds no streamlines, needs at least one`,
    );
  }
  return tractogram;
}

function without(tractogram: Tractogram, rows: ReadonlySet<number>): Tractogram {
  const kept = Array.from({ length: streamlineCount(tractogram) }, (_, s) => s)
    .filter((s) => !rows.has(s));
  return pickFromTractogram(tractogram, kept);
}

/** Largest difference of header fields, mm. */
const HEADER_TOLERANCE = 1e-3;

function inReference(
  file: string,
  tractogram: Tractogram,
  { reference, allowOutside, notes }: {
    readonly reference: TractogramSpace;
    readonly allowOutside: boolean;
    readonly notes: string[];
  },
): Tractogram {
  const { space } = tractogram;
  for (const field of space ? ["dimensions", "voxelSizes", "affine"] as const : []) {
    const [found, wanted] = [space![field], reference[field]];
    if (found.every((value, i) => Math.abs(value - wanted[i]) <= HEADER_TOLERANCE)) continue;
    throw new FormatError(
      file,
      "streamlines.reference",
      `Cannot use "${file}": its ${field} are ${found.join(" ")}, needs ${
        wanted.join(" ")
      } as the reference image; give the image it was made with to --reference`,
    );
  }
  const outside = findOutside(tractogram, reference);
  if (outside.length === 0) return tractogram;
  const words = `${outside.length} streamlines that leave the reference image: ${
    fewOf(outside.map(String))
  }`;
  if (!allowOutside) {
    throw new FormatError(
      file,
      "streamlines.outside",
      `Cannot use "${file}": found ${words}; --allow-outside leaves them out`,
    );
  }
  notes.push(`${file}: ${words}; they were left out.`);
  return without(tractogram, new Set(outside));
}

/**
 * The space of an image in a NIfTI file.
 *
 * @param path Of the image.
 */
export async function referenceSpace(path: string): Promise<TractogramSpace> {
  const { header } = await previewNifti(path);
  const affine = [...header.affine].flat();
  return spaceOfImage(
    [...header.spatialShape] as [number, number, number],
    affine.length === 12 ? [...affine, 0, 0, 0, 1] : affine,
  );
}

function findInData(
  { streamlines, labels }: Labelled,
  { classes, space }: Pick<PreparedStreamlines, "classes" | "space">,
): FoundInData {
  const lengths = lengthsOf(streamlines);
  const mean = lengths.reduce((sum, mm) => sum + mm, 0) / lengths.length;
  const variance = lengths.reduce((sum, mm) => sum + (mm - mean) ** 2, 0) / lengths.length;
  const ranges = classes.map((_, bundle): [number, number] => {
    const own = [...lengths].filter((_, row) => labels[row] === bundle);
    return [Math.min(...own), Math.max(...own)];
  });
  return { space, length: { mean, deviation: Math.sqrt(variance) || 1, ranges } };
}

/** Centre of all points, and the deviation of their coordinates about it, mm. */
function extentOf({ data }: Streamlines): { centre: number[]; scale: number } {
  const centre = [0, 0, 0];
  for (let i = 0; i < data.length; i++) centre[i % 3] += (3 * data[i]) / data.length;
  let square = 0;
  for (let i = 0; i < data.length; i++) square += (data[i] - centre[i % 3]) ** 2;
  return { centre, scale: Math.sqrt(square / data.length) || 1 };
}

/**
 * Batches in an order of their own in every epoch, streamline, bundle and length together.
 *
 * @param training What is trained on.
 * @param run Its configuration.
 */
export function streamlineBatches(
  { streamlines, labels }: Labelled,
  { training: { seed, batchSize }, found: { length } }: StreamlinesRun,
): BatchSource<StreamlineBatch> {
  const scores = Float32Array.from(
    lengthsOf(streamlines),
    (mm) => (mm - length.mean) / length.deviation,
  );
  const [count, points] = streamlines.shape;
  return {
    *batches(epoch) {
      const order = RandomStream.fromSeed(seed).split("order").split(epoch).permutation(count);
      for (let first = 0; first < count; first += batchSize) {
        const rows = [...order.subarray(first, first + batchSize)];
        yield {
          rows,
          x: { data: pickStreamlines(streamlines, rows).data, shape: [rows.length, points, 3] },
          labels: Int32Array.from(rows, (row) => labels[row]),
          attributes: {
            data: Float32Array.from(rows, (row) => scores[row]),
            shape: [rows.length, 1],
          },
        };
      }
    },
  };
}
