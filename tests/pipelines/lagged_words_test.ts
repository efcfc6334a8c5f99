import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { resolveLaggedConfig } from "../../src/models/recurrent_vae/lagged/lagged_config.ts";
import { findNoDynamics } from "../../src/pipelines/recurrent_vae/collapse.ts";
import {
  laggedScoreLines,
  type LaggedScores,
} from "../../src/pipelines/recurrent_vae/lagged_scores.ts";

const share = (...runs: number[]) => ({ share: runs.reduce((a, b) => a + b) / runs.length, runs });

function scores(model: number, more: Partial<LaggedScores> = {}): LaggedScores {
  return {
    model: {
      model: share(model, model + 0.01),
      modelState: share(0.11, 0.12),
      modelAhead: share(0.17, 0.18),
    },
    linear: {
      pca: share(0.27, 0.29),
      pcaLag: share(0.28, 0.29),
      persistence: share(-0.2, -0.3),
      voxelAr1: share(0.15, 0.14),
      pcaVar1: share(0.1, 0.11),
      pcaVar1Residual: share(0.16, 0.15),
    },
    components: 10,
    runs: ["sub-1_task-rest_run-04", "sub-1_task-rest_run-08"],
    divergence: [1, 2, 3, 0.001],
    ...more,
  };
}

Deno.test("the table names runs by what differs, says who wins, and gives advice only to a model that loses", () => {
  const wins = laggedScoreLines(scores(0.29));
  assertEquals(wins[1].trim().split(/ +/), ["all", "run-04", "run-08"]);
  assertStringIncludes(
    wins.join("\n"),
    "Reconstruction of each frame: this model wins, 1.0 points ahead",
  );
  assertStringIncludes(
    wins.join("\n"),
    "One step ahead, from the frames before: this model wins, 2.0 points",
  );
  assertEquals(wins.some((line) => line.includes("worse than a linear method")), false);
  const loses = laggedScoreLines(scores(0.2)).at(-1)!;
  assertStringIncludes(loses, "This model reconstructs worse than a linear method here");
  assertStringIncludes(loses, "--no-convolutions");
});

Deno.test("dimensions that say nothing are a collapse where they are most, and so is a model that explains nothing", () => {
  const config = resolveLaggedConfig({ spatialShape: [6, 10, 10] });
  const moving = {
    states: { data: Float32Array.from({ length: 40 }, (_, i) => Math.sin(i)), shape: [1, 20, 2] },
    logVar: { data: new Float32Array(40).fill(-2), shape: [1, 20, 2] },
  };
  const found = (of: LaggedScores | null) => findNoDynamics(moving, config, { scores: of });
  assertEquals([found(null), found(scores(0.3))], [null, null]);
  const collapsed = found(scores(0.3, { divergence: [0.001, 0.002, 0.009, 2] }))!;
  assertEquals(collapsed.reason, "collapsed");
  assertStringIncludes(collapsed.note, "3 of 4 dimensions have a KL divergence below 0.01");
  assertEquals(found(scores(-0.01))!.reason, "nothing explained");
  const still = { ...moving, states: { data: new Float32Array(40).fill(1), shape: [1, 20, 2] } };
  assertEquals(findNoDynamics(still, config, { scores: scores(0.3) })!.reason, "collapsed");
});
