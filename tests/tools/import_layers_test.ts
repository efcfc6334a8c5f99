/** The layer table: what each room may import, and what it may not. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { layerProblem, roomCycle, roomOf } from "../../tools/import_layers.ts";

const ALLOWED = [
  ["src/cli/main.ts", "src/training/loop.ts"],
  ["src/pipelines/a/fit.ts", "src/models/a/model.ts"],
  ["src/pipelines/a/mod.ts", "src/pipelines/pipeline.ts"],
  ["src/pipelines/families.ts", "src/pipelines/a/mod.ts"],
  ["src/training/loop.ts", "src/parameters/entry.ts"],
  ["src/losses/kl.ts", "src/ops/linear.ts"],
  ["src/ops/linear.ts", "src/backends/tensors.ts"],
  ["src/backends/tensors.ts", "src/deps/tfjs.ts"],
  ["src/deps/tfjs.ts", "npm:@tensorflow/tfjs@4.22.0"],
  ["src/models/a/model.ts", "src/models/a/weights.ts"],
  ["src/backends/wasm/load.js", "wasm/dist/kernels.wasm"],
  ["src/files/nifti_file.ts", "src/formats/nifti_write.ts"],
  ["src/backends/tensorflow/install.ts", "src/files/whole_file.ts"],
  ["mod.ts", "src/data/cohort.ts"],
  ["tests/x_test.ts", "src/cli/main.ts"],
];

const REFUSED = [
  ["src/base/errors.ts", "src/deps/std.ts", "nothing but itself"],
  ["src/formats/nifti.ts", "src/deps/tfjs.ts", "never sees the tensor library"],
  ["src/linalg/ridge.ts", "src/deps/tfjs.ts", "never sees the tensor library"],
  ["src/reports/svg.ts", "src/deps/tfjs.ts", "never sees the tensor library"],
  ["src/files/nifti_file.ts", "src/deps/tfjs.ts", "never sees the tensor library"],
  ["src/files/whole_file.ts", "src/data/cohort.ts", "layer 1"],
  ["src/formats/nifti_write.ts", "src/files/whole_file.ts", "layer 1"],
  ["src/ops/linear.ts", "src/losses/kl.ts", "layer 2"],
  ["src/models/a/model.ts", "src/models/b/model.ts", "another model"],
  ["src/models/a/model.ts", "src/data/cohort.ts", "given frames"],
  ["src/data/cohort.ts", "src/training/loop.ts", "layer 2"],
  ["src/training/loop.ts", "src/models/a/model.ts", "only the pipeline of a family"],
  ["src/cli/train.ts", "src/models/a/model.ts", "only the pipeline of a family"],
  ["src/pipelines/b/fit.ts", "src/models/a/model.ts", "only the pipeline of a family"],
  ["src/pipelines/a/fit.ts", "src/pipelines/b/fit.ts", "another family"],
  ["src/pipelines/started_run.ts", "src/pipelines/a/mod.ts", "families.ts"],
  ["src/pipelines/a/fit.ts", "src/pipelines/families.ts", "does not know the table"],
  ["src/evaluation/scores.ts", "src/training/loop.ts", "layer 2"],
  ["src/training/loop.ts", "src/cli/main.ts", "layer 3"],
  ["src/training/loop.ts", "npm:x@1.0.0", "src/deps"],
  ["src/training/loop.ts", "node:fs", "src/deps"],
  ["src/training/loop.ts", "tests/support/x.ts", "library code only"],
  ["src/novel/a.ts", "src/base/errors.ts", "not in the layer table"],
  ["mod.ts", "src/cli/main.ts", "./cli"],
];

Deno.test("imports that go down the layers are allowed", () => {
  for (const [from, to] of ALLOWED) assertEquals(layerProblem({ from, to }), null, `${from} ${to}`);
});

Deno.test("imports against the layers are refused with the reason", () => {
  for (const [from, to, reason] of REFUSED) {
    assertStringIncludes(layerProblem({ from, to }) ?? "allowed", reason, `${from} ${to}`);
  }
});

Deno.test("a model is a room of its own", () => {
  assertEquals(roomOf("src/models/recurrent_vae/config.ts"), "models/recurrent_vae");
  assertEquals(roomOf("src/ops/conv3d.ts"), "ops");
  assertEquals(roomOf("tests/ops/conv3d_test.ts"), null);
});

Deno.test("rooms that import each other in a circle are found", () => {
  const edges = [
    { from: "src/a/1.ts", to: "src/b/1.ts" },
    { from: "src/b/2.ts", to: "src/c/1.ts" },
  ];
  assertEquals(roomCycle(edges), null);
  assertEquals(roomCycle([...edges, { from: "src/c/2.ts", to: "src/a/2.ts" }]), [
    "a",
    "b",
    "c",
    "a",
  ]);
});
