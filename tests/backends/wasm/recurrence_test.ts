/** The latent recurrence in one call against its composition on the float64 reference. */
import { startWasm } from "../../../src/backends/wasm/mod.ts";
import {
  assertRolloutAgrees,
  assertRolloutGradientAgrees,
} from "../../support/recurrence_agreement.ts";

Deno.test("the latent rollout in one call agrees with its composition in float64", async () => {
  const engine = await startWasm({ threads: 2 });
  await assertRolloutAgrees(engine);
  await engine.stop();
});

Deno.test("the way back through the recurrence agrees with its composition in float64", async () => {
  const engine = await startWasm({ threads: 2 });
  await assertRolloutGradientAgrees(engine);
  await engine.stop();
});
