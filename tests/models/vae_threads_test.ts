/** The same seed gives the same bits for one thread and for two. */
import { selectBackend } from "../../src/backends/registry.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { VAE } from "../../src/models/vae/mod.ts";

async function fitted(threads: number, network: "conv" | "residual") {
  const engine = await selectBackend("wasm", { threads });
  const images = { data: RandomStream.fromSeed(5).normals(6 * 990), shape: [6, 9, 10, 11] };
  const vae = new VAE({ shape: [11, 10, 9], network, latentDim: 3, maxEpochs: 2, randomState: 3 });
  await vae.fit([images]);
  const found = { weights: await vae.stateDict(), z: await vae.transform(images) };
  vae.dispose();
  await engine.stop();
  return found;
}

for (const network of ["conv", "residual"] as const) {
  Deno.test({
    name: `one and two threads fit a ${network} estimator to the same bits`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      assertEquals(await fitted(1, network), await fitted(2, network));
    },
  });
}
