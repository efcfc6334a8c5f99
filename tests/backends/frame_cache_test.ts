/** Frames kept on the device: found again by any batch of the same runs, and never a wrong one. */
import type { ActiveEngine } from "../../src/backends/engine.ts";
import { FrameCache } from "../../src/backends/frame_cache.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";

const SHAPE = [2, 3, 4] as const;
const VOXELS = 24;

/** A batch whose value tells row, frame and voxel. */
function batchOf(subjects: readonly number[], source?: object) {
  const reads: string[] = [];
  const batch: FrameBatch = {
    source,
    subjects,
    frames: 8,
    spatialShape: SHAPE,
    read(start, count) {
      reads.push(`${start}+${count}`);
      return Float32Array.from({ length: count * subjects.length * VOXELS }, (_, i) => {
        const [sample, voxel] = [Math.floor(i / VOXELS), i % VOXELS];
        const [t, b] = [Math.floor(sample / subjects.length), sample % subjects.length];
        return 1000 * subjects[b] + 100 * (start + t) + voxel;
      });
    },
  };
  return { batch, reads };
}

function upload(batch: FrameBatch, range: { start: number; count: number }): tf.Tensor {
  const values = batch.read(range.start, range.count) as Float32Array;
  return toTensor(values, [range.count * batch.subjects.length, 4, 3, 2, 1]);
}

Deno.test("kept frames are found by a batch of the same runs in another order", async () => {
  await selectBackend("cpu");
  const cache = new FrameCache(2 ** 20);
  const source = {};
  const range = { start: 2, count: 3 };
  const { batch } = batchOf([5, 1], source);
  assertEquals(cache.find(batch, range), null);
  cache.keep(batch, range, upload(batch, range));
  for (const rows of [[5, 1], [1, 5], [1]]) {
    const other = batchOf(rows, source).batch;
    const found = cache.find(other, range);
    assert(found !== null, `rows ${rows}`);
    assertEquals(found.shape, [3 * rows.length, 4, 3, 2, 1]);
    assertEquals(await toHost(found), other.read(2, 3) as Float32Array);
  }
  assertEquals(cache.find(batchOf([5, 2], source).batch, range), null, "a run that was not kept");
  assertEquals(cache.find(batch, { start: 2, count: 2 }), null, "other frames");
  assertEquals(cache.find(batchOf([5, 1], {}).batch, range), null, "another data set");
  assertEquals(cache.find(batchOf([5, 1]).batch, range), null, "no data set");
  cache.clear();
});

Deno.test("what does not fit is not kept, and another data set takes the place of the last", async () => {
  await selectBackend("cpu");
  const before = tf.memory().numTensors;
  const range = { start: 0, count: 2 };
  const bytes = 4 * 2 * VOXELS;
  const cache = new FrameCache(3 * bytes);
  const [one, two] = [{}, {}];
  const pairs = [[0, 1], [2, 3]].map((rows) => batchOf(rows, one).batch);
  for (const batch of pairs) {
    const frames = upload(batch, range);
    cache.keep(batch, range, frames);
    frames.dispose();
  }
  assertEquals(cache.bytes, 3 * bytes);
  const found = cache.find(pairs[0], range);
  found?.dispose();
  assert(found !== null);
  assertEquals(cache.find(pairs[1], range), null);
  const other = batchOf([0], two).batch;
  const frames = upload(other, range);
  cache.keep(other, range, frames);
  frames.dispose();
  assertEquals(cache.bytes, bytes);
  assertEquals(cache.find(pairs[0], range), null);
  cache.clear();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("a training step gives the same with kept frames, and reads each frame once", async () => {
  const spatialShape = [16, 17, 18] as const;
  const engine = await selectBackend("cpu") as {
    -readonly [K in keyof ActiveEngine]: ActiveEngine[K];
  };
  const model = new RecurrentVae({ spatialShape, tolTime: 4 }, { subjects: 2 });
  const reads: number[] = [];
  const values = Float32Array.from({ length: 4 * 2 * 16 * 17 * 18 }, (_, i) => Math.sin(i));
  const batch: FrameBatch = {
    source: values,
    subjects: [0, 1],
    frames: 4,
    spatialShape,
    read(start, count) {
      reads.push(start);
      const size = 2 * 16 * 17 * 18;
      return values.slice(start * size, (start + count) * size);
    },
  };
  const step = async () => {
    const { losses, gradients } = await model.computeGradients(batch, {
      framesPerChunk: 2,
      memoryBudget: 0,
    });
    const weights = await toHost(gradients.get("encoder1.0.weight")!);
    tf.dispose([...gradients.values()]);
    return { loss: losses.loss, weights };
  };
  const plain = await step();
  // Forward and decoding share one reading, the encoder's gradient is the other.
  assertEquals(reads, [0, 2, 0, 2]);
  reads.length = 0;
  const cache = new FrameCache(2 ** 28);
  engine.frameCache = cache;
  try {
    assertEquals(await step(), plain);
    assertEquals(await step(), plain);
    assertEquals(reads, [0, 2]);
  } finally {
    engine.frameCache = undefined;
    cache.clear();
    model.dispose();
  }
});
