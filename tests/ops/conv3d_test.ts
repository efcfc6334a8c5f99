import type { Triple } from "../../src/backends/kernel_contract.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  conv3d,
  conv3dBiasGradient,
  conv3dFilterGradient,
  conv3dInputGradient,
} from "../../src/ops/conv3d.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { between, normalArray, pick } from "../support/random_arrays.ts";
import { convolution, filterGradient, transposedConvolution } from "../support/spec_formulas.ts";
import "../../src/ops/stock_gradients.ts";

interface Problem {
  readonly samples: number;
  readonly size: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly channels: readonly [number, number];
}

/** Small random problems, every kernel and padding side by side with every stride. */
function problems(count: number): Problem[] {
  const random = RandomStream.fromSeed(3).split("conv3d problems");
  return Array.from({ length: count }, () => {
    const kernel = three(() => between(random, 1, 5));
    const padding = kernel.map((k) => random.integer(k)) as unknown as Triple;
    const size = kernel.map((k, a) =>
      Math.max(1, k - 2 * padding[a]) + random.integer(5)
    ) as unknown as Triple;
    return {
      samples: between(random, 1, 3),
      size,
      kernel,
      stride: three(() => between(random, 1, 3)),
      padding,
      channels: [pick(random, [1, 2, 3, 5]), pick(random, [1, 2, 4, 7])],
    };
  });
}

function three(of: () => number): Triple {
  return [of(), of(), of()];
}

Deno.test("conv3d and its gradients equal the formulas of [recurrent-vae §3.2] in float64", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(4);
  for (const { samples, size, kernel, stride, padding, channels: [ci, co] } of problems(40)) {
    const x = normalArray(random, [samples, ...size, ci]);
    const w = normalArray(random, [...kernel, ci, co]);
    const bias = normalArray(random, [co]);
    const expected = convolution(x, w, { bias, stride, padding });
    const dy = normalArray(random, expected.shape);
    tf.tidy(() => {
      const [tx, tw, tb, tdy] = [x, w, bias, dy].map((a) => toTensor(a.data, a.shape));
      const y = conv3d(tx, tw, { bias: tb, stride, padding });
      assertEquals(y.shape, [...expected.shape]);
      assertClose(y.dataSync(), expected.data, { tolerance: 1e-13, what: "y" });
      const dx = conv3dInputGradient(tdy, tw, { inputSize: size, stride, padding });
      const adjoint = transposedConvolution(dy, w, { outputSize: size, stride, padding });
      assertClose(dx.dataSync(), adjoint.data, { tolerance: 1e-13, what: "dx" });
      const dw = conv3dFilterGradient(tx, tdy, { kernel, stride, padding });
      const product = filterGradient(x, dy, { kernel, stride, padding });
      assertClose(dw.dataSync(), product.data, { tolerance: 1e-13, what: "dw" });
    });
  }
});

Deno.test("conv3d and its gradients on cpu agree with TensorFlow.js' own conv3d", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(5);
  for (const problem of problems(40)) {
    const { samples, size, kernel, channels: [ci, co], padding: [pz, py, px] } = problem;
    const stride: Triple = [problem.stride[0], problem.stride[0], problem.stride[0]];
    const x = normalArray(random, [samples, ...size, ci]);
    const w = normalArray(random, [...kernel, ci, co]);
    tf.tidy(() => {
      const [tx, tw] = [x, w].map((a) => toTensor(a.data, a.shape));
      const ours = (x: tf.Tensor, w: tf.Tensor) =>
        conv3d(x, w, { stride, padding: problem.padding });
      const theirs = (x: tf.Tensor, w: tf.Tensor) =>
        tf.conv3d(
          tf.pad(x, [[0, 0], [pz, pz], [py, py], [px, px], [0, 0]]) as tf.Tensor5D,
          w as tf.Tensor5D,
          [...stride],
          "valid",
        );
      const y = theirs(tx, tw);
      assertClose(ours(tx, tw).dataSync(), y.dataSync(), { tolerance: 1e-6, what: "y" });
      const dy = toTensor(normalArray(random, y.shape).data, y.shape);
      const [dx, dw] = tf.grads(ours)([tx, tw], dy);
      const [theirDx, theirDw] = tf.grads(theirs)([tx, tw], dy);
      assertClose(dx.dataSync(), theirDx.dataSync(), { tolerance: 2e-6, what: "dx" });
      assertClose(dw.dataSync(), theirDw.dataSync(), { tolerance: 2e-6, what: "dw" });
    });
  }
});

