/** Every resampled volume of the fixtures: nilearn's numbers, by grid, interpolation and element type. */
import { assert, assertEquals } from "../../src/deps/std.ts";
import type { SpatialShape } from "../../src/base/arrays.ts";
import { gridCovering, type Interpolation, resampleVolume } from "../../src/data/resampling.ts";
import { applyAffine, composeAffines, invertAffine } from "../../src/linalg/affine.ts";
import type { VoxelGrid } from "../../src/data/voxel_grid.ts";
import {
  MANIFEST,
  preprocessingArray,
  type PreprocessingCase,
  scaledDifference,
  xFastest,
} from "../support/preprocessing_fixtures.ts";

const CASES = (MANIFEST.images as PreprocessingCase[]).filter(({ kind }) => kind === "resample");
const INTERPOLATIONS: Readonly<Record<string, Interpolation>> = {
  continuous: "cubic",
  linear: "linear",
  nearest: "nearest",
};

const arrayOf = (key: string) => preprocessingArray("images.safetensors", key);
const numbers = (key: string) => Array.from(arrayOf(key).data, Number);

function sourceOf({ name }: PreprocessingCase): { values: Float64Array; grid: VoxelGrid } {
  const whole = name.includes("int16");
  const array = arrayOf(whole ? "in.int16" : "in.functional_frame0");
  const affine = whole
    ? [4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1]
    : numbers("in.functional_affine");
  const spatialShape = array.shape as unknown as SpatialShape;
  return { values: xFastest(array), grid: { spatialShape, affine, source: name } };
}

function gridOf({ name, parameters }: PreprocessingCase, source: VoxelGrid): VoxelGrid {
  if (parameters.target) {
    const affine = numbers("in.affine_rotated_3mm");
    return { spatialShape: [12, 10, 5], affine, source: name };
  }
  const affine = numbers(parameters.target_affine);
  if (parameters.target_shape === null) return gridCovering(source, affine);
  return { spatialShape: parameters.target_shape, affine, source: name };
}

/** Halfway between two voxels the reference takes the one its rounding falls on: such voxels are not compared. */
function takeTies(
  found: Float64Array,
  expected: Float64Array,
  { source, grid }: { source: { grid: VoxelGrid }; grid: VoxelGrid },
): void {
  const map = composeAffines(invertAffine(source.grid.affine), grid.affine);
  const [X, Y] = grid.spatialShape;
  let ties = 0;
  for (let at = 0; at < found.length; at++) {
    const place = applyAffine(map, [at % X, Math.floor(at / X) % Y, Math.floor(at / (X * Y))]);
    if (!place.some((p) => Math.abs(p - Math.floor(p) - 0.5) < 1e-6)) continue;
    found[at] = expected[at];
    ties++;
  }
  assert(ties < found.length, "nothing to compare");
}

Deno.test("volumes on other grids have nilearn's values", () => {
  assertEquals(CASES.length, 25);
  for (const one of CASES) {
    const { parameters, outputs } = one;
    const source = sourceOf(one);
    const grid = gridOf(one, source.grid);
    const expected = arrayOf(outputs[0].key);
    assertEquals([...grid.spatialShape], [...expected.shape], one.name);
    if (outputs[1]) {
      const affine = numbers(outputs[1].key);
      assert(scaledDifference(grid.affine, affine) < 1e-12, `${one.name}: ${grid.affine}`);
    }
    const into = new Float64Array(expected.data.length);
    resampleVolume(source, grid, {
      interpolation: INTERPOLATIONS[parameters.interpolation],
      clip: parameters.clip ?? true,
      fill: parameters.fill_value ?? 0,
      into,
    });
    const whole = expected.data instanceof Int16Array;
    const found = whole
      ? into.map((value) => Math.sign(value) * Math.floor(Math.abs(value) + 0.5))
      : into;
    const wanted = xFastest(expected);
    if (parameters.interpolation === "nearest") takeTies(found, wanted, { source, grid });
    const error = scaledDifference(found, wanted);
    const least = parameters.interpolation === "nearest" || whole ? 0 : 1e-6;
    assert(error <= least, `${one.name}: ${error}`);
  }
});
