import type { Triple } from "../../src/backends/kernel_contract.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { conv3d } from "../../src/ops/conv3d.ts";
import {
  convTranspose3d,
  convTranspose3dFilterGradient,
  convTranspose3dInputGradient,
} from "../../src/ops/conv_transpose3d.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";
import { transposedConvolution } from "../support/spec_formulas.ts";
import "../../src/ops/stock_gradients.ts";

const LEVEL = { stride: 2, padding: 1 } as const;

Deno.test("a decoder level equals the formula of [recurrent-vae §3.2] for every output padding", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(11);
  const x = normalArray(random, [2, 2, 3, 1, 3]);
  const w = normalArray(random, [4, 4, 4, 2, 3]);
  for (let code = 0; code < 8; code++) {
    const outputPadding: Triple = [code & 1, code >> 1 & 1, code >> 2];
    const outputSize: Triple = [
      2 * 2 + outputPadding[0],
      2 * 3 + outputPadding[1],
      2 * 1 + outputPadding[2],
    ];
    const expected = transposedConvolution(x, w, {
      outputSize,
      stride: [2, 2, 2],
      padding: [1, 1, 1],
    });
    tf.tidy(() => {
      const [tx, tw] = [x, w].map((a) => toTensor(a.data, a.shape));
      const bySize = convTranspose3d(tx, tw, { ...LEVEL, outputSize });
      assertEquals(bySize.shape, [...expected.shape]);
      assertClose(bySize.dataSync(), expected.data, { tolerance: 1e-13 });
      const byPadding = convTranspose3d(tx, tw, { ...LEVEL, outputPadding });
      assertEquals(byPadding.dataSync(), bySize.dataSync());
    });
  }
});

Deno.test("the tape's gradients of convTranspose3d equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(12);
  const cases = [
    { x: [2, 2, 3, 1, 3], kernel: [4, 4, 4], options: { ...LEVEL, outputPadding: 1 } },
    { x: [1, 3, 2, 2, 2], kernel: [3, 1, 2], options: { stride: [3, 1, 2] as Triple } },
    { x: [1, 1, 4, 1, 1], kernel: [1, 5, 1], options: { padding: [0, 2, 0] as Triple } },
  ];
  for (const { x, kernel, options } of cases) {
    assertGradientsMatchDifferences(
      ([x, filter, bias]) => convTranspose3d(x, filter, { ...options, bias }),
      {
        x: normalArray(random, x),
        filter: normalArray(random, [...kernel, 2, x[4]]),
        bias: normalArray(random, [2]),
      },
    );
  }
});

Deno.test("convTranspose3d is the adjoint of conv3d with the same filter", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(13);
  tf.tidy(() => {
    const filter = toTensor(normalArray(random, [4, 4, 4, 2, 3]).data, [4, 4, 4, 2, 3]);
    const x = toTensor(normalArray(random, [2, 5, 7, 6, 2]).data, [2, 5, 7, 6, 2]);
    const y = toTensor(normalArray(random, [2, 2, 3, 3, 3]).data, [2, 2, 3, 3, 3]);
    const inner = (a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(a, b)).dataSync();
    const back = convTranspose3d(y, filter, { ...LEVEL, outputSize: [5, 7, 6] });
    assertClose(inner(conv3d(x, filter, LEVEL), y), inner(x, back), { tolerance: 1e-12 });
  });
});

Deno.test("the tape gives exactly what the exported gradient functions give", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(14);
  tf.tidy(() => {
    const x = toTensor(normalArray(random, [2, 2, 2, 3, 3]).data, [2, 2, 2, 3, 3]);
    const filter = toTensor(normalArray(random, [4, 4, 4, 2, 3]).data, [4, 4, 4, 2, 3]);
    const dy = toTensor(normalArray(random, [2, 5, 4, 7, 2]).data, [2, 5, 4, 7, 2]);
    const forward = (x: tf.Tensor, filter: tf.Tensor) =>
      convTranspose3d(x, filter, { ...LEVEL, outputSize: [5, 4, 7] });
    const [dx, dFilter] = tf.grads(forward)([x, filter], dy);
    assertEquals(dx.dataSync(), convTranspose3dInputGradient(dy, filter, LEVEL).dataSync());
    assertEquals(
      dFilter.dataSync(),
      convTranspose3dFilterGradient(x, dy, { ...LEVEL, kernel: [4, 4, 4] }).dataSync(),
    );
  });
});

Deno.test("convTranspose3d refuses sizes that the convolution does not map back", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([1, 2, 2, 2, 3]);
    const filter = tf.zeros([4, 4, 4, 1, 3]);
    assertThrows(
      () => convTranspose3d(x, filter, { ...LEVEL, outputSize: [4, 4, 6] }),
      ShapeError,
      "x has shape",
    );
    assertThrows(
      () => convTranspose3d(x, filter, { ...LEVEL, outputPadding: 2 }),
      ConfigError,
      "below stride",
    );
    assertThrows(
      () => convTranspose3d(x, tf.zeros([4, 4, 4, 1, 2]), LEVEL),
      ShapeError,
      "x has shape",
    );
    assertThrows(
      () => convTranspose3d(x, filter, { ...LEVEL, bias: tf.zeros([3]) }),
      ShapeError,
      "bias has shape",
    );
  });
});
