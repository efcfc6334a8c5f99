/** The engine on native TensorFlow: permissions, nested sums, and the installer for real where there is a wheel. */
import { selectBackend } from "../../../src/backends/registry.ts";
import { findTensorFlow } from "../../../src/backends/tensorflow/find_tensorflow.ts";
import { installTensorFlow } from "../../../src/backends/tensorflow/install.ts";
import { cudaEngine, engine } from "../../../src/backends/tensorflow/mod.ts";
import { sumRows } from "../../../src/backends/tensorflow/row_sums.ts";
import { toHost, toTensor } from "../../../src/backends/tensors.ts";
import { BackendError } from "../../../src/base/errors.ts";
import { assertEquals, assertMatch, assertRejects } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";

const installed = await engine.probe();

/** Native TensorFlow is loaded only in a run of its own; see tests/support/engines.ts. */
const asked = Deno.env.get("RECVAE_TEST_ENGINES")?.split(",").includes("tensorflow") === true;
const loadable = installed.available && asked;
const missing = loadable
  ? ""
  : ` (skipped: ${asked ? installed.hint ?? installed.detail : "needs deno task test:tensorflow"})`;

/** A TensorFlow on this machine: the folder named by RECVAE_TENSORFLOW, else what python3 knows. */
const wheel = await findTensorFlow(Deno.env.get("RECVAE_TENSORFLOW")).then(
  ({ folder }) => folder,
  () => null,
);

Deno.test({
  name: "without permission to load libraries the probe names the flags and start refuses",
  permissions: { ffi: false, read: true, env: true, run: true },
  async fn() {
    const { available, hint } = await engine.probe();
    assertEquals(available, false);
    assertMatch(hint ?? "", /--allow-ffi/);
    await assertRejects(() => engine.start(), BackendError, "--allow-ffi");
  },
});

Deno.test({
  name: `cuda is refused where TensorFlow sees no GPU${missing}`,
  ignore: !loadable || (await cudaEngine.probe()).available,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await assertRejects(() => cudaEngine.start(), BackendError, "sees no GPU");
  },
});

Deno.test({
  name: `native TensorFlow starts, computes, stops and starts again${missing}`,
  ignore: !loadable,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    for (let time = 0; time < 2; time++) {
      const active = await engine.start();
      assertMatch(active.detail, /^TensorFlow \d+\.\d+/);
      assertEquals([...await toHost(tf.square(toTensor(Float32Array.of(1, 2), [2])))], [1, 4]);
      await active.stop();
    }
  },
});

Deno.test("nested sums give every row once, whatever the number of rows", async () => {
  await selectBackend("cpu");
  for (const rows of [0, 1, 5, 96, 97, 128, 64 * 97, 10_007, 4096 + 13]) {
    const values = Float32Array.from({ length: 2 * rows * 3 }, (_, i) => (i % 7) - 2);
    const expected = new Float64Array(6);
    values.forEach((v, i) => expected[(i >= rows * 3 ? 3 : 0) + i % 3] += v);
    const sums = sumRows(toTensor(values, [2, rows, 3]) as tf.Tensor3D);
    assertEquals([...await toHost(sums)], [...expected], `${rows} rows`);
  }
});

Deno.test({
  name: wheel === null
    ? "the addon is built against TensorFlow (skipped: no TensorFlow on this machine; set RECVAE_TENSORFLOW)"
    : "the addon is built against TensorFlow, loads, and is found by the probe",
  ignore: wheel === null,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const steps: string[] = [];
    const report = await installTensorFlow({
      from: wheel ?? undefined,
      onStep: (sentence) => steps.push(sentence),
    });
    assertEquals(report.folder, wheel);
    assertEquals(steps.length, 4);
    const { available, detail } = await engine.probe();
    assertEquals(available, true);
    assertMatch(detail, new RegExp(`TensorFlow ${report.tensorflow}`));
  },
});
