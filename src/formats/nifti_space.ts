/**
 * Where and when the voxels of a NIfTI file are: voxel sizes, repetition time, affine, all brought to
 * millimetres and seconds. Source: nifti1.h, "3D image (volume) orientation and location in space".
 */
import type { FormatError } from "../base/errors.ts";
import type { NiftiHeader, RawNiftiHeader } from "./nifti_header.ts";

/** Longest repetition time believed, in seconds; larger ones are milliseconds declared as seconds. */
const MAX_REPETITION_TIME = 60;
/** Shortest repetition time believed, in seconds; smaller ones are seconds declared as milliseconds. */
const MIN_REPETITION_TIME = 0.01;
/** Voxel edges believed without a remark, in millimetres. */
const USUAL_EDGE = { least: 0.02, most: 100 };

/** How the readers of this file say what they meet. */
interface SpaceContext {
  /** Takes a sentence about an oddity that does not stop the reader. */
  readonly remark: (text: string) => void;
  /** Makes the error for what does. */
  readonly refuse: (found: string) => FormatError;
}

const MILLIMETRES: Readonly<Record<number, number>> = { 0: 1, 1: 1000, 2: 1, 3: 1e-3 };
const SECONDS: Readonly<Record<number, number>> = { 0: 1, 8: 1, 16: 1e-3, 24: 1e-6 };

/**
 * Voxel sizes in millimetres: |pixdim|, 1 where the header has 0. Unknown units are taken for millimetres, with a remark.
 *
 * @throws what `refuse` makes, when a size is not finite.
 */
export function readVoxelSizes(
  raw: RawNiftiHeader,
  { remark, refuse }: SpaceContext,
): [number, number, number] {
  const code = raw.xyzt_units & 0x07;
  const unit = MILLIMETRES[code] ?? 1;
  const [x, y, z] = [1, 2, 3].map((axis) => {
    const size = raw.pixDims[axis];
    if (!Number.isFinite(size)) throw refuse(`pixdim[${axis}] is ${size}`);
    return shortest((Math.abs(size) || 1) * unit, raw.version);
  });
  if (code === 0 || !(code in MILLIMETRES)) {
    const found = code === 0
      ? "no unit of length"
      : `a unit of length that does not exist (${code})`;
    remark(`The header names ${found}: voxel sizes are taken for millimetres.`);
  }
  if ([x, y, z].some((edge) => edge < USUAL_EDGE.least || edge > USUAL_EDGE.most)) {
    remark(`The header's voxels of ${x}×${y}×${z} mm are hardly meant: check its unit of length.`);
  }
  return [x, y, z];
}

/** Seconds between frames, or null with a remark that says why there is no answer. */
export function readRepetitionTime(
  raw: RawNiftiHeader,
  context: { readonly axes: number; readonly remark: (text: string) => void },
): number | null {
  if (context.axes < 4) return null;
  const step = raw.pixDims[4];
  const unitCode = raw.xyzt_units & 0x38;
  const seconds = step * (SECONDS[unitCode] ?? NaN);
  if (step === 0) return null;
  if (!(unitCode in SECONDS)) {
    context.remark("The fourth axis is not measured in time: no repetition time is known.");
    return null;
  }
  if (!(seconds >= MIN_REPETITION_TIME && seconds <= MAX_REPETITION_TIME)) {
    const guess = seconds > MAX_REPETITION_TIME
      ? " (milliseconds declared as seconds?)"
      : seconds > 0
      ? " (seconds declared as milliseconds?)"
      : "";
    context.remark(
      `The header's repetition time of ${
        shortest(seconds, raw.version)
      } s cannot be one${guess}: ` +
        `no repetition time is known.`,
    );
    return null;
  }
  if (unitCode === 0) {
    context.remark("The header names no unit of time: the repetition time is taken for seconds.");
  }
  return shortest(seconds, raw.version);
}

/** NIfTI-1 keeps float32: 1.35 instead of 1.350000023841858. */
function shortest(value: number, version: 1 | 2): number {
  return version === 1 ? Number(value.toPrecision(7)) : value;
}

/**
 * The affine by the first method that applies: sform, qform, voxel sizes alone. A sform that maps the volume onto
 * a plane, a line or a point (all entries 0, say) does not apply. All but a good sform is remarked, and so is a qform
 * that puts the volume elsewhere than the sform.
 *
 * @throws what `refuse` makes, when an entry is not finite or the quaternion is longer than 1.
 */
