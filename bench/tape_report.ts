/** The tables of `deno task bench:tape`, as text. */
import { digits, spreadOf, textTable } from "./measurements.ts";
import type { ModelSizes } from "./tape_models.ts";
import type { TapeGreeting } from "./tape_step.ts";

/** One program on one number of threads. */
export interface TapeTimes {
  /** `"recvae"`, or PyTorch with its version and mode. */
  readonly name: string;
  readonly isOwn: boolean;
  readonly threads: number;
  /** Milliseconds of a step in each round. */
  readonly times: readonly number[];
  /** Peak resident memory of its process in MiB. */
  readonly memory: number;
  /** What our own process says about its model. */
  readonly greeting?: TapeGreeting;
}

/** A model's contest. */
export interface ModelTimes {
  readonly name: string;
  readonly title: string;
  readonly sizes: ModelSizes;
  /** GFLOP/s of the register-only kernel in each round. */
  readonly peaks: readonly { readonly threads: number; readonly rounds: readonly number[] }[];
  readonly contestants: readonly TapeTimes[];
}

/** All of a run. */
export interface TapeResults {
  readonly models: readonly ModelTimes[];
}

/**
 * Times beside PyTorch and the floor, then where our time goes.
 *
 * @param results Fresh, or read from a record.
 */
export function tapeReport({ models }: TapeResults): string {
  const rounds = models[0].contestants[0].times.length;
  return `Training steps by tape: forward, backward, AdamW; dropout on; ${rounds} rounds, steps in turn. ` +
    '"ours / median" is the\nmedian over the rounds of the ratio within a round. The floor is the multiply-adds of the ' +
    "step at the highest\n" +
    "peak of the run.\n\n" + models.map(stepTable).join("\n\n") +
    "\n\nWhere our time goes: shares of a step in kernels of ours, in JavaScript kernels, and in the tape, memory and the " +
    "calls themselves.\n\n" + profileTable(models);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function plural(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}

function ownOf({ contestants }: ModelTimes, threads: number): TapeTimes {
  return contestants.find((one) => one.isOwn && one.threads === threads)!;
}

function stepTable(model: ModelTimes): string {
  const { title, sizes, contestants } = model;
  const { multiplyAdds, parameters } = contestants.find(({ isOwn }) => isOwn)!.greeting!;
  const rows = contestants.map(({ name, isOwn, threads, times, memory }) => {
    const { least, median } = spreadOf(times);
    const own = ownOf(model, threads).times;
    const peak = Math.max(...model.peaks.find((one) => one.threads === threads)!.rounds);
    const floor = 2 * multiplyAdds / peak / 1e6;
    return [
      `${name}, ${plural(threads)}`,
      digits(least),
      digits(median),
      isOwn ? "" : (spreadOf(own).least / least).toFixed(2),
      isOwn ? "" : spreadOf(times.map((time, i) => own[i] / time)).median.toFixed(2),
      digits(floor),
      percent(floor / median),
      memory.toFixed(0),
    ];
  });
  const size = `batch ${sizes.batch}` + (sizes.length > 1 ? `, length ${sizes.length}` : "");
  const header = [
    "milliseconds",
    "least",
    "median",
    "ours / least",
    "ours / median",
    "floor",
    "share",
    "peak MiB",
  ];
  return `${title}: ${size}, ${digits(parameters / 1e6)} million weights, ${
    digits(multiplyAdds / 1e9)
  } billion multiply-adds\n\n` + textTable(header, rows);
}

function profileTable(models: readonly ModelTimes[]): string {
  const rows = models.flatMap(({ name, contestants }) =>
    contestants.filter(({ isOwn }) => isOwn).map(({ threads, greeting }) => {
      const { own, javascript, calls, kernels, ms } = greeting!.profile;
      const longest = kernels.slice(0, 4).map(([kernel, share]) =>
        `${kernel.replace("Recvae", "")} ${percent(share)}`
      );
      return [
        `${name}, ${plural(threads)}`,
        percent(own),
        percent(javascript),
        percent(1 - own - javascript),
        digits((1 - own - javascript) * ms),
        calls.toFixed(0),
        longest.join(", "),
      ];
    })
  );
  const header = ["", "ours", "JavaScript", "rest", "rest ms", "calls", "longest kernels"];
  return textTable(header, rows);
}
