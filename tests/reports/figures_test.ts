/** The figures of a run: they draw what they are given, at the right places. */
import { ShapeError } from "../../src/base/errors.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../../src/deps/std.ts";
import { greyBitmap } from "../../src/reports/bitmap.ts";
import { eigenvaluePlot } from "../../src/reports/eigenvalue_plot.ts";
import { latentTrajectories } from "../../src/reports/latent_trajectories.ts";
import { lossCurve } from "../../src/reports/loss_curve.ts";
import { mapMontage } from "../../src/reports/map_montage.ts";
import { reportPage } from "../../src/reports/page.ts";
import { agreement, sliceComparison } from "../../src/reports/slice_comparison.ts";
import { startChart, ticks } from "../../src/reports/svg.ts";

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

Deno.test("ticks are round and inside the range", () => {
  assertEquals(ticks([0, 10]), [0, 2, 4, 6, 8, 10]);
  assertEquals(ticks([3, 4.1]).map((v) => Number(v.toFixed(6))), [3, 3.5, 4]);
});

Deno.test("a chart maps the ends of its ranges to the frame", () => {
  const chart = startChart({
    title: "",
    xLabel: "",
    yLabel: "",
    x: [2, 4],
    y: [10, 1000],
    logarithmic: true,
  });
  assertEquals([chart.px(2), chart.px(4)], [64, 520]);
  assertEquals([chart.py(10), chart.py(1000)], [314, 34]);
  assertAlmostEquals(chart.py(100), (314 + 34) / 2);
});

Deno.test("the loss curve has one line per positive term and survives an empty history", () => {
  const history = [
    { epoch: 0, loss: 10, loss1: 9, loss2: 1, lossZ: 0 },
    { epoch: 1, loss: 5, loss1: 4.5, loss2: 0.5, lossZ: 0 },
  ];
  const svg = lossCurve(history);
  assertEquals(count(svg, /<path /g), 3);
  assertStringIncludes(svg, "reconstruction");
  assertEquals(count(lossCurve([]), /<path /g), 0);
});

Deno.test("latent trajectories average over subjects", () => {
  const flat = { data: new Float32Array([1, 0, 1, 0, -1, 0, -1, 0]), shape: [2, 2, 2] };
  const svg = latentTrajectories(flat, { repetitionTime: 2.5 });
  assertEquals(count(svg, /<path /g), 2);
  assertStringIncludes(svg, "time (s)");
  const rows = [...svg.matchAll(/<path d="M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)"/g)].map((m) =>
    m.slice(1)
  );
  assertEquals(rows[0], rows[1], "both dimensions average to zero");
  assertThrows(() => latentTrajectories({ data: new Float32Array(4), shape: [2, 2] }), ShapeError);
});

Deno.test("eigenvalues beyond the unit circle stay inside the frame", () => {
  const svg = eigenvaluePlot([{ re: 0.5, im: 0.5 }, { re: 2, im: 0 }]);
  const centres = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)];
  assertEquals(centres.length, 2);
  for (const [, cx] of centres) assert(Number(cx) > 64 && Number(cx) < 424);
});

Deno.test("a bitmap has its bottom row first, clips, and pads rows to four bytes", () => {
  const url = greyBitmap(new Float32Array([0, 1, -5, 0.5, NaN, 9]), 3, [0, 1]);
  const bytes = Uint8Array.from(atob(url.split(",")[1]), (c) => c.charCodeAt(0));
  assertEquals(Array.from(bytes.subarray(54 + 1024)), [0, 255, 0, 0, 128, 0, 255, 0]);
  assertEquals(new DataView(bytes.buffer).getInt32(22, true), 2);
});

Deno.test("agreement gives Pearson's r and the ratio of deviations", () => {
  const a = new Float32Array([1, 2, 3, 4]);
  const { correlation, deviationRatio } = agreement(a, a.map((v) => 1 - v / 2));
  assertAlmostEquals(correlation, -1);
  assertAlmostEquals(deviationRatio, 0.5);
});

Deno.test("a slice comparison shows the middle slice and refuses volumes of another size", () => {
  const volume = Float32Array.from({ length: 24 }, (_, i) => i);
  const shape = [2, 3, 4] as const;
  const svg = sliceComparison({
    input: volume,
    reconstruction: volume,
    spatialShape: shape,
    title: "a<b",
  });
  assertStringIncludes(svg, "slice z = 2 of 4");
  assertStringIncludes(svg, "a&lt;b");
  const wrong = {
    input: volume,
    reconstruction: new Float32Array(3),
    spatialShape: shape,
    title: "",
  };
  assertThrows(() => sliceComparison(wrong), ShapeError);
});

Deno.test("the page holds the summary as text and every figure", () => {
  const html = reportPage({
    title: "A & B",
    summary: "<b>",
    figures: [{ svg: "<svg/>", caption: "c" }],
  });
  assertStringIncludes(html, "A &amp; B");
  assertStringIncludes(html, "&lt;b&gt;");
  assertEquals(count(html, /<figure>/g), 1);
});

Deno.test("maps are drawn in the slice where they are strongest, on one scale about zero", () => {
  const maps = new Float32Array(2 * 3 * 2 * 2);
  maps[2 * 2 * 2 + 1] = -4; // map 0, z = 2
  maps[3 * 2 * 2 + 4] = 1; // map 1, z = 1
  const svg = mapMontage({ maps, spatialShape: [2, 2, 3], names: ["h1", "h2"], title: "Maps" });
  assertEquals(svg.match(/<image /g)?.length, 2);
  assertStringIncludes(svg, "slice z = 2 of 3; black to white is -4 to 4");
  assertThrows(
    () => mapMontage({ maps, spatialShape: [2, 2, 3], names: ["h1"], title: "Maps" }),
    ShapeError,
    "24 values for 1 maps",
  );
});
