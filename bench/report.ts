/** The tables of `deno task bench`, as text. */
import type { ConvolutionTimes } from "./convolutions.ts";
import { digits, textTable } from "./measurements.ts";
import { type Contest, fastestPeer } from "./step_contest.ts";
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
  const rows = times.map(({ layer, operation, time, gflops, share }) => [
    `${layer} ${operation}`,
    digits(time.least),
    digits(time.median),
    digits(gflops.best),
    percent(share.best),
    percent(share.median),
  ]);
  return `Convolutions through the engine, ${
    plural(threads)
  }, ${batch} volumes a call; multiply-add ` +
    `peak ${digits(Math.min(...peaks))} to ${digits(Math.max(...peaks))} GFLOP/s.\n` +
    "Operations are those of the direct sum, so minimal filtering may exceed the peak.\n\n" +
    textTable(["layer", "least ms", "median ms", "GFLOP/s", "of peak", "median of peak"], rows);
}

/**
 * The stock backend's forward convolutions beside ours.
 *
 * @param stock Its times. @param ours Ours, by number of threads.
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
 * Training steps beside PyTorch's.
 *
 * @param contests By number of threads.
 */
export function contestReport(contests: readonly Contest[]): string {
  const rows = contests.flatMap((contest) => {
    const ours = [
      `recvae, ${plural(contest.threads)}`,
      digits(contest.time.least),
      digits(contest.time.median),
      "",
      "",
      digits(contest.gflops.median),
      percent(contest.share.median),
      contest.memory.toFixed(0),
    ];
    const theirs = contest.peers.map(({ mode, version, time, ratio, memory }) => [
      `PyTorch ${version} ${mode}, ${plural(contest.threads)}`,
      digits(time.least),
      digits(time.median),
      ratio.best.toFixed(2),
      ratio.median.toFixed(2),
      "",
      "",
      memory.toFixed(0),
    ]);
    return [ours, ...theirs];
  });
  const header = [
    `milliseconds per frame`,
    "least",
    "median",
    "ours/least",
    "ours/median",
    "GFLOP/s",
    "of peak",
    "peak MiB",
  ];
  const [first] = contests;
  return `Training step: forward, backward and update of ${first.batch} subjects and ${first.frames} frames, ` +
    `gradients exact; steps alternated.\n\n` + textTable(header, rows) + summary(contests);
}

function summary(contests: readonly Contest[]): string {
  const lines = contests.flatMap((contest) => {
    const peer = fastestPeer(contest);
    if (!peer) return [];
    return [
      `${plural(contest.threads)}: ${peer.ratio.median.toFixed(3)} of the time of PyTorch ` +
      `${peer.mode}, the faster way (least times: ${peer.ratio.best.toFixed(3)})`,
    ];
  });
  const [one, two] = [1, 2].map((n) => contests.find(({ threads }) => threads === n));
  if (one && two) {
    const best = one.time.least / two.time.least;
    const median = one.time.median / two.time.median;
    lines.push(`two threads are ${digits(median)} times one (least times: ${digits(best)})`);
  }
  return "\n\n" + lines.join("\n");
}

/**
 * How far the step is from what the machine allows.
 *
 * @param contests Times and peaks. @param limits Bandwidths by threads, and the work of a step.
 */
export function floorReport(
  contests: readonly Contest[],
  limits: {
    readonly ceilings: readonly { readonly threads: number; readonly bandwidth: number }[];
    readonly work: StepWork;
  },
): string {
  const { work, ceilings } = limits;
  const rows = contests.map(({ threads, frames, time, peak }) => {
    const { bandwidth } = ceilings.find((ceiling) => ceiling.threads === threads)!;
    const arithmetic = 2 * work.multiplyAdds / frames / peak.median / 1e6;
    const traffic = work.bytes / frames / bandwidth / 1e6;
    return [
      plural(threads),
      digits(peak.median),
      digits(arithmetic),
      digits(bandwidth),
      digits(traffic),
      digits(time.median),
      digits(time.median / Math.max(arithmetic, traffic)),
      digits(time.median / (arithmetic + traffic)),
    ];
  });
  const frames = contests[0].frames;
  return `Distance to the floor: ${digits(2 * work.multiplyAdds / frames / 1e9)} GFLOP and ` +
    `${digits(work.bytes / frames / 1e6)} MB per frame.\n` +
    "The floor is the larger of the two times if both overlap perfectly, their sum if they do not.\n\n" +
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
