/** Samples of one shape, whatever they come from: 3-D images, frames of runs, tables, arrays of NumPy. */
import type { NdArray, SpatialShape } from "../base/arrays.ts";
import { FormatError, ShapeError } from "../base/errors.ts";
import { gatherStrided, rowMajorStrides } from "../base/strided.ts";
import { readNpy } from "../formats/npy.ts";
import { groupName, parseBidsName } from "./bids.ts";
import { openBoldRun } from "./bold_run.ts";
import { blockLabels } from "./block_labels.ts";
import { openMask } from "./mask.ts";
import { readRegularFile } from "./openers/regular_file.ts";
import { readNumberTable } from "./table_file.ts";

/** Samples and what is known about each. */
export interface SampleSet {
  /** `[N, F]`, or images `[N, Z, Y, X]` (fewer axes of flat ones), with a last axis of channels where there are several. */
  readonly values: NdArray<Float32Array>;
  /** For networks: `[F]`, or an image's extent `[X, Y, Z]`. */
  readonly shape: readonly number[];
  /** Channels of images; absent of tables. */
  readonly channels?: number;
  /** What a person calls each sample. */
  readonly names: readonly string[];
  /** What must not be divided between training and test. */
  readonly groups: readonly string[];
  /** Class or number of each, `""` where there is none. */
  readonly targets?: readonly string[];
  /** Of images from NIfTI files. */
  readonly space?: SampleSpace;
  /** Names of a table's columns. */
  readonly columns?: readonly string[];
  /** What should be known about them, as sentences. */
  readonly notes: readonly string[];
}

/** Where images lie. */
export interface SampleSpace {
  readonly spatialShape: SpatialShape;
  /** 4 × 4, row by row. */
  readonly affine: readonly number[];
  /** Voxels in memory order that are features, where a mask chose them. */
  readonly voxels?: readonly number[];
}

/** How samples are made of files. */
export interface SampleOptions {
  /** `"files"` (default): a 3-D image is a sample; `"frames"`: every frame of a 4-D file. */
  readonly samples?: "files" | "frames";
  /** Path of a mask: the voxels inside become a table's columns. */
  readonly mask?: string;
  /** Column of a table that is no feature. */
  readonly target?: string;
  /** Targets by participant. */
  readonly participants?: ReadonlyMap<string, string>;
  /** Leaves out rows of tables with missing values. */
  readonly dropMissing?: boolean;
  /** Takes 0 for values that are not finite. */
  readonly nanToZero?: boolean;
}

/**
 * Opens samples.
 *
 * @param paths Files of one kind.
 * @param options See {@link SampleOptions}.
 * @throws {FormatError} for files that cannot be read, or hold values that are not finite: which, and how many.
 * @throws {ShapeError} naming two files whose samples differ in shape.
 */
export async function openSamples(
  paths: readonly string[],
  options: SampleOptions = {},
): Promise<SampleSet> {
  const [first] = paths;
  if (first === undefined) {
    throw new FormatError("", "samples.none", "Cannot open samples: found no files, needs one");
  }
  const set = /\.(csv|tsv)$/.test(first)
    ? tableSamples(paths, options)
    : first.endsWith(".npy")
    ? arraySamples(paths)
    : await imageSamples(paths, options);
  return withParticipants(finite(set, options), options);
}

function tableSamples(paths: readonly string[], options: SampleOptions): SampleSet {
  const tables = paths.map((path) => readNumberTable(path, options));
  const [{ columns }] = tables;
  tables.forEach((table, i) => {
    if (table.columns.join() === columns.join()) return;
    throw new ShapeError(
      `Cannot open samples: "${
        paths[i]
      }" has ${table.columns.length} columns other than those of "${paths[0]}" ` +
        `(${columns.length}), needs the same`,
      [table.columns.length],
      `${columns.length} columns`,
    );
  });
  const names = tables.flatMap(({ names: own }, i) =>
    own.map((name) =>
      paths.length > 1 || name.startsWith("line ") ? `${name} of ${paths[i]}` : name
    )
  );
  const dropped = tables.reduce((sum, table) => sum + table.dropped, 0);
  return {
    values: joined(tables.map(({ values }) => values), [columns.length]),
    shape: [columns.length],
    names,
    groups: names,
    columns,
    ...(options.target === undefined || options.participants
      ? {}
      : { targets: tables.flatMap(({ target }) => target!) }),
    notes: dropped > 0
      ? [`${dropped} rows with missing values were left out (--drop-missing).`]
      : [],
  };
}

/** `(B, F)`, `(B, X, Y)`, `(B, X, Y, Z)`, or `(B, C, X, Y, Z)`: images turn to memory order, x fastest. */
function arraySamples(paths: readonly string[]): SampleSet {
  const arrays = paths.map((path) => readNpy(readRegularFile(path), path));
  const [{ shape: [, ...first] }] = arrays;
  arrays.forEach(({ shape: [, ...axes] }, i) => requireSame(first, axes, [paths[0], paths[i]]));
  if (first.length < 1 || first.length > 4) {
    throw new ShapeError(
      `Cannot open samples: "${paths[0]}" has shape (${
        arrays[0].shape.join(", ")
      }), needs (rows, columns) of a table, ` +
        "or (samples, X, Y), (samples, X, Y, Z), (samples, channels, X, Y, Z) of images",
      arrays[0].shape,
      "2 to 5 axes",
    );
  }
  const isTable = first.length === 1;
  const axes = first.length === 4 ? first : [1, ...first];
  const parts = arrays.map(({ data, shape: [rows] }) => {
    const values = Float32Array.from(data as unknown as ArrayLike<number | bigint>, Number);
    if (isTable) return values;
    const strides = rowMajorStrides([rows, ...axes]);
    return gatherStrided(values, {
      offset: 0,
      shape: [rows, ...axes.toReversed()],
      strides: [strides[0], ...strides.slice(1).toReversed()],
    });
  });
  const [channels, ...extent] = axes;
  const memory = [...extent.toReversed(), ...(channels > 1 ? [channels] : [])];
  const names = arrays.flatMap(({ shape: [rows] }, i) =>
    Array.from({ length: rows }, (_, row) => `row ${row + 1} of ${paths[i]}`)
  );
  return {
    values: joined(parts, isTable ? first : memory),
    shape: isTable ? first : extent,
    ...(isTable ? {} : { channels }),
    names,
    groups: names,
    notes: [],
  };
}

