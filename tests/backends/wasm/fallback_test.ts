/** Which kernels of representative models run in JavaScript on the wasm engine, forward and gradient: none. */
import { selectBackend } from "../../../src/backends/registry.ts";
import { type KernelProfile, profileKernels } from "../../../src/backends/wasm/kernel_profile.ts";
import { assert, assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { TAPE_MODELS, type TapeModel } from "../../support/tape_models.ts";

/** One forward and one backward pass. */
function step(model: TapeModel, shapes: readonly number[][]): Promise<KernelProfile> {
  return profileKernels(() =>
    tf.tidy(() => {
      const weights = shapes.map((shape) => tf.randomNormal(shape, 0, 0.1));
      tf.grads(model)(weights).forEach((gradient) => gradient.dataSync());
    })
  );
}

/** Names of kernels that JavaScript answered. */
function fallbacksOf({ uses }: KernelProfile): string[] {
  return uses.filter(({ fallbackCalls }) => fallbackCalls > 0).map(({ name }) => name);
}

for (const [name, [model, shapes]] of Object.entries(TAPE_MODELS)) {
  Deno.test({
    name: `no kernel of ${name} runs in JavaScript on the wasm engine`,
    // The engine's workers outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await selectBackend("wasm");
      const profile = await step(model, shapes);
      assert(profile.uses.length > 5);
      assertEquals(fallbacksOf(profile), []);
      assertEquals(profile.fallbackShare, 0);
    },
  });
}

Deno.test({
  name: "a profile tells our kernels from those in JavaScript",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await selectBackend("wasm");
    const profile = await profileKernels(() =>
      tf.tidy(() => {
        tf.atan(tf.add(tf.ones([3]), 1));
        tf.slice(tf.ones([2, 1, 2, 1, 2, 1]), [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]);
        // A sum of integers is left to the kernel of TensorFlow.js.
        tf.unsortedSegmentSum(tf.ones([2], "int32"), tf.tensor1d([0, 0], "int32"), 1);
      })
    );
    const use = (name: string) => profile.uses.find((one) => one.name === name)!;
    assertEquals([use("Atan").calls, use("Atan").fallbackCalls], [1, 1]);
    assertEquals([use("Slice").calls, use("Slice").fallbackCalls], [1, 0]);
    assertEquals(
      [use("UnsortedSegmentSum").calls, use("UnsortedSegmentSum").fallbackCalls],
      [1, 1],
    );
    assert(profile.fallbackShare > 0 && profile.fallbackShare < 1);
    tf.tidy(() => tf.atan(tf.ones([3])));
    assertEquals(use("Atan").calls, 1, "nothing is counted once the profile has ended");
  },
});
