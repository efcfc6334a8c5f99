/** No kernel of representative models asks for values on the host, forward or gradient. */
import { assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { forEachBackend } from "../../support/engines.ts";
import { TAPE_MODELS } from "../../support/tape_models.ts";

for (const [name, [model, shapes]] of Object.entries(TAPE_MODELS)) {
  await forEachBackend(`a step of ${name} reads nothing back`, async () => {
    const backend = tf.backend();
    const reads: string[] = [];
    backend.readSync = () => {
      reads.push(new Error().stack ?? "");
      throw new Error("a kernel reads back");
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
    assertEquals(reads, []);
  }, { engines: ["webgpu"] });
}
