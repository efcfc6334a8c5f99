/**
 * No kernel of representative models waits for values from the GPU, forward or gradient. Values that are on the host
 * still, because nothing has used them yet, may be read there.
 */
import type { WebGPUBackend } from "../../../src/deps/tfjs_webgpu.ts";
import { assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { forEachBackend } from "../../support/engines.ts";
import { TAPE_MODELS } from "../../support/tape_models.ts";

for (const [name, [model, shapes]] of Object.entries(TAPE_MODELS)) {
  await forEachBackend(`a step of ${name} reads nothing back`, async () => {
    const backend = tf.backend() as WebGPUBackend;
    const readSync = backend.readSync.bind(backend);
    backend.readSync = (dataId) => {
      if (backend.tensorMap.get(dataId).resource != null) throw new Error("a kernel reads back");
      return readSync(dataId);
    };
    try {
      const gradients = tf.tidy(() =>
        tf.grads(model)(shapes.map((shape) => tf.randomNormal(shape, 0, 0.1)))
      );
      const values = await Promise.all(gradients.map((gradient) => gradient.data()));
      tf.dispose(gradients);
      assertEquals(values.map(({ length }) => length), shapes.map((s) => tf.util.sizeFromShape(s)));
    } finally {
      delete (backend as { readSync?: unknown }).readSync;
    }
  }, { engines: ["webgpu"] });
}