async function imageSamples(paths: readonly string[], options: SampleOptions): Promise<SampleSet> {
  const frames: Float32Array[] = [];
  const names: string[] = [];
  const groups: string[] = [];
  const targets: string[] = [];
  const notes: string[] = [];
  let space: SampleSpace | undefined;
  for (const path of paths) {
    const run = await openBoldRun(path);
    try {
      const { spatialShape, affine } = run;
      if (space) requireSame(space.spatialShape, spatialShape, [paths[0], path]);
      else space = { spatialShape, affine, ...await maskOf(options.mask, spatialShape) };
      if (run.frames > 1 && options.samples !== "frames") {
        throw new ShapeError(
          `Cannot open samples: "${path}" holds ${run.frames} frames, needs one image; give --samples frames to take each ` +
            "frame as a sample",
          [run.frames],
          "1 frame",
        );
      }
      const labels = blockLabels(path, { frames: run.frames, repetitionTime: run.repetitionTime });
      for (let t = 0; t < run.frames; t++) {
        const frame = run.readFrame(t);
        frames.push(space.voxels ? Float32Array.from(space.voxels, (v) => frame[v]) : frame);
        names.push(run.frames > 1 ? `frame ${t + 1} of ${path}` : path);
        groups.push(run.frames > 1 ? groupName(path, "scan") : groupName(path, "subject"));
        targets.push(labels?.[t] ?? "");
      }
      notes.push(...run.remarks ?? []);
    } finally {
      run.close();
    }
  }
  const { spatialShape, voxels } = space!;
  const axes = voxels ? [voxels.length] : spatialShape;
  return {
    values: joined(frames, voxels ? axes : axes.toReversed()),
    shape: axes,
    ...(voxels ? {} : { channels: 1 }),
    names,
    groups,
    ...(targets.some((label) => label !== "") ? { targets } : {}),
    space,
    notes,
  };
}

async function maskOf(path: string | undefined, shape: SpatialShape) {
  if (path === undefined) return {};
  const mask = await openMask(path, shape);
  return { voxels: [...mask.keys()].filter((voxel) => mask[voxel] > 0) };
}

function joined(parts: readonly Float32Array[], axes: readonly number[]): NdArray<Float32Array> {
  const size = axes.reduce((product, n) => product * n, 1);
  const rows = parts.reduce((sum, part) => sum + part.length / size, 0);
  const data = new Float32Array(rows * size);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, shape: [rows, ...axes] };
}

function requireSame(
  first: readonly number[],
  found: readonly number[],
  [one, other]: readonly [string, string],
): void {
  if (first.join() === found.join()) return;
  throw new ShapeError(
    `Cannot open samples: "${other}" has samples of ${
      found.join("×")
    } values where those of "${one}" have ${
      first.join("×")
    }, needs one shape; crop or resample the images to one grid`,
    found,
    `[${first}]`,
  );
}

/** Refuses values that are not finite, or takes 0 for them where that was asked for. */
function finite(set: SampleSet, { nanToZero = false }: SampleOptions): SampleSet {
  const { data, shape } = set.values;
  const size = data.length / shape[0];
  const bad = new Map<number, number>();
  data.forEach((value, i) => {
    if (Number.isFinite(value)) return;
    const row = Math.floor(i / size);
    bad.set(row, (bad.get(row) ?? 0) + 1);
    if (nanToZero) data[i] = 0;
  });
  const [first] = bad;
  if (first === undefined) return set;
  if (nanToZero) {
    const count = [...bad.values()].reduce((sum, n) => sum + n, 0);
    return {
      ...set,
      notes: [...set.notes, `${count} values that are not finite became 0 (--nan-to zero).`],
    };
  }
  throw new FormatError(
    set.names[first[0]],
    "samples.finite",
    `Cannot use ${set.names[first[0]]}: ${
      first[1]
    } of ${size} values are NaN or infinite, needs numbers; name the voxels ` +
      "that count with --mask, or take 0 for the others with --nan-to zero",
  );
}

/** Targets of people by the subject in a file's name, or by what a row is called. */
function withParticipants(set: SampleSet, { participants }: SampleOptions): SampleSet {
  if (!participants) return set;
  const targets = set.names.map((name) => {
    const path = name.replace(/^.* of /, "");
    const { subject } = parseBidsName(path);
    return participants.get(subject === undefined ? name : `sub-${subject.replace(/^sub-/, "")}`) ??
      participants.get(name) ?? "";
  });
  const without = targets.filter((target) => target === "").length;
  const notes = without > 0 ? [`${without} of ${targets.length} samples have no target.`] : [];
  return { ...set, targets, notes: [...set.notes, ...notes] };
}
