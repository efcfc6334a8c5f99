/**
 * The training step on the wasm engine against the same step in PyTorch. Every contestant is a process of its own; in
 * each round each of them runs one step, since machines drift, and the multiply–add peak is measured too.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import { ownProgram } from "../src/deps/node_child_process.ts";
import { startPeakMeter } from "./peak.ts";
import { startPeer } from "./peers/child_lines.ts";
import { startTorchPeer } from "./peers/torch_peer.ts";

/** Ways of running PyTorch: the first two as the original does, the third with a better layout of the data. */
const TORCH_VARIANTS = [{}, { compile: true }, { frameMajor: true }] as const;

/** Time for a contestant's threads to fall asleep before the next one's step. */
const PAUSE_MS = 50;

/** What to run. */
export interface ContestOptions {
  /** Numbers of threads, ascending. */
  readonly threads: readonly number[];
  readonly batch: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
  /** Rounds. */
  readonly repeats: number;
  /** Python with PyTorch; null measures us alone. */
  readonly python: string | null;
}

/** One program on one number of threads. */
export interface Contestant {
  /** `"recvae"`, or PyTorch with its version and mode. */
  readonly name: string;
  readonly kind: "recvae" | "PyTorch" | "PyTorch, frames contiguous";
  readonly threads: number;
  /** Milliseconds per frame in each round. */
  readonly times: readonly number[];
  /** Peak resident memory of its process in MiB. */
  readonly memory: number;
}

/** Result of {@link holdContest}. */
export interface Contest {
  readonly batch: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
  /** GFLOP/s of the register-only kernel in each round, by number of threads. */
  readonly peaks: readonly { readonly threads: number; readonly rounds: readonly number[] }[];
  /** Ours first. */
  readonly contestants: readonly Contestant[];
}

interface Runner extends Omit<Contestant, "times" | "memory"> {
  /** Milliseconds of one step. */
  step(): Promise<number>;
  /** Ends it and gives its peak memory. */
  stop(): Promise<number>;
}

/**
 * Lets all contestants run their steps in turn.
 *
 * @param options See {@link ContestOptions}.
 */
export async function holdContest(options: ContestOptions): Promise<Contest> {
  const { threads, batch, frames, spatialShape, repeats } = options;
  const runners = [...await ownRunners(options), ...await torchRunners(options)];
  const meters = [];
  for (const count of threads) {
    meters.push({ threads: count, meter: await startPeakMeter(count), rounds: [] as number[] });
  }
  const times = runners.map((): number[] => []);
  for (let round = 0; round < repeats; round++) {
    for (const { meter, rounds } of meters) rounds.push(meter.measure());
    for (const [r, runner] of runners.entries()) {
      times[r].push(await runner.step() / frames);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  const contestants = [];
  for (const [r, { name, kind, threads, stop }] of runners.entries()) {
    contestants.push({ name, kind, threads, times: times[r], memory: await stop() });
  }
  const peaks = meters.map(({ threads, rounds, meter }) => {
    meter.stop();
    return { threads, rounds };
  });
  return { batch, frames, spatialShape, peaks, contestants };
}

async function ownRunners(options: ContestOptions): Promise<Runner[]> {
  const script = new URL("step.ts", import.meta.url).pathname;
  const runners: Runner[] = [];
  for (const threads of options.threads) {
    const { batch, frames, spatialShape } = options;
    const numbers = { threads, batch, frames, spatial: spatialShape, backend: "wasm" };
    const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const run = ["run", "--quiet", "--allow-read", "--allow-env", script, "--serve", ...flags];
    const peer = startPeer(ownProgram(), run)!;
    if (await peer.next() === null) throw new Error(`our own step ended: ${peer.complaints()}`);
    let memory = 0;
    runners.push({
      name: "recvae",
      kind: "recvae",
      threads,
      async step() {
        const answer = (await peer.ask())!;
        memory = Number(answer.rss_mib_peak);
        return Number(answer.ms);
      },
      stop: () => peer.stop().then(() => memory),
    });
  }
  return runners;
}

/** One after the other: compiling takes all cores. The first that is missing ends it; it says why. */
async function torchRunners(options: ContestOptions): Promise<Runner[]> {
  const { python, spatialShape: spatial, batch, frames } = options;
  const runners: Runner[] = [];
  for (const threads of python === null ? [] : options.threads) {
    for (const variant of TORCH_VARIANTS) {
      if ("frameMajor" in variant && threads !== Math.max(...options.threads)) continue;
      const peer = await startTorchPeer({
        ...variant,
        python: python!,
        spatial,
        threads,
        batch,
        frames,
      });
      if (peer === null && runners.length === 0) return [];
      if (peer === null) continue;
      const { version, mode } = peer.description;
      runners.push({
        name: `PyTorch ${version} ${mode}`,
        kind: "frameMajor" in variant ? "PyTorch, frames contiguous" : "PyTorch",
        threads,
        step: async () => (await peer.step()).ms,
        stop: peer.stop,
      });
    }
  }
  return runners;
}
