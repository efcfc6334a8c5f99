/** The tables of `deno task bench`, as text. */
import type { ConvolutionTimes } from "./convolutions.ts";
import { stepMultiplyAdds } from "./layers.ts";
import { digits, spreadOf, textTable } from "./measurements.ts";
import type { Contest } from "./step_contest.ts";
import type { StepWork } from "./step_work.ts";
import type { StockTimes } from "./stock_comparison.ts";

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function plural(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}

/**
 * Convolutions through the engine beside the peak.
 *
 * @param times One per layer and operation.
 */
export function convolutionReport(
  times: readonly ConvolutionTimes[],
  { threads, batch }: { readonly threads: number; readonly batch: number },
): string {
  const peaks = times.map(({ peak }) => peak);
  const peak = Math.max(...peaks);
  const rows = times.map(({ layer, operation, time, gflops }) => [
    `${layer} ${operation}`,
    digits(time.least),
    digits(time.median),
    digits(gflops.best),
    percent(gflops.best / peak),
    percent(gflops.median / peak),
  ]);
  return `Convolutions through the engine, ${
    plural(threads)
  }, ${batch} volumes a call; multiply-add ` +
    `peak ${digits(peak)} GFLOP/s (least ${digits(Math.min(...peaks))}).\n` +
    "Operations are those of the direct sum, so minimal filtering may exceed the peak.\n\n" +
    textTable(["layer", "least ms", "median ms", "GFLOP/s", "of peak", "median of peak"], rows);
}

/**
 * The stock backend's forward convolutions beside ours.
 *
 * @param stock Its times.
 * @param ours Ours, by number of threads.
 */
export function stockReport(
  stock: readonly StockTimes[],
  ours: readonly { readonly threads: number; readonly layers: readonly ConvolutionTimes[] }[],
): string {
  const timeOf = (layers: readonly ConvolutionTimes[], name: string) =>
    layers.find(({ layer, operation }) => layer === name && operation === "forward")!.time;
  const total = (of: (name: string) => number) =>
    stock.reduce((sum, { layer }) => sum + of(layer), 0);
  const row = (name: string, theirs: number, mine: (l: readonly ConvolutionTimes[]) => number) => [
    name,
    digits(theirs),
    ...ours.flatMap(({ layers }) => [digits(mine(layers)), digits(theirs / mine(layers))]),
  ];
  const rows = [
    ...stock.map(({ layer, time }) =>
      row(layer, time.median, (layers) => timeOf(layers, layer).median)
    ),
    row(
      "all four",
      stock.reduce((sum, { time }) => sum + time.median, 0),
      (layers) => total((name) => timeOf(layers, name).median),
    ),
  ];
  const columns = ours.flatMap(({ threads }) => [`ours, ${plural(threads)}`, "times faster"]);
  return "Forward convolutions beside the stock TensorFlow.js wasm backend (one thread; its conv3d gradients " +
    "are wrong, so it cannot train).\nMedian milliseconds.\n\n" +
    textTable(["layer", "stock", ...columns], rows);
}

/**
 * Training steps of all contestants.
 *
 * @param contest From `holdContest`.
 */
export function contestReport(contest: Contest): string {
  const { batch, frames, contestants } = contest;
  const work = 2 * stepMultiplyAdds(contest.spatialShape) * batch / 1e6;
  const rows = contestants.map((contestant) => {
    const { kind, name, threads, times, memory } = contestant;
    const { least, median } = spreadOf(times);
    const own = kind === "recvae";
    const ratio = own ? null : ratioOf(ownTimes(contest, threads), times);
    return [
      `${name}, ${plural(threads)}`,
      digits(least),
      digits(median),
      ratio ? ratio.best.toFixed(3) : "",
      ratio ? ratio.median.toFixed(3) : "",
      digits(work / median),
      percent(work / median / peakOf(contest, threads)),
      memory.toFixed(0),
    ];
  });
  const header = [
    "milliseconds per frame",
    "least",
    "median",
    "ours / least",
    "ours / median",
    "GFLOP/s",
    "of peak",
    "peak MiB",
  ];
  return `Training step: forward, backward and update of ${batch} subjects and ${frames} frames, gradients exact; ` +
    `${
      contestants[0].times.length
    } rounds, steps in turn.\n"ours / median" is the median over the rounds of the ` +
    "ratio within a round; operations are counted once, recomputed ones not.\n\n" +
    textTable(header, rows) + "\n\n" + summaryOf(contest).map(({ text }) => text).join("\n");
}

