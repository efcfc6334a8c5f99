/**
 * How reductions cut a matrix of `rows × columns` (columns fastest) into units of work: S groups of
 * consecutive rows, each cut into chunks of a few rows, one workgroup per chunk. The units of all groups are
 * numbered in row order, so a range of units is a contiguous piece of memory.
 */
import { type BindingLimits, splitItems } from "./parts.ts";

/** Invocations per workgroup. */
export const WORKGROUP = 256;

/** Values (or vectors) each invocation takes from a chunk. */
const STEPS = 16;

/** The cut. */
export interface RowUnits {
  readonly groups: number;
  readonly rowsPerGroup: number;
  /** Values per row. */
  readonly columns: number;
  /** Values one invocation reads at once: 4 or 1. */
  readonly width: number;
  /** Vectors per row that one workgroup covers, at most {@link WORKGROUP}. */
  readonly blockColumns: number;
  /** Workgroups side by side that cover a row. */
  readonly columnBlocks: number;
  readonly rowsPerChunk: number;
  readonly chunksPerGroup: number;
  /** groups · chunksPerGroup. */
  readonly units: number;
}

/** Uniforms that describe a cut and the units of one run. */
export const UNIT_FIELDS = {
  rowsPerGroup: "u32",
  /** Vectors per row. */
  columns: "u32",
  rowsPerChunk: "u32",
  chunksPerGroup: "u32",
  /** Units of this run, and the number of the first. */
  units: "u32",
  firstUnit: "u32",
  /** Rows before the first of this run. */
  rowsBefore: "u32",
  blockColumns: "u32",
  columnBlocks: "u32",
} as const;

/**
 * Cuts rows into units.
 *
 * @param groups Number of groups S.
 * @param rowsPerGroup Rows of each.
 * @param columns Values per row.
 */
export function rowUnits(groups: number, rowsPerGroup: number, columns: number): RowUnits {
  const width = columns % 4 === 0 ? 4 : 1;
  const blockColumns = Math.min(columns / width, WORKGROUP);
  const rowsPerChunk = Math.floor(WORKGROUP / blockColumns) * STEPS;
  const chunksPerGroup = Math.ceil(rowsPerGroup / rowsPerChunk);
  return {
    groups,
    rowsPerGroup,
    columns,
    width,
    blockColumns,
    columnBlocks: Math.ceil(columns / width / blockColumns),
    rowsPerChunk,
    chunksPerGroup,
    units: groups * chunksPerGroup,
  };
}

/** One run over units whose rows fit a binding. */
export interface UnitRange {
  readonly workgroups: number;
  /** Values of {@link UNIT_FIELDS}. */
  readonly uniforms: { readonly [Name in keyof typeof UNIT_FIELDS]: number };
  /** Rows covered, `[first, end)`. */
  readonly rows: readonly [first: number, end: number];
}

/**
 * Cuts the units into runs whose rows can be bound.
 *
 * @param units The cut.
 * @param limits Of the device.
 */
export function unitRanges(units: RowUnits, limits: BindingLimits): UnitRange[] {
  const chunkValues = Math.min(units.rowsPerChunk, units.rowsPerGroup) * units.columns;
  return splitItems(units.units, [chunkValues], limits).map(([first, end]) => {
    const rows = [rowOf(units, first), rowOf(units, end)] as const;
    return {
      workgroups: (end - first) * units.columnBlocks,
      uniforms: {
        rowsPerGroup: units.rowsPerGroup,
        columns: units.columns / units.width,
        rowsPerChunk: units.rowsPerChunk,
        chunksPerGroup: units.chunksPerGroup,
        units: end - first,
        firstUnit: first,
        rowsBefore: rows[0],
        blockColumns: units.blockColumns,
        columnBlocks: units.columnBlocks,
      },
      rows,
    };
  });
}

function rowOf(units: RowUnits, unit: number): number {
  const group = Math.floor(unit / units.chunksPerGroup);
  const chunk = unit % units.chunksPerGroup;
  return group * units.rowsPerGroup + chunk * units.rowsPerChunk;
}

/**
 * WGSL that finds an invocation's place: `sampleGroup`, `unit`, `column` (in vectors), and its rows: those
 * at `firstRow + i`, counted from the beginning of the binding, for i = `slot`, `slot + step`, … below
 * `chunkRows`; none when not `inside`. Returns early, for a whole workgroup at once, when it has no unit.
 */
export const FIND_PLACE = `
  let local = block / u.columnBlocks;
  if (local >= u.units) { return; }
  let unit = u.firstUnit + local;
  let sampleGroup = unit / u.chunksPerGroup;
  let chunk = unit % u.chunksPerGroup;
  let firstRow = sampleGroup * u.rowsPerGroup + chunk * u.rowsPerChunk - u.rowsBefore;
  let chunkRows = min(u.rowsPerChunk, u.rowsPerGroup - chunk * u.rowsPerChunk);
  let step = ${WORKGROUP}u / u.blockColumns;
  let slot = lane / u.blockColumns;
  let column = (block % u.columnBlocks) * u.blockColumns + lane % u.blockColumns;
  let inside = slot < step && column < u.columns;`;

/**
 * WGSL of a sum over the slots of a workgroup: afterwards `array[lane % u.blockColumns]` holds the total of
 * the invocation's column. Its order is fixed.
 *
 * @param array Name of a workgroup array of {@link WORKGROUP} elements, one per lane, filled.
 */
export function sumSlots(array: string): string {
  return `
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}u; half > 0u; half /= 2u) {
    if (slot < half && slot + half < step) { ${array}[lane] += ${array}[lane + half * u.blockColumns]; }
    workgroupBarrier();
  }`;
}
