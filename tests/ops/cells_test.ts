import { CELL_KERNEL } from "../../src/backends/cell_contract.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { gru } from "../../src/ops/gru.ts";
import { lstm } from "../../src/ops/lstm.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const engines = ["cpu", "reference", "wasm", "webgpu"] as const;

type Arrays = Readonly<Record<string, NdArray<Float64Array>>>;

function layer(
  gates: number,
  sizes: { batch: number; steps: number; features: number; width: number },
): Arrays {
  const random = RandomStream.fromSeed(81).split(gates);
  const { batch, steps, features, width } = sizes;
  return {
    x: normalArray(random, [batch, steps, features]),
    weightIh: normalArray(random, [gates * width, features], 0.5),
    weightHh: normalArray(random, [gates * width, width], 0.5),
    biasIh: normalArray(random, [gates * width], 0.5),
    biasHh: normalArray(random, [gates * width], 0.5),
    initialState: normalArray(random, [batch, width]),
    initialCell: normalArray(random, [batch, width]),
  };
}

/** row·matrixᵀ + bias. */
function affine(row: ArrayLike<number>, matrix: NdArray<Float64Array>, bias: ArrayLike<number>) {
  const [rows, columns] = matrix.shape;
  return Array.from({ length: rows }, (_, i) => {
    let sum = bias[i];
    for (let j = 0; j < columns; j++) sum += matrix.data[i * columns + j] * row[j];
    return sum;
  });
}

/** PyTorch's documented formulas, step by step: states of every step, then the last state and cell. */
function plain(kind: "lstm" | "gru", arrays: Arrays, reverse: boolean) {
  const { x, weightIh, weightHh, biasIh, biasHh, initialState, initialCell } = arrays;
  const [batch, steps, features] = x.shape;
  const width = weightHh.shape[1];
  const states = new Float64Array(batch * steps * width);
  const [last, lastCell] = [initialState.data.slice(), initialCell.data.slice()];
  for (let b = 0; b < batch; b++) {
    let h = [...initialState.data.slice(b * width, (b + 1) * width)];
    let c = [...initialCell.data.slice(b * width, (b + 1) * width)];
    for (let s = 0; s < steps; s++) {
      const t = reverse ? steps - 1 - s : s;
      const at = (b * steps + t) * features;
      const input = affine(x.data.slice(at, at + features), weightIh, biasIh.data);
      const hidden = affine(h, weightHh, biasHh.data);
      const z = (gate: number, i: number) => input[gate * width + i] + hidden[gate * width + i];
      if (kind === "lstm") {
        c = c.map((v, i) => sigmoid(z(1, i)) * v + sigmoid(z(0, i)) * Math.tanh(z(2, i)));
        h = c.map((v, i) => sigmoid(z(3, i)) * Math.tanh(v));
      } else {
        h = h.map((v, i) => {
          const n = Math.tanh(input[2 * width + i] + sigmoid(z(0, i)) * hidden[2 * width + i]);
          const keep = sigmoid(z(1, i));
          return (1 - keep) * n + keep * v;
        });
      }
      states.set(h, (b * steps + t) * width);
    }
    last.set(h, b * width);
    lastCell.set(c, b * width);
  }
  return kind === "lstm" ? [states, last, lastCell] : [states, last];
}

/** All results of a layer from named tensors. */
function run(kind: "lstm" | "gru", t: Readonly<Record<string, tf.Tensor>>, reverse: boolean) {
  const { x, weightIh, weightHh, biasIh, biasHh, initialState, initialCell } = t;
  const weights = { weightIh, weightHh, biasIh, biasHh };
  return kind === "lstm"
    ? Object.values(lstm(x, weights, { initialState, initialCell, reverse }))
    : Object.values(gru(x, weights, { initialState, reverse }));
}

function namesOf(kind: "lstm" | "gru", arrays: Arrays): string[] {
  return Object.keys(arrays).filter((name) => kind === "lstm" || name !== "initialCell");
}

/** Results and gradients of Σ dy·result in everything. */
function everything(kind: "lstm" | "gru", arrays: Arrays, reverse: boolean): tf.Tensor[] {
  const names = namesOf(kind, arrays);
  const tensors = names.map((name) => toTensor(arrays[name].data, arrays[name].shape));
  const named = (list: tf.Tensor[]) => Object.fromEntries(names.map((name, i) => [name, list[i]]));
  const results = run(kind, named(tensors), reverse);
  const random = RandomStream.fromSeed(9);
  const gradients = results.map((result, i) => {
    const dy = toTensor(normalArray(random, result.shape).data, result.shape);
    return tf.grads((...list: tf.Tensor[]) => run(kind, named(list), reverse)[i])(tensors, dy);
  });
  return [...results, ...gradients.flat()];
}

const SIZES = [
  { batch: 2, steps: 3, features: 2, width: 3 },
  { batch: 7, steps: 4, features: 5, width: 8 },
  { batch: 13, steps: 2, features: 3, width: 100 },
];