Deno.test("the tape's gradients of conv3d equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(6);
  for (const { samples, size, kernel, stride, padding, channels: [ci, co] } of problems(6)) {
    assertGradientsMatchDifferences(
      ([x, filter, bias]) => conv3d(x, filter, { bias, stride, padding }),
      {
        x: normalArray(random, [samples, ...size, ci]),
        filter: normalArray(random, [...kernel, ci, co]),
        bias: normalArray(random, [co]),
      },
    );
  }
});

Deno.test("the tape gives exactly what the exported gradient functions of conv3d give", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(8);
  tf.tidy(() => {
    const x = toTensor(normalArray(random, [2, 5, 6, 7, 3]).data, [2, 5, 6, 7, 3]);
    const filter = toTensor(normalArray(random, [4, 4, 4, 3, 2]).data, [4, 4, 4, 3, 2]);
    const bias = toTensor(normalArray(random, [2]).data, [2]);
    const geometry = { stride: 2, padding: 1 };
    const forward = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) =>
      conv3d(x, filter, { bias, ...geometry });
    const dy = toTensor(normalArray(random, [2, 2, 3, 3, 2]).data, [2, 2, 3, 3, 2]);
    const [dx, dFilter, dBias] = tf.grads(forward)([x, filter, bias], dy);
    assertEquals(
      dx.dataSync(),
      conv3dInputGradient(dy, filter, { ...geometry, inputSize: [5, 6, 7] }).dataSync(),
    );
    assertEquals(
      dFilter.dataSync(),
      conv3dFilterGradient(x, dy, { ...geometry, kernel: [4, 4, 4] }).dataSync(),
    );
    assertEquals(dBias.dataSync(), conv3dBiasGradient(dy).dataSync());
  });
});

Deno.test("conv3d of an empty batch is empty, and its filter gradient zero", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = toTensor(new Float32Array(0), [0, 4, 4, 4, 2]);
    const filter = toTensor(new Float32Array(4 * 4 * 4 * 2 * 3).fill(1), [4, 4, 4, 2, 3]);
    const y = conv3d(x, filter, { stride: 2, padding: 1 });
    assertEquals(y.shape, [0, 2, 2, 2, 3]);
    const dw = conv3dFilterGradient(x, y, { kernel: [4, 4, 4], stride: 2, padding: 1 });
    assertEquals(dw.dataSync(), new Float32Array(filter.size));
    assertEquals(conv3dBiasGradient(y).dataSync(), new Float32Array(3));
  });
});

Deno.test("conv3d refuses shapes and geometry that do not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([1, 4, 4, 4, 2]);
    const filter = tf.zeros([3, 3, 3, 2, 5]);
    const dy = tf.zeros([1, 2, 2, 2, 5]);
    assertThrows(() => conv3d(tf.zeros([4, 4, 4, 2]), filter), ShapeError, "x has shape");
    assertThrows(() => conv3d(x, tf.zeros([3, 3, 3, 1, 5])), ShapeError, "[any, any, any, any, 1]");
    assertThrows(() => conv3d(x, tf.zeros([3, 3, 3, 5])), ShapeError, "filter has shape");
    assertThrows(() => conv3d(x, filter, { bias: tf.zeros([4]) }), ShapeError, "bias has shape");
    assertThrows(() => conv3d(x, tf.zeros([5, 3, 3, 2, 5])), ShapeError, "smaller than the kernel");
    assertThrows(() => conv3d(x, filter, { stride: 0 }), ConfigError, "stride is [0,0,0]");
    assertThrows(() => conv3d(x, filter, { padding: [0, 0.5, 0] }), ConfigError, "padding");
    assertThrows(
      () => conv3dInputGradient(dy, filter, { inputSize: [4, 4, 5] }),
      ShapeError,
      "dy has shape",
    );
    assertThrows(
      () => conv3dFilterGradient(x, dy, { kernel: [3, 3, 2] }),
      ShapeError,
      "dy has shape",
    );
  });
});

Deno.test("conv3d and its tape leave no tensors behind", async () => {
  await selectBackend("cpu");
  const x = tf.ones([1, 4, 4, 4, 2]) as tf.Tensor;
  const filter = tf.ones([3, 3, 3, 2, 5]) as tf.Tensor;
  const before = tf.memory().numTensors;
  conv3d(x, filter).dispose();
  tf.grads((x: tf.Tensor, filter: tf.Tensor) => tf.sum(conv3d(x, filter)) as tf.Scalar)([x, filter])
    .forEach((gradient) => gradient.dispose());
  assertEquals(tf.memory().numTensors, before);
  tf.dispose([x, filter]);
});
