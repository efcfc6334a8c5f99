/**
 * The training step on the wasm engine against the same step in PyTorch, alternated in one run, since machines drift:
 * ours, peer, ours, peer, … with the multiply–add peak measured in every round.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import { peakResidentMebibytes } from "../src/deps/node_process.ts";
import { stepMultiplyAdds } from "./layers.ts";
import { milliseconds, type Spread, spreadOf } from "./measurements.ts";
import { startPeakMeter } from "./peak.ts";
import { startTorchPeer, type TorchPeer } from "./peers/torch_peer.ts";
import { prepareStep } from "./training_step.ts";

/** Ways of running PyTorch: the first two as the original does, the third with a better layout of the data. */
const VARIANTS = [{}, { compile: true }, { frameMajor: true }] as const;

/** Two: the engine's compiler finishes its fast code during the first. */
const WARM_UP_STEPS = 2;

/** What to run. */
export interface ContestOptions {
  readonly threads: number;
  readonly batch: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
  readonly repeats: number;
  /** Python with PyTorch; null measures us alone. */
  readonly python: string | null;
}

/** A peer's steps beside ours. */
export interface PeerTimes {
  /** `"eager"`, `"compiled"`, `"eager, frames contiguous"`. */
  readonly mode: string;
  readonly version: string;
  /** Milliseconds per frame. */
  readonly time: Spread;
  /** Our time over the peer's: of the least and of the median times. */
  readonly ratio: { readonly best: number; readonly median: number };
  /** Peak resident memory in MiB. */
  readonly memory: number;
}

/** Result of {@link holdContest}. */
export interface Contest {
  readonly threads: number;
  readonly frames: number;
  readonly batch: number;
  readonly framesPerChunk: number;
  /** Milliseconds per frame. */
  readonly time: Spread;
  /** GFLOP/s of the register-only kernel in the same rounds. */
  readonly peak: { readonly best: number; readonly median: number };
  /** GFLOP/s of the step; the recomputed encoder is not counted. */
  readonly gflops: { readonly best: number; readonly median: number };
  /** `gflops / peak`. */
  readonly share: { readonly best: number; readonly median: number };
  /** Peak resident memory of this process so far, in MiB. */
  readonly memory: number;
  readonly peers: readonly PeerTimes[];
}

/**
 * Alternates steps.
 *
 * @param options See {@link ContestOptions}.
 */
export async function holdContest(options: ContestOptions): Promise<Contest> {
  const { threads, batch, frames, spatialShape, repeats } = options;
  const peers = await startPeers(options);
  const meter = await startPeakMeter(threads);
  const step = await prepareStep({ backend: "wasm", threads, batch, frames, spatialShape });
  for (let i = 0; i < WARM_UP_STEPS; i++) await step.run();
  const ours: number[] = [];
  const peaks: number[] = [];
  const theirs: number[][] = peers.map(() => []);
  for (let round = 0; round < repeats; round++) {
    peaks.push(meter.measure());
    ours.push(await milliseconds(async () => void await step.run()));
    for (const [p, peer] of peers.entries()) theirs[p].push((await peer.step()).ms);
  }
  const memory = peakResidentMebibytes();
  await step.stop();
  meter.stop();
  const time = perFrame(ours, frames);
  const spread = spreadOf(peaks);
  const peak = { best: Math.max(...peaks), median: spread.median };
  const work = 2 * stepMultiplyAdds(spatialShape) * batch / 1e6;
  const gflops = { best: work / time.least, median: work / time.median };
  return {
    threads,
    frames,
    batch,
    framesPerChunk: step.framesPerChunk,
    time,
    peak,
    gflops,
    share: { best: gflops.best / peak.best, median: gflops.median / peak.median },
    memory,
    peers: await Promise.all(peers.map(async (peer, p) => {
      const theirTime = perFrame(theirs[p], frames);
      return {
        mode: peer.description.mode,
        version: peer.description.version,
        time: theirTime,
        ratio: { best: time.least / theirTime.least, median: time.median / theirTime.median },
        memory: await peer.stop(),
      };
    })),
  };
}

/** One after the other: compiling takes all cores. The first that is missing ends it, it says why. */
async function startPeers(options: ContestOptions): Promise<TorchPeer[]> {
  const { python, spatialShape: spatial, threads, batch, frames } = options;
  const peers: TorchPeer[] = [];
  for (const variant of python === null ? [] : VARIANTS) {
    const peer = await startTorchPeer({
      ...variant,
      python: python!,
      spatial,
      threads,
      batch,
      frames,
    });
    if (peer) peers.push(peer);
    else if (peers.length === 0) break;
  }
  return peers;
}

function perFrame(times: readonly number[], frames: number): Spread {
  return spreadOf(times.map((time) => time / frames));
}

/**
 * The peer that counts: the faster of eager and compiled by median. Frames kept contiguous are not what the original
 * does and are listed only.
 */
export function fastestPeer({ peers }: Pick<Contest, "peers">): PeerTimes | undefined {
  return peers.filter(({ mode }) => mode === "eager" || mode === "compiled")
    .sort((a, b) => a.time.median - b.time.median)[0];
}
