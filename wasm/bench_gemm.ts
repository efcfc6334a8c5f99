/**
 * Times the matrix product as a share of the multiply–add peak of the same threads in the same run. Other work on the
 * machine slows kernels that fill the instruction slots to 0.6 of their speed while the peak loop hardly moves, so every
 * sample lies between two probes, a product that stays in the cache; only samples with both probes undisturbed count.
 *
 *   deno run --allow-read wasm/bench_gemm.ts [--threads=1,2] [--shapes=800x768x768,…] [--kinds=AB,AtB,ABt]
 *        [--seconds=4] [--module=wasm/dist/recvae.relaxed.wasm]
 */
import { placeProduct, type Transposes } from "./gemm_cases.ts";
import { Harness } from "./harness.ts";

const options = new Map(Deno.args.map((arg) => {
  const [name, value] = arg.replace(/^--/, "").split("=");
  return [name, value ?? "true"];
}));
const list = (name: string, otherwise: string) => (options.get(name) ?? otherwise).split(",");
const SHAPES = list(
  "shapes",
  "800x768x768,800x768x3072,800x3072x768,800x128x512,256x1024x512,2048x256x256,8x4800x100",
).map((text) => text.split("x").map(Number));
const KINDS = list("kinds", "AB,AtB,ABt") as Transposes[];
const SECONDS = Number(options.get("seconds") ?? 4);
const PEAK_ROUNDS = 100_000;
/** How far a probe may lie above the best tenth of all. */
const UNDISTURBED = 1.05;

interface Sample {
  readonly milliseconds: number;
  /** Probe before and after, and the peak in GFLOP/s. */
  readonly probes: readonly [number, number];
  readonly peak: number;
}

function time(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Samples of one product, each between two probes. */
function sample(harness: Harness, threads: number, params: number, probe: () => number): Sample[] {
  const run = () => harness.runOperation("f32_gemm", params);
  for (let i = 0; i < 3; ++i) run();
  const samples: Sample[] = [];
  const end = performance.now() + SECONDS * 1000;
  const slices = 4 * threads;
  let before = probe();
  while (performance.now() < end) {
    const peak = slices * PEAK_ROUNDS * 96 / 1e6 /
      time(() => harness.runKernel("f32_multiply_add_peak", PEAK_ROUNDS, slices));
    const milliseconds = time(run);
    const after = probe();
    samples.push({ milliseconds, probes: [before, after], peak });
    before = after;
  }
  return samples;
}

const path = options.get("module") ?? `${import.meta.dirname}/dist/recvae.relaxed.wasm`;
for (const threads of list("threads", "1,2").map(Number)) {
  const harness = await Harness.start(Deno.readFileSync(path), { threads });
  const small = placeProduct(harness, { m: 96, k: 192, n: 96, transposes: "AB", batch: 8 });
  const probe = () => time(() => harness.runOperation("f32_gemm", small.params));
  for (let i = 0; i < 100; ++i) probe();
  for (const [m, k, n] of SHAPES) {
    for (const transposes of KINDS) {
      const mark = harness.release();
      const placed = placeProduct(harness, { m, k, n, transposes });
      const samples = sample(harness, threads, placed.params, probe);
      const least = quantile(samples.map(({ probes }) => Math.min(...probes)), 0.1);
      const quiet = samples.filter(({ probes }) => Math.max(...probes) <= least * UNDISTURBED);
      const peak = quantile(samples.map(({ peak }) => peak), 0.9);
      const share = ({ milliseconds }: Sample) => 100 * 2 * m * k * n / milliseconds / 1e6 / peak;
      const show = (samples: readonly Sample[], at: number) =>
        samples.length === 0 ? "–" : quantile(samples.map(share), at).toFixed(0);
      const bytes = 4 * (m * k + k * n + m * n);
      const gigabytes = bytes / quantile(quiet.map(({ milliseconds }) => milliseconds), 0.5) / 1e6;
      console.log(
        `${threads} ${m}×${k}×${n} ${transposes.padEnd(4)} of ${
          peak.toFixed(0)
        } GFLOP/s: undisturbed ` +
          `${show(quiet, 0)} / ${show(quiet, 0.5)} / ${show(quiet, 1)} % (${quiet.length}), all ` +
          `${show(samples, 0.5)} % (${samples.length}), ${gigabytes.toFixed(1)} GB/s`,
      );
      harness.release(mark);
    }
  }
  harness.stop();
}
