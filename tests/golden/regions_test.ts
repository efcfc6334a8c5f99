/** Every smoothed volume and every region's series of the fixtures: nilearn's numbers. */
import type { FloatArray, NdArray, SpatialShape } from "../../src/base/arrays.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import {
  labelRegions,
  mapRegions,
  type RegionReader,
} from "../../src/data/preprocessing/regions.ts";
import { cleanSignals } from "../../src/data/preprocessing/signal_cleaning.ts";
import { smoothVolume } from "../../src/data/preprocessing/smoothing.ts";
import { resampleVolume } from "../../src/data/resampling.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { imagePath } from "../support/images.ts";
import {
  MANIFEST,
  preprocessingArray,
  type PreprocessingCase,
  scaledDifference,
  xFastest,
} from "../support/preprocessing_fixtures.ts";

const RUN = new URL(
  "../../data/haxby2001/sub-1_task-objectviewing_run-01_bold.nii.gz",
  import.meta.url,
);
const SHAPE: SpatialShape = [6, 10, 10];

/** One volume of `[x, y, z, n]`, x fastest. */
function volumeOf({ data, shape: [X, Y, Z, N = 1] }: NdArray, n: number): Float64Array {
  const plain = Float64Array.from({ length: X * Y * Z }, (_, i) => Number(data[i * N + n]));
  return xFastest({ data: plain, shape: [X, Y, Z] });
}

Deno.test("volumes are smoothed to nilearn's numbers", async () => {
  const cases = (MANIFEST.images as PreprocessingCase[]).filter(({ kind }) => kind === "smooth");
  assertEquals(cases.length, 7);
  for (const { name, parameters, outputs, source } of cases) {
    const expected = preprocessingArray("images.safetensors", outputs[0].key) as NdArray;
    const fwhm = Array.isArray(parameters.fwhm_mm)
      ? parameters.fwhm_mm.map((width: number | null) => width ?? 0)
      : parameters.fwhm_mm;
    if (name === "smooth_nonfinite") {
      const input = preprocessingArray("images.safetensors", "in.nonfinite");
      const spatialShape = input.shape as unknown as SpatialShape;
      const found = smoothVolume(xFastest(input), { spatialShape, voxelSizes: [1, 1, 1], fwhm });
      assert(scaledDifference(found, xFastest(expected)) < 1e-6, name);
      continue;
    }
    using run = await openBoldRun(
      source!.includes("nibabel") ? imagePath("nibabel_functional.nii") : RUN,
    );
    const { spatialShape, voxelSizes } = run;
    parameters.frames_stored.forEach((t: number, n: number) => {
      const values = Float64Array.from(run.readFrame(t));
      const found = smoothVolume(values, { spatialShape, voxelSizes, fwhm });
      const error = scaledDifference(found, volumeOf(expected, n));
      assert(error < 1e-5, `${name}, frame ${t}: ${error}`);
    });
  }
});

async function seriesOf(reader: RegionReader, fwhm = 0): Promise<NdArray<Float64Array>> {
  using run = await openBoldRun(RUN);
  const { spatialShape, voxelSizes } = run;
  const rows = Array.from({ length: run.frames }, (_, t) => {
    const frame = Float64Array.from(run.readFrame(t));
    return [...reader.read(smoothVolume(frame, { spatialShape, voxelSizes, fwhm }))];
  });
  return { data: Float64Array.from(rows.flat()), shape: [rows.length, reader.names.length] };
}

function readerOf({ name, parameters }: PreprocessingCase): RegionReader {
  const arrayOf = (key: string) => preprocessingArray("maskers.safetensors", key) as NdArray;
  const mask = parameters.mask_img ? { mask: xFastest(arrayOf(parameters.mask_img)) } : {};
  if (name.startsWith("voxels")) {
    // Voxels in the reference's order, x slowest.
    const inside = arrayOf("in.brain_mask");
    const order = [...inside.data.keys()].filter((i) => Number(inside.data[i]) > 0);
    const places = xFastest({ data: Float64Array.from(inside.data.keys()), shape: inside.shape });
    const chosen = order.filter((_, i) => i % 16 === 0).map((i) => places.indexOf(i));
    return {
      names: chosen.map(String),
      read: (frame) => Float64Array.from(chosen, (i) => frame[i]),
    };
  }
  if (parameters.maps) {
    const maps = arrayOf(parameters.maps);
    const all = Array.from({ length: maps.shape[3] }, (_, n) => volumeOf(maps, n));
    return mapRegions(all, { source: name, ...mask });
  }
  const stored = arrayOf(parameters.labels);
  let labels: FloatArray = xFastest(stored);
  if (parameters.labels_affine) {
    const affineOf = (key: string) => Array.from(arrayOf(key).data, Number);
    const spatialShape = stored.shape as unknown as SpatialShape;
    const grid = { spatialShape, affine: affineOf(parameters.labels_affine), source: "fine" };
    const data = { spatialShape: SHAPE, affine: affineOf("in.affine"), source: "data" };
    labels = resampleVolume({ values: labels, grid }, data, { interpolation: "nearest" });
  }
  return labelRegions(labels, { source: name, strategy: parameters.strategy ?? "mean", ...mask });
}

Deno.test("regions have nilearn's series, plain and cleaned", async () => {
  const cases = MANIFEST.maskers as PreprocessingCase[];
  assertEquals(cases.length, 15);
  for (const one of cases) {
    const { parameters: p } = one;
    const arrayOf = (key: string) => preprocessingArray("maskers.safetensors", key) as NdArray;
    let found = await seriesOf(readerOf(one), p.smoothing_fwhm ?? 0);
    if (p.detrend) {
      found = cleanSignals(found, {
        detrend: true,
        standardize: p.standardize,
        filter: "butterworth",
        lowPass: p.low_pass,
        highPass: p.high_pass,
        repetitionTime: p.t_r,
        confounds: arrayOf(one.confounds!),
        ...(one.sample_mask
          ? { keptFrames: Array.from(arrayOf(one.sample_mask).data, Number) }
          : {}),
      });
    }
    const expected = arrayOf(one.outputs[0].key);
    assertEquals(found.shape, [...expected.shape], one.name);
    // The reference casts means of whole numbers to whole numbers; ours keep their fraction.
    const cast = one.name === "labels_mean_of_int16_image";
    const values = cast ? found.data.map(Math.trunc) : found.data;
    const error = scaledDifference(values, expected.data);
    assert(error <= (p.detrend ? 1e-8 : 1e-9), `${one.name}: ${error}`);
  }
});