/** Ratios that requirements are about. */
export interface Headline {
  readonly text: string;
  readonly best: number;
  readonly median: number;
}

/**
 * Our time over that of the faster of eager and compiled PyTorch, and one thread's over two threads'.
 *
 * @param contest From `holdContest`.
 */
export function summaryOf(contest: Contest): Headline[] {
  const counts = contest.peaks.map(({ threads }) => threads);
  const lines = counts.flatMap((threads) => {
    const rivals = contest.contestants
      .filter((rival) => rival.kind === "PyTorch" && rival.threads === threads)
      .sort((a, b) => spreadOf(a.times).median - spreadOf(b.times).median);
    if (rivals.length === 0) return [];
    const ratio = ratioOf(ownTimes(contest, threads), rivals[0].times);
    const text =
      `${plural(threads)}: ${ratio.median.toFixed(3)} of the time of ${rivals[0].name}, ` +
      `the faster as the original does it (least times: ${ratio.best.toFixed(3)})`;
    return [{ text, ...ratio }];
  });
  if (counts.includes(1) && counts.includes(2)) {
    const ratio = ratioOf(ownTimes(contest, 1), ownTimes(contest, 2));
    const text = `two threads are ${digits(ratio.median)} times as fast as one (least times: ` +
      `${digits(ratio.best)})`;
    lines.push({ text, ...ratio });
  }
  return lines;
}

function ownTimes({ contestants }: Contest, threads: number): readonly number[] {
  return contestants.find((one) => one.kind === "recvae" && one.threads === threads)!.times;
}

/** The highest multiply–add peak that any round saw. */
function peakOf({ peaks }: Contest, threads: number): number {
  return Math.max(...peaks.find((peak) => peak.threads === threads)!.rounds);
}

/** `best`: of the least times. `median`: over rounds of the ratio within each. */
function ratioOf(ours: readonly number[], theirs: readonly number[]) {
  return {
    best: Math.min(...ours) / Math.min(...theirs),
    median: spreadOf(ours.map((time, round) => time / theirs[round])).median,
  };
}

/** Gigabytes a second, read and written, by number of threads. */
export interface Bandwidth {
  readonly threads: number;
  readonly bandwidth: number;
}

/**
 * How far the step is from what the machine allows.
 *
 * @param contest Times and peaks.
 * @param limits Bandwidths by threads, and the work of a step.
 */
export function floorReport(
  contest: Contest,
  limits: { readonly bandwidths: readonly Bandwidth[]; readonly work: StepWork },
): string {
  const { work, bandwidths } = limits;
  const { frames } = contest;
  const rows = bandwidths.map(({ threads, bandwidth }) => {
    const peak = peakOf(contest, threads);
    const { median } = spreadOf(ownTimes(contest, threads));
    const arithmetic = 2 * work.multiplyAdds / frames / peak / 1e6;
    const traffic = work.bytes / frames / bandwidth / 1e6;
    return [
      plural(threads),
      digits(peak),
      digits(arithmetic),
      digits(bandwidth),
      digits(traffic),
      digits(median),
      digits(median / Math.max(arithmetic, traffic)),
      digits(median / (arithmetic + traffic)),
    ];
  });
  return `Distance to the floor: ${
    digits(2 * work.multiplyAdds / frames / 1e9)
  } GFLOP, recomputed ones included, and ` +
    `${
      digits(work.bytes / frames / 1e6)
    } MB per frame.\nThe floor is the larger of the two times if both overlap ` +
    "perfectly, their sum if they do not.\n\n" +
    textTable(
      [
        "",
        "GFLOP/s",
        "operations ms",
        "GB/s",
        "traffic ms",
        "measured ms",
        "x larger",
        "x sum",
      ],
      rows,
    );
}
