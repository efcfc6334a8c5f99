/** Tractograms for `inspect` and `convert`. */
import { streamlineLengths } from "../../data/streamlines/geometry.ts";
import { findInvalid, findOutside } from "../../data/streamlines/selection.ts";
import {
  readTractogram,
  tractogramBytes,
  tractogramKind,
} from "../../data/streamlines/tractogram_files.ts";
import { streamlineCount } from "../../formats/tractogram.ts";
import type { Conversion, FamilyFileKind } from "../pipeline.ts";

async function convert(path: string, ending: string): Promise<Conversion> {
  const tractogram = await readTractogram(path);
  return {
    content: tractogramBytes(tractogram, `output${ending}`),
    holds: `${streamlineCount(tractogram)} streamlines`,
  };
}

/** Endings, the longer first. */
const ENDINGS = [".trk.gz", ".tck.gz", ".trk", ".tck", ".trx"];

const CONVERSIONS = Object.fromEntries(
  ENDINGS.map((ending) => [ending, (path: string) => convert(path, ending)]),
);

function startsWith(head: Uint8Array, text: string): boolean {
  return String.fromCharCode(...head.subarray(0, text.length)) === text;
}

/** The kinds. */
export const STREAMLINE_FILES: readonly FamilyFileKind[] = [{
  name: "a tractogram (.trk, .tck, .trx)",
  recognises: (head, path) =>
    startsWith(head, "TRACK\0") || startsWith(head, "mrtrix tracks") ||
    (tractogramKind(path) !== undefined &&
      (startsWith(head, "\x1f\x8b") || startsWith(head, "PK"))),
  facts: tractogramFacts,
  conversions: CONVERSIONS,
}];

async function tractogramFacts(path: string): Promise<Record<string, unknown>> {
  const tractogram = await readTractogram(path);
  const { points, perPoint, perStreamline, groups, space, remarks = [] } = tractogram;
  const lengths = streamlineLengths(tractogram).sort();
  const { short, still, unreal } = findInvalid(tractogram);
  const odd = [
    ...remarks,
    ...said(short.length, "of fewer than two points"),
    ...said(still.length, "without length"),
    ...said(unreal.length, "with coordinates that are no numbers"),
    ...(space ? said(findOutside(tractogram, space).length, "that leave the image") : []),
  ];
  return {
    kind: `tractogram (.${tractogramKind(path)})`,
    streamlines: streamlineCount(tractogram),
    points: points.length / 3,
    lengths: lengths.length === 0 ? null : {
      least: rounded(lengths[0]),
      median: rounded(lengths[lengths.length >> 1]),
      most: rounded(lengths.at(-1)!),
    },
    box: boxOf(points),
    perPoint: [...(perPoint ?? new Map()).keys()],
    perStreamline: [...(perStreamline ?? new Map()).keys()],
    groups: [...(groups ?? new Map())].map(([name, rows]) => `${name} (${rows.length})`),
    ...(space
      ? {
        dimensions: space.dimensions,
        voxelSizes: space.voxelSizes,
        voxelOrder: space.voxelOrder,
        affine: space.affine,
      }
      : {}),
    remarks: odd,
  };
}

function said(count: number, what: string): string[] {
  return count > 0 ? [`${count} streamlines ${what}.`] : [];
}

function rounded(mm: number): number {
  return Number(mm.toPrecision(5));
}

/** Least and most of x, y and z. */
function boxOf(points: Float32Array): string | null {
  if (points.length === 0) return null;
  return [0, 1, 2].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = axis; i < points.length; i += 3) {
      if (points[i] < low) low = points[i];
      if (points[i] > high) high = points[i];
    }
    return `${"xyz"[axis]} ${rounded(low)} to ${rounded(high)}`;
  }).join(", ");
}
