/** The latent recurrence in one GPU call against its composition on the float64 reference. */
import { engine as webgpu } from "../../../src/backends/webgpu/mod.ts";
import { gpuTest } from "../../support/gpu.ts";
import {
  assertRolloutAgrees,
  assertRolloutGradientAgrees,
} from "../../support/recurrence_agreement.ts";

gpuTest("the latent rollout in one call agrees with its composition in float64", async () => {
  const engine = await webgpu.start();
  await assertRolloutAgrees(engine);
  await engine.stop();
});

gpuTest("the way back through the recurrence agrees with its composition in float64", async () => {
  const engine = await webgpu.start();
  await assertRolloutGradientAgrees(engine);
  await engine.stop();
});
