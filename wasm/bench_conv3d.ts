/**
 * Checks and times the convolution kernels of the full-size model, as a share of the multiply–add peak
 * that a register-only kernel reaches on the same threads in the same run.
 *
 *   deno run --allow-read wasm/bench_conv3d.ts [--threads=1,2] [--samples=4] [--repeats=15] [--only=TEXT]
 *        [--no-check] [--variant=0] [--module=wasm/dist/recvae.relaxed.wasm]
 */
import {
  arrayLengths,
  compare,
  fill,
  type Geometry,
  modelGeometries,
  multiplyAdds,
  type Operation,
  OPERATIONS,
  place,
  reference,
} from "./conv3d_cases.ts";
import { Harness } from "./harness.ts";

const options = new Map(Deno.args.map((arg) => {
  const [name, value] = arg.replace(/^--/, "").split("=");
  return [name, value ?? "true"];
}));
const repeats = Number(options.get("repeats") ?? 15);
const samples = Number(options.get("samples") ?? 4);
const path = options.get("module") ?? `${import.meta.dirname}/dist/recvae.relaxed.wasm`;

const PEAK_ROUNDS = 100_000;

/** Milliseconds of `run`: the least and the median of the repeats. */
function time(run: () => void, count = repeats): { least: number; median: number } {
  const times: number[] = [];
  for (let i = 0; i < count; ++i) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { least: times[0], median: times[times.length >> 1] };
}

/** GFLOP/s of the register-only kernel on all threads. */
function measurePeak(harness: Harness, threads: number): number {
  const slices = 8 * threads;
  const { least } = time(() => harness.runKernel("f32_multiply_add_peak", PEAK_ROUNDS, slices), 3);
  return slices * PEAK_ROUNDS * 96 / least / 1e6;
}

const RESULT = { forward: "output", input_gradient: "input", filter_gradient: "filter" } as const;

function runCase(harness: Harness, g: Geometry, operation: Operation, threads: number) {
  const mark = harness.release();
  const placed = place(harness, g, { variant: Number(options.get("variant") ?? 0) });
  const lengths = arrayLengths(g);
  const views = {
    input: harness.floats(placed.input, lengths.input),
    filter: harness.floats(placed.filter, lengths.filter),
    output: harness.floats(placed.output, lengths.output),
    bias: harness.floats(placed.bias, g.outChannels),
  };
  fill(views.input, 1);
  fill(views.filter, 2);
  fill(views.output, 3);
  fill(views.bias, 4);
  const name = `f32_conv3d_${operation}`;
  let checked = "";
  if (!options.has("no-check")) {
    const expected = reference(g, operation, views);
    views[RESULT[operation]].fill(NaN);
    harness.runOperation(name, placed.params);
    const { relative, worst } = compare(views[RESULT[operation]], expected);
    checked = ` error ${relative.toExponential(1)} worst ${worst.toExponential(1)}`;
  }
  time(() => harness.runOperation(name, placed.params), Math.max(5, repeats >> 1));
  const before = measurePeak(harness, threads);
  const { least, median } = time(() => harness.runOperation(name, placed.params));
  const peak = Math.max(before, measurePeak(harness, threads));
  const work = 2 * multiplyAdds(g) / 1e6;
  console.log(
    `${threads} ${g.name.padEnd(15)} ${operation.padEnd(15)} ${least.toFixed(2).padStart(7)} ms ` +
      `(median ${median.toFixed(2)}) ${(work / least).toFixed(1).padStart(5)} GFLOP/s of ` +
      `${peak.toFixed(1)} = ${(100 * work / least / peak).toFixed(0)} % ` +
      `(median ${(100 * work / median / peak).toFixed(0)} %)${checked}`,
  );
  harness.release(mark);
}

for (const threads of (options.get("threads") ?? "1,2").split(",").map(Number)) {
  const harness = await Harness.start(Deno.readFileSync(path), { threads });
  for (const g of modelGeometries(samples)) {
    for (const operation of OPERATIONS) {
      const only = options.get("only");
      if (only && !`${g.name} ${operation}`.includes(only)) continue;
      runCase(harness, g, operation, threads);
    }
  }
  harness.stop();
}