for (const kind of ["lstm", "gru"] as const) {
  await forEachBackend(`${kind} is PyTorch's formulas, both ways through time`, async () => {
    for (const sizes of SIZES) {
      const arrays = layer(kind === "lstm" ? 4 : 3, sizes);
      for (const reverse of [false, true]) {
        const results = tf.tidy(() => {
          const tensors = Object.entries(arrays).map(([name, { data, shape }]) => [
            name,
            toTensor(data, shape),
          ]);
          return run(kind, Object.fromEntries(tensors), reverse);
        });
        const expected = plain(kind, arrays, reverse);
        for (const [i, result] of results.entries()) {
          const what = `result ${i} of ${JSON.stringify(sizes)}`;
          assertClose(await toHost(result), expected[i], { tolerance: 2e-5, what });
        }
        tf.dispose(results);
      }
    }
  }, { engines });

  Deno.test(`the tape's gradients of ${kind} equal finite differences through every result`, async () => {
    await selectBackend("reference");
    const arrays = layer(kind === "lstm" ? 4 : 3, SIZES[0]);
    const names = namesOf(kind, arrays);
    for (const reverse of [false, true]) {
      for (let result = 0; result < (kind === "lstm" ? 3 : 2); result++) {
        assertGradientsMatchDifferences(
          (tensors) => {
            const named = Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
            return run(kind, named, reverse)[result];
          },
          Object.fromEntries(names.map((name) => [name, arrays[name]])),
        );
      }
    }
  });

  await forEachBackend(`${kind} and its gradients agree with float64`, async ({ name }) => {
    for (const sizes of SIZES) {
      const arrays = layer(kind === "lstm" ? 4 : 3, sizes);
      for (const reverse of [false, true]) {
        await selectBackend("reference");
        const expected = tf.tidy(() =>
          everything(kind, arrays, reverse).map((tensor) => tensor.dataSync().slice())
        );
        await selectBackend(name);
        const found = tf.tidy(() => everything(kind, arrays, reverse));
        for (const [i, tensor] of found.entries()) {
          const what = `tensor ${i} of ${JSON.stringify(sizes)}`;
          assertClose(await toHost(tensor), expected[i], { tolerance: 3e-5, what });
        }
        tf.dispose(found);
      }
    }
  });

  Deno.test(`${kind} gives the same bits for one and three threads`, async () => {
    const arrays = layer(kind === "lstm" ? 4 : 3, SIZES[2]);
    const bits: string[] = [];
    for (const threads of [1, 3]) {
      await selectBackend("wasm", { threads });
      bits.push(
        tf.tidy(() =>
          everything(kind, arrays, false).map((tensor) => tensor.dataSync().join()).join(";")
        ),
      );
    }
    assertEquals(bits[0], bits[1]);
  });
}

Deno.test("cells start from zeros without biases, and leave nothing behind", async () => {
  for (const engine of ["cpu", "wasm"] as const) {
    await selectBackend(engine);
    const { x, weightIh, weightHh } = layer(4, SIZES[0]);
    const tensors = [x, weightIh, weightHh].map(({ data, shape }) => toTensor(data, shape));
    const before = tf.memory().numTensors;
    const { states, last, lastCell } = lstm(tensors[0], {
      weightIh: tensors[1],
      weightHh: tensors[2],
    });
    assertEquals([states.shape, last.shape, lastCell.shape], [[2, 3, 3], [2, 3], [2, 3]]);
    tf.dispose([states, last, lastCell]);
    assertEquals(tf.memory().numTensors, before);
    tf.dispose(tensors);
  }
});

Deno.test("wasm walks a layer in one kernel", async () => {
  await selectBackend("wasm");
  for (const name of Object.values(CELL_KERNEL)) assert(tf.getKernel(name, tf.getBackend()), name);
  const arrays = layer(4, SIZES[1]);
  const named = Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => [name, toTensor(data, shape)]),
  );
  const { kernels } = await tf.profile(() => tf.tidy(() => run("lstm", named, false)));
  assertEquals(kernels.filter(({ name }) => name === CELL_KERNEL.lstm).length, 1);
  tf.dispose(named);
});

Deno.test("cells refuse what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const weights = { weightIh: tf.zeros([8, 3]), weightHh: tf.zeros([8, 2]) };
    assertThrows(() => lstm(tf.zeros([1, 4]), weights), ShapeError, "x has shape [1, 4]");
    assertThrows(
      () => lstm(tf.zeros([1, 4, 5]), weights),
      ShapeError,
      "weightIh has shape [8, 3], needs [4·H, I] = [8, 5]",
    );
    assertThrows(() => gru(tf.zeros([1, 4, 3]), weights), ShapeError, "[3·H, H] = [6, 2]");
    assertThrows(
      () => lstm(tf.zeros([1, 4, 3]), { ...weights, biasHh: tf.zeros([7]) }),
      ShapeError,
      "biasHh has shape [7]",
    );
    assertThrows(
      () => lstm(tf.zeros([1, 4, 3]), weights, { initialCell: tf.zeros([2, 2]) }),
      ShapeError,
      "initialCell has shape [2, 2]",
    );
    assertThrows(() => lstm(tf.zeros([1, 0, 3]), weights), ConfigError, "sequences of 0 steps");
  });
});

await forEachBackend("an LSTM layer used twice adds the gradients of both uses", async () => {
  const arrays = layer(4, { batch: 2, steps: 3, features: 3, width: 4 });
  const tensors = Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => [name, toTensor(data, shape)]),
  );
  const { x, weightIh, weightHh, biasIh, biasHh } = tensors;
  const run = (input: tf.Tensor, [ih, hh]: tf.Tensor[]) =>
    tf.sum(lstm(input, { weightIh, weightHh, biasIh: ih, biasHh: hh }).states);
  const gradients = (f: (biases: tf.Tensor[]) => tf.Tensor) =>
    tf.grads((...biases: tf.Tensor[]) => f(biases))([biasIh, biasHh]);
  const other = tf.mul(x, 0.5);
  const both = gradients((biases) => tf.add(run(x, biases), run(other, biases)));
  const [first, second] = [x, other].map((input) => gradients((biases) => run(input, biases)));
  for (const i of [0, 1]) {
    assertClose(await toHost(both[i]), await toHost(tf.add(first[i], second[i])), {
      tolerance: 1e-5,
    });
  }
  tf.dispose([...Object.values(tensors), other, ...both, ...first, ...second]);
}, { engines });
