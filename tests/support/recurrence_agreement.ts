/** What a latent recurrence in one call has to agree with: its composition on the float64 reference. */
import type { ActiveEngine } from "../../src/backends/engine.ts";
import { engine as reference } from "../../src/backends/reference/mod.ts";
import { RandomStream } from "../../src/base/random.ts";
import { latentRollout, latentRolloutGradient } from "../../src/ops/latent_recurrence.ts";
import { assertAgrees, sumTolerance } from "./engine_comparison.ts";
import { normalArray } from "./random_arrays.ts";

const SIZES = [
  { frames: 1, runs: 1, width: 1 },
  { frames: 7, runs: 3, width: 10 },
  { frames: 5, runs: 2, width: 70 },
];

/**
 * Rounding carried through the frames: each passes on what it got, times weights of norm below 1 (larger ones make
 * the recurrence chaotic), and adds its own.
 */
function tolerance({ frames, width }: typeof SIZES[number]): number {
  return 4 * frames * sumTolerance(2 * width);
}

/** Compares the rollout. */
export async function assertRolloutAgrees(engine: ActiveEngine): Promise<void> {
  for (const size of SIZES) {
    const { frames, runs, width } = size;
    const random = RandomStream.fromSeed(23).split(width);
    await assertAgrees(([drive, fromState, noise, initialState]) => {
      const { h, heads } = latentRollout({ drive, fromState, noise, initialState });
      return [h, heads];
    }, [
      normalArray(random.split("drive"), [frames, runs, 2 * width], 0.3),
      normalArray(random.split("weights"), [2 * width, width], 0.3 / Math.sqrt(width)),
      normalArray(random.split("noise"), [frames, runs, width]),
      normalArray(random.split("state"), [runs, width]),
    ], {
      engine,
      reference,
      tolerances: [tolerance(size), tolerance(size)],
      what: `rollout of ${JSON.stringify(size)}`,
    });
  }
}

/** Compares the way back. */
export async function assertRolloutGradientAgrees(engine: ActiveEngine): Promise<void> {
  for (const size of SIZES) {
    const { frames, runs, width } = size;
    const random = RandomStream.fromSeed(29).split(width);
    const state = (name: string) => normalArray(random.split(name), [frames, runs, width]);
    for (const withHeads of [false, true]) {
      await assertAgrees(([towardsState, spread, carried, heads, fromState]) => [
        latentRolloutGradient({
          towardsState,
          spread,
          carried,
          towardsHeads: withHeads ? heads : null,
          fromState,
        }),
      ], [
        state("towards"),
        state("spread"),
        state("carried"),
        normalArray(random.split("heads"), [frames, runs, 2 * width]),
        normalArray(random.split("weights"), [2 * width, width], 0.5 / Math.sqrt(width)),
      ], {
        engine,
        reference,
        tolerances: [tolerance(size)],
        what: `gradient of ${JSON.stringify({ ...size, withHeads })}`,
      });
    }
  }
}