export function readAffine(
  raw: RawNiftiHeader,
  { remark, refuse }: SpaceContext,
): Pick<NiftiHeader, "affine" | "affineSource"> {
  const unit = MILLIMETRES[raw.xyzt_units & 0x07] ?? 1;
  const toMillimetres = (row: number, i: number) => (i < 12 ? row * unit : row);
  let lacking = "no sform";
  if (raw.sform_code > 0) {
    if (!raw.srow.every(Number.isFinite)) throw refuse(`the sform has the entries ${raw.srow}`);
    const affine = [...raw.srow, 0, 0, 0, 1].map(toMillimetres);
    if (!isSingular(affine)) {
      remarkConflict(raw, affine, { remark, unit });
      return { affine, affineSource: "sform" };
    }
    lacking = "a sform that cannot be one (its matrix is singular)";
  }
  const sizes = [1, 2, 3].map((axis) => Math.abs(raw.pixDims[axis]) || 1);
  if (raw.qform_code > 0) {
    remark(`The header has ${lacking}: its qform is used.`);
    return {
      affine: quaternionAffine(raw, sizes, refuse).map(toMillimetres),
      affineSource: "qform",
    };
  }
  remark(
    `The header has ${lacking} and no qform: where the volume lies and which side is left is not known.`,
  );
  const [x, y, z] = sizes;
  const affine = [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1];
  return { affine: affine.map(toMillimetres), affineSource: "pixdim" };
}

/** Voxel edges by which sform and qform may differ without a remark. */
const SAME_PLACE = 0.1;

/** Remarks a qform that says something else than the sform. */
function remarkConflict(
  raw: RawNiftiHeader,
  sform: readonly number[],
  { remark, unit }: { readonly remark: (text: string) => void; readonly unit: number },
): void {
  if (!(raw.qform_code > 0)) return;
  const sizes = [1, 2, 3].map((axis) => Math.abs(raw.pixDims[axis]) || 1);
  const broken = () => new RangeError("no rotation");
  let qform: number[];
  try {
    qform = quaternionAffine(raw, sizes, broken as unknown as () => FormatError);
  } catch {
    remark("The header's qform is no rotation: its sform is used.");
    return;
  }
  const difference = qform.map((value, i) => value * (i < 12 ? unit : 1) - sform[i]);
  let most = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index = [0, 1, 2].map((axis) => (corner >> axis) & 1 ? raw.dims[axis + 1] - 1 : 0);
    const shift = [0, 4, 8].map((at) =>
      difference[at] * index[0] + difference[at + 1] * index[1] + difference[at + 2] * index[2] +
      difference[at + 3]
    );
    most = Math.max(most, Math.hypot(...shift));
  }
  if (most <= SAME_PLACE * unit * Math.min(...sizes)) return;
  remark(
    `The header's sform and qform differ by up to ${
      Number(most.toPrecision(3))
    } mm: the sform is used.`,
  );
}

/**
 * The qform as it is stored, to be written again beside the same affine.
 *
 * @param raw The header.
 */
export function readOrientation(raw: RawNiftiHeader): NiftiHeader["orientation"] {
  const millimetres = (MILLIMETRES[raw.xyzt_units & 0x07] ?? 1) === 1;
  const values = [raw.quatern_b, raw.quatern_c, raw.quatern_d]
    .concat(raw.qoffset_x, raw.qoffset_y, raw.qoffset_z);
  const usable = raw.qform_code > 0 && millimetres && values.every(Number.isFinite);
  return {
    sformCode: raw.sform_code,
    qformCode: usable ? raw.qform_code : 0,
    qform: usable ? values : [0, 0, 0, 0, 0, 0],
    qfac: raw.pixDims[0] < 0 ? -1 : 1,
  };
}

/**
 * Whether an affine maps volumes onto less than a volume.
 *
 * @param affine 4 × 4, row by row.
 */
export function isSingular(affine: readonly number[]): boolean {
  const [a, b, c, , d, e, f, , g, h, i] = affine;
  const volume = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const edges = Math.hypot(a, d, g) * Math.hypot(b, e, h) * Math.hypot(c, f, i);
  return !(Math.abs(volume) > 1e-6 * edges);
}

/** Rotation of the unit quaternion (a, b, c, d) with a = √(1−b²−c²−d²) ≥ 0, times voxel sizes, plus offsets. */
function quaternionAffine(
  raw: RawNiftiHeader,
  [dx, dy, dz]: readonly number[],
  refuse: (found: string) => FormatError,
): number[] {
  const { quatern_b: b, quatern_c: c, quatern_d: d } = raw;
  const offsets = [raw.qoffset_x, raw.qoffset_y, raw.qoffset_z];
  const rest = 1 - (b * b + c * c + d * d);
  // float32 quaternions of half turns exceed length 1 by rounding.
  if (!(rest > -1e-5) || !offsets.every(Number.isFinite)) {
    throw refuse(`the qform has quaternion (${b}, ${c}, ${d}) and offsets (${offsets.join(", ")})`);
  }
  const a = Math.sqrt(Math.max(0, rest));
  const z = raw.pixDims[0] < 0 ? -dz : dz;
  const [x0, y0, z0] = offsets;
  // deno-fmt-ignore
  return [
    (a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * z, x0,
    2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * z, y0,
    2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - c * c - b * b) * z, z0,
    0, 0, 0, 1,
  ];
}
