import { ATTENTION_KERNEL, scoreBlocks } from "../../src/backends/attention_contract.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { attention, type AttentionOptions } from "../../src/ops/attention.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

const random = () => RandomStream.fromSeed(71);

/** Head by head, score by score, from the definition. */
function plain(
  [q, k, v]: readonly { data: ArrayLike<number>; shape: readonly number[] }[],
  { heads, causal = false, mask = null, kept = () => 1 }: {
    heads: number;
    causal?: boolean;
    mask?: ArrayLike<number> | null;
    kept?: (b: number, h: number, i: number, j: number) => number;
  },
): number[] {
  const [batch, queries, width] = q.shape;
  const [, keys, valueWidth] = v.shape;
  const [d, e] = [width / heads, valueWidth / heads];
  const y = new Array(batch * queries * valueWidth).fill(0);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const shares = Array.from({ length: keys }, (_, j) => {
          const hidden = (causal && j > i + keys - queries) || (mask && mask[b * keys + j] === 0);
          if (hidden) return 0;
          let score = 0;
          for (let c = 0; c < d; c++) {
            score += q.data[(b * queries + i) * width + h * d + c] *
              k.data[(b * keys + j) * width + h * d + c];
          }
          return Math.exp(score / Math.sqrt(d));
        });
        const sum = shares.reduce((a, x) => a + x, 0) || 1;
        for (let j = 0; j < keys; j++) {
          const share = shares[j] / sum * kept(b, h, i, j);
          for (let c = 0; c < e; c++) {
            y[(b * queries + i) * valueWidth + h * e + c] += share *
              v.data[(b * keys + j) * valueWidth + h * e + c];
          }
        }
      }
    }
  }
  return y;
}

function inputs(sizes = { batch: 2, queries: 3, keys: 5, width: 4, valueWidth: 6 }) {
  const stream = random();
  return [
    normalArray(stream, [sizes.batch, sizes.queries, sizes.width]),
    normalArray(stream, [sizes.batch, sizes.keys, sizes.width]),
    normalArray(stream, [sizes.batch, sizes.keys, sizes.valueWidth]),
  ];
}

const MASK = Float64Array.of(1, 1, 0, 1, 0, 0, 0, 0, 0, 0);

function compute(arrays: ReturnType<typeof inputs>, options: AttentionOptions) {
  const [query, key, value] = arrays.map(({ data, shape }) => toTensor(data, shape));
  return attention({ query, key, value }, options);
}

const engines = ["cpu", "reference", "wasm", "webgpu"] as const;

await forEachBackend("attention is its definition, with every mask", async () => {
  const arrays = inputs();
  for (const causal of [false, true]) {
    for (const masked of [false, true]) {
      const y = tf.tidy(() => {
        const mask = masked ? toTensor(MASK, [2, 5]) : null;
        return compute(arrays, { heads: 2, causal, mask });
      });
      const expected = plain(arrays, { heads: 2, causal, mask: masked ? MASK : null });
      assertClose(await toHost(y), expected, { tolerance: 1e-5, what: `${causal} ${masked}` });
      assertEquals(y.shape, [2, 3, 6]);
      y.dispose();
    }
  }
}, { engines });

await forEachBackend(
  "attention drops by the stream's draws, the same on every engine",
  async () => {
    const arrays = inputs();
    const stream = RandomStream.fromSeed(5);
    const uniforms = stream.split("attention").uniforms(2 * 2 * 3 * 5);
    const y = tf.tidy(() => compute(arrays, { heads: 2, dropout: { rate: 0.4, random: stream } }));
    const expected = plain(arrays, {
      heads: 2,
      kept: (b, h, i, j) => uniforms[((b * 2 + h) * 3 + i) * 5 + j] < 0.4 ? 0 : 1 / 0.6,
    });
    assertClose(await toHost(y), expected, { tolerance: 1e-5 });
    assert(uniforms.some((u) => u < 0.4), "something must be dropped");
    y.dispose();
  },
  { engines },
);

Deno.test("the tape's gradients of attention equal finite differences", async () => {
  await selectBackend("reference");
  const [query, key, value] = inputs();
  for (const causal of [false, true]) {
    const mask = toTensor(MASK, [2, 5]);
    const dropout = { rate: 0.3, random: RandomStream.fromSeed(8) };
    assertGradientsMatchDifferences(
      ([query, key, value]) =>
        attention({ query, key, value }, { heads: 2, causal, mask, dropout, scale: 0.7 }),
      { query, key, value },
    );
    mask.dispose();
  }
});

Deno.test("blocks of scores cover everything once and keep to the budget", () => {
  for (
    const sizes of [
      { batch: 5, heads: 8, queries: 300, keys: 700 },
      { batch: 2, heads: 8, queries: 3000, keys: 3000 },
      { batch: 1, heads: 1, queries: 3, keys: 9e6 },
    ]
  ) {
    const seen = new Set<string>();
    for (const { batch, batches, row, rows } of scoreBlocks(sizes)) {
      const bytes = 4 * sizes.heads * sizes.keys * batches * rows;
      assert(bytes <= 16 * 2 ** 20 || (batches === 1 && rows === 1), `${bytes} bytes`);
      for (let b = batch; b < batch + batches; b++) {
        for (let r = row; r < row + rows; r++) {
          assert(!seen.has(`${b} ${r}`));
          seen.add(`${b} ${r}`);
        }
      }
    }
    assertEquals(seen.size, sizes.batch * sizes.queries);
  }
});

