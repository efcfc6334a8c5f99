/**
 * All engines of this machine side by side: the eight convolutions (forward and both gradients) and the training
 * step. Every measurement waits for a value of its result, so that no unfinished queue is timed.
 *
 *   deno bench -A bench/engines_bench.ts
 *   deno bench -A bench/engines_bench.ts -- --spatial 91,109,91 --batch 4 --frames 8 --engines wasm,webgpu
 */
import type { BackendName } from "../src/backends/engine.ts";
import { probeBackend, selectBackend } from "../src/backends/registry.ts";
import { spatialShapeOf } from "../src/pipelines/recurrent_vae/model_options.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { tf } from "../src/deps/tfjs.ts";
import { finished, OPERATIONS, prepareLayer } from "./layer_operations.ts";
import { convolutionLayers } from "./layers.ts";
import { prepareStep, type TrainingStep } from "./training_step.ts";

const OPTIONS = [
  { name: "spatial", kind: "text", help: "" },
  { name: "batch", kind: "integer", min: 1, help: "" },
  { name: "frames", kind: "integer", min: 1, help: "" },
  { name: "engines", kind: "text", help: "" },
] as const satisfies readonly Option[];

const { values } = parseOptions(Deno.args, OPTIONS);
const spatialShape = spatialShapeOf(values.spatial ?? "33,35,40");
const batch = values.batch ?? 2;
const frames = values.frames ?? 4;

/** TensorFlow comes first: after a GPU driver of Mesa it cannot be loaded. */
const names =
  (values.engines?.split(",") ?? ["cuda", "tensorflow", "cpu", "wasm", "webgpu"]) as BackendName[];

for (const name of names) {
  const probe = await probeBackend(name);
  if (!probe.available) {
    console.error(`SKIPPED ${name}: ${probe.hint ?? probe.detail}`);
    continue;
  }
  const engine = `${name} (${probe.detail})`;
  for (const layer of convolutionLayers(spatialShape)) {
    for (const operation of OPERATIONS) {
      Deno.bench({
        name: engine,
        group: `${layer.name} ${operation}, ${batch * frames} volumes`,
        baseline: name === "wasm",
        async fn(b) {
          await selectBackend(name);
          const { tensors, operations } = prepareLayer(layer, batch * frames);
          await finished(operations[operation]());
          b.start();
          await finished(operations[operation]());
          b.end();
          tf.dispose(tensors);
        },
      });
    }
  }
  let step: TrainingStep | undefined;
  Deno.bench({
    name: engine,
    group: `training step, B = ${batch}, T = ${frames}, ${spatialShape.join("x")}`,
    baseline: name === "wasm",
    async fn(b) {
      if (step === undefined) {
        step = await prepareStep({ backend: name, batch, frames, spatialShape });
        await step.run();
      }
      await selectBackend(name);
      b.start();
      await step.run();
      b.end();
    },
  });
}
