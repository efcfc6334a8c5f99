/** A training run whose GPU is lost ends with a typed error and goes on, bit for bit, from its last checkpoint. */
import { selectBackend } from "../../../src/backends/registry.ts";
import type { DeviceBackend } from "../../../src/backends/webgpu/device_backend.ts";
import { BackendError } from "../../../src/base/errors.ts";
import { assertEquals, assertRejects } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import type { StateDict } from "../../../src/parameters/state_dict.ts";
import { fit, type FitOptions } from "../../../src/pipelines/recurrent_vae/fit.ts";
import type { TrainingState } from "../../../src/training/loop.ts";
import { gpuTest } from "../../support/gpu.ts";
import { tinyLoader, tinyModel } from "../../support/tiny_training.ts";

const OPTIONS: FitOptions = { epochs: 3, optimiser: "adamw", learningRate: 1e-3 };

gpuTest("a run whose GPU is lost goes on from its last checkpoint to the same end", async () => {
  await selectBackend("webgpu");
  const whole = tinyModel();
  const uninterrupted = await fit(whole, tinyLoader(), OPTIONS);
  const finalWeights = await whole.stateDict();
  whole.dispose();

  const lost = tinyModel();
  let saved: { weights: StateDict; state: TrainingState } | undefined;
  await assertRejects(
    () =>
      fit(lost, tinyLoader(), {
        ...OPTIONS,
        callbacks: [async (epoch, _metrics, controls) => {
          if (epoch !== 0) return;
          saved = { weights: await lost.stateDict(), state: await controls.state() };
        }],
        onBatch: ({ epoch }) => {
          if (epoch === 1) (tf.backend() as DeviceBackend).device.destroy();
        },
      }),
    BackendError,
    "The GPU was lost",
  );
  lost.dispose();

  const again = await selectBackend("webgpu");
  const resumed = tinyModel();
  resumed.loadStateDict(saved!.weights);
  const result = await fit(resumed, tinyLoader(), { ...OPTIONS, resumeFrom: saved!.state });
  assertEquals(result.metrics, uninterrupted.metrics);
  assertEquals(await resumed.stateDict(), finalWeights);
  resumed.dispose();
  await again.stop();
});