/** Long enough for several blocks of rows. */
const LONG = { batch: 1, queries: 2200, keys: 2100, width: 2, valueWidth: 2 };

Deno.test("a long attention on wasm equals the same rows in shorter calls, gradients included", async () => {
  await selectBackend("wasm");
  assert(scoreBlocks({ ...LONG, heads: 1 }).length > 1);
  tf.tidy(() => {
    const f = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) =>
      attention({ query, key, value }, { heads: 1 });
    const [query, key, value] = inputs(LONG).map(({ data, shape }) => toTensor(data, shape));
    const dy = toTensor(normalArray(random(), [1, 2200, 2]).data, [1, 2200, 2]);
    const found = [f(query, key, value), ...tf.grads(f)([query, key, value], dy)];
    const parts = [0, 1100].map((start) => {
      const rows = (tensor: tf.Tensor) => tf.slice(tensor, [0, start, 0], [1, 1100, 2]);
      return [f(rows(query), key, value), ...tf.grads(f)([rows(query), key, value], rows(dy))];
    });
    for (const [i, tensor] of found.entries()) {
      const [first, second] = parts.map((part) => part[i]);
      const expected = i < 2 ? tf.concat([first, second], 1) : tf.add(first, second);
      assertClose(tensor.dataSync(), expected.dataSync(), {
        tolerance: 1e-5,
        what: `result ${i}`,
      });
    }
  });
});

Deno.test("a long causal attention on wasm drops the right weights in every block", async () => {
  await selectBackend("wasm");
  const [q, k, v] = inputs(LONG);
  const stream = RandomStream.fromSeed(3);
  const y = tf.tidy(() =>
    compute([q, k, v], { heads: 1, causal: true, dropout: { rate: 0.3, random: stream } })
      .dataSync()
  );
  for (const i of [0, 99, 100, 1996, 1997, 2199]) {
    const draws = stream.split("attention");
    draws.skip(i * LONG.keys);
    const uniforms = draws.uniforms(LONG.keys);
    const seen = Math.max(0, i + 1 + LONG.keys - LONG.queries);
    const row = { data: q.data.slice(2 * i, 2 * i + 2), shape: [1, 1, 2] };
    const mask = Float64Array.from({ length: LONG.keys }, (_, j) => j < seen ? 1 : 0);
    const kept = (_b: number, _h: number, _i: number, j: number) => uniforms[j] < 0.3 ? 0 : 1 / 0.7;
    const expected = plain([row, k, v], { heads: 1, mask, kept });
    assertClose(y.slice(2 * i, 2 * i + 2), expected, { tolerance: 1e-5, what: `row ${i}` });
  }
});

Deno.test("attention gives the same bits for one and three threads", async () => {
  const arrays = inputs({ batch: 3, queries: 70, keys: 90, width: 32, valueWidth: 32 });
  const results: string[] = [];
  for (const threads of [1, 3]) {
    await selectBackend("wasm", { threads });
    tf.tidy(() => {
      const dropout = { rate: 0.2, random: RandomStream.fromSeed(3) };
      const f = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) =>
        attention({ query, key, value }, { heads: 4, dropout });
      const tensors = arrays.map(({ data, shape }) => toTensor(data, shape));
      const dy = toTensor(normalArray(random(), [3, 70, 32]).data, [3, 70, 32]);
      const all = [f(tensors[0], tensors[1], tensors[2]), ...tf.grads(f)(tensors, dy)];
      results.push(all.map((tensor) => tensor.dataSync().join()).join(";"));
    });
  }
  assertEquals(results[0], results[1]);
});

Deno.test("wasm has the attention kernels", async () => {
  await selectBackend("wasm");
  for (const name of Object.values(ATTENTION_KERNEL)) assert(tf.getKernel(name, tf.getBackend()));
});

Deno.test("attention refuses what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const [query, key, value] = [tf.zeros([1, 2, 4]), tf.zeros([1, 3, 4]), tf.zeros([1, 3, 4])];
    const all = { query, key, value };
    assertThrows(() => attention(all, { heads: 3 }), ConfigError, "a multiple of heads = 3");
    assertThrows(
      () => attention({ ...all, key: tf.zeros([1, 3, 6]) }, { heads: 2 }),
      ShapeError,
      "key has shape [1, 3, 6]",
    );
    assertThrows(
      () => attention(all, { heads: 2, mask: tf.zeros([1, 2]) }),
      ShapeError,
      "mask has shape [1, 2]",
    );
    assertThrows(
      () => attention(all, { heads: 2, dropout: { rate: 1, random: random() } }),
      ConfigError,
      "dropout.rate is 1",
    );
    assertThrows(
      () => attention({ ...all, query: tf.zeros([1, 0, 4]) }, { heads: 2 }),
      ConfigError,
      "found 0 queries",
    );
  });
});
