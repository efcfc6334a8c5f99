/**
 * The models that `bench:tape` measures, on small sizes: their steps run in kernels of the wasm engine alone, give the loss of
 * the float64 engine, and leave nothing behind.
 */
import { prepareTraining, type TapeTraining } from "../../bench/tape_step.ts";
import { MODELS, smallSizes } from "../../bench/tape_models.ts";
import { profileKernels } from "../../src/backends/wasm/kernel_profile.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";

/** Steps of all models together in the search for leaks. */
const STEPS = 1000;

/** Kernels that a step of each model has to use, so that the test notices when one is composed of small ones. */
const OWN_KERNELS: Readonly<Record<string, readonly string[]>> = {
  "encoder-2x128": ["RecvaeAttention", "RecvaeAttentionGradient", "RecvaeNormActivation"],
  "encoder-4x256": ["RecvaeAttention", "RecvaeAttentionGradient", "RecvaeNormActivation"],
  "gpt-2x128": ["RecvaeAttention", "RecvaeLinearActivationGradient", "UnsortedSegmentSum"],
  "lstm-2x128": ["RecvaeLstm", "RecvaeLstmGradient"],
  "conv1d": ["RecvaeTapSum", "BatchMatMul", "RecvaeActivationGradient"],
  "dense": ["RecvaeLinearActivationGradient", "BatchMatMul"],
};
const EVERYWHERE = ["RecvaeLinear", "RecvaeDropout", "RecvaeUpdate"];

/** Losses of three steps. */
async function losses(training: TapeTraining): Promise<number[]> {
  return [await training.step(), await training.step(), await training.step()];
}

for (const kind of MODELS) {
  Deno.test({
    name: `a step of ${kind.name} runs in kernels of the wasm engine, with the losses of float64`,
    // The engine's workers outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await selectBackend("reference");
      const exact = prepareTraining(kind, smallSizes(kind));
      const expected = await losses(exact);
      exact.dispose();
      assert(new Set(expected).size === 3, "dropout and the update change the loss");

      await selectBackend("wasm", { threads: 1 });
      const training = prepareTraining(kind, smallSizes(kind));
      const { uses } = await profileKernels(async () => {
        const found = await losses(training);
        found.forEach((loss, i) => assertAlmostEquals(loss, expected[i], 1e-4));
      });
      training.dispose();
      assertEquals(uses.filter((use) => use.fallbackCalls > 0).map(({ name }) => name), []);
      const names = new Set(uses.map(({ name }) => name));
      const wanted = [...EVERYWHERE, ...OWN_KERNELS[kind.name]];
      assertEquals(wanted.filter((name) => !names.has(name)), []);
      assert(training.multiplyAdds() > 0);
    },
  });
}

Deno.test({
  name: "a thousand steps of these models leave no tensor and no byte behind",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const engine = await selectBackend("wasm", { threads: 1 });
    for (const kind of MODELS) {
      const training = prepareTraining(kind, smallSizes(kind));
      for (let i = 0; i < 3; i++) await training.step();
      const [tensors, used] = [tf.memory().numTensors, engine.memory().used];
      for (let i = 0; i < STEPS / MODELS.length; i++) await training.step();
      assertEquals([tf.memory().numTensors, engine.memory().used], [tensors, used], kind.name);
      training.dispose();
    }
  },
});
