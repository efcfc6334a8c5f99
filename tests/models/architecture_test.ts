/** Sizes, parameter table, layouts and state dictionaries [recurrent-vae §3.1, §3.4, §3.6, §11]. */
import { selectBackend } from "../../src/backends/registry.ts";
import { CheckpointError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { describeArchitecture } from "../../src/models/recurrent_vae/architecture.ts";
import { sizeOf } from "../../src/parameters/entry.ts";
import { resolveConfig } from "../../src/models/recurrent_vae/config.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { type StateDict, toFileOrder, toMemoryOrder } from "../../src/parameters/state_dict.ts";
import { readManifest } from "../support/fixture_tensors.ts";

for (const name of ["small", "fit", "full"]) {
  Deno.test(`levels and output paddings are the manifest's: ${name}`, () => {
    const { config } = readManifest(name);
    const { levels } = describeArchitecture(resolveConfig({ spatialShape: config.spatial }), 3);
    assertEquals([levels[0].fine, ...levels.map(({ coarse }) => coarse)], config.sizes);
    const paddings = levels.map(({ outputPadding }) => outputPadding).reverse();
    assertEquals(paddings, config.output_padding);
  });
}

Deno.test("the full model has PyTorch's 62 entries in order: 37 parameters with 621,948 + 10·N values", () => {
  const { entries } = describeArchitecture(resolveConfig(), 3);
  const listed = readManifest("full").config.parameters;
  const own = entries.filter(({ kind }) => kind !== "counter");
  assertEquals(
    own.map(({ key, shape }) => ({ key, shape: [...shape] })),
    listed.map(({ key, shape }: { key: string; shape: number[] }) => ({ key, shape })),
  );
  assertEquals(entries.length, 62);
  const parameters = entries.filter(({ kind }) => kind === "parameter");
  assertEquals(parameters.length, 37);
  assertEquals(parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0), 621_948 + 30);
});

Deno.test("kept activations are [recurrent-vae §11]'s: 1,143,824 values per volume in encoder and decoder", () => {
  const { encoderValues, decoderValues } = describeArchitecture(resolveConfig(), 1);
  assertEquals([encoderValues, decoderValues], [1_143_824, 1_143_824]);
});

Deno.test("bounds of the starting weights are the table's of [recurrent-vae §3.4]", () => {
  const { entries } = describeArchitecture(resolveConfig(), 1);
  const bounds = new Map(
    entries.flatMap(({ key, start }) => start.kind === "uniform" ? [[key, start.to]] : []),
  );
  const expected: [string, number][] = [
    ["encoder1.0.weight", 0.125],
    ["encoder2.0.bias", 0.0625],
    ["encoder3.0.weight", 0.0441942],
    ["encoder4.0.weight", 0.03125],
    ["encoder5.1.weight", 0.0144338],
    ["hidden2mu.weight", 0.0953463],
    ["decoder1.0.bias", 0.3162278],
    ["decoder2.0.weight", 0.03125],
    ["decoder5.0.weight", 0.125],
  ];
  for (const [key, bound] of expected) {
    assert(Math.abs(bounds.get(key)! - bound) < 5e-8, `${key}: ${bounds.get(key)}`);
  }
});

Deno.test("memory order reverses axes within a group, and back is the same array", () => {
  const { entries } = describeArchitecture(
    resolveConfig({ spatialShape: [9, 5, 6], channels: [3, 5], decoderChannels: [7, 2] }),
    2,
  );
  for (const entry of entries) {
    const values = Float32Array.from({ length: sizeOf(entry.shape) }, (_, i) => i);
    assertEquals(toFileOrder(entry, toMemoryOrder(entry, values)), values, entry.key);
  }
  // Linear behind a flattened volume (C, X, Y, Z) = (5, 2, 1, 1): column 2·c + x goes to 5·x + c.
  const weight = entries.find(({ key }) => key === "encoder3.1.weight")!;
  const row = toMemoryOrder(weight, Float32Array.from({ length: 1000 }, (_, i) => i)).subarray(
    0,
    10,
  );
  assertEquals([...row], [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);
  // Conv3d (out, in, kx, ky, kz) = (3, 1, 4, 4, 4): memory [kz, ky, kx, in, out].
  const filter = entries.find(({ key }) => key === "encoder1.0.weight")!;
  const memory = toMemoryOrder(filter, Float32Array.from({ length: 192 }, (_, i) => i));
  assertEquals([...memory.subarray(0, 4)], [0, 64, 128, 16]);
  assertEquals(memory[4 * 4 * 3], 1);
});

Deno.test("a state dictionary comes back as it went in; one that does not fit is refused and changes nothing", async () => {
  await selectBackend("cpu");
  const options = { spatialShape: [9, 8, 8], tolTime: 2 } as const;
  const model = new RecurrentVae(options, { subjects: 2 });
  const other = new RecurrentVae({ ...options, seed: 1 }, { subjects: 2 });
  const state = await model.stateDict();
  other.loadStateDict(state);
  assertEquals(await other.stateDict(), state);

  const broken = new Map(state);
  broken.delete("hidden2mu.bias");
  broken.set("extra.weight", { data: new Float32Array(1), shape: [1] });
  broken.set("z_vectors", { data: new Float32Array(30), shape: [3, 10] });
  const error = assertThrows(() => other.loadStateDict(broken), CheckpointError, "hidden2mu.bias");
  assert(error.message.includes("extra.weight"), error.message);
  assert(error.message.includes("z_vectors [3,10] instead of [2,10]"), error.message);
  assertEquals(await other.stateDict(), state);
  model.dispose();
  other.dispose();
});

Deno.test("a counter that counts nothing is refused like a tensor that does not fit", async () => {
  await selectBackend("cpu");
  const model = new RecurrentVae({ spatialShape: [9, 8, 8], tolTime: 2 }, { subjects: 2 });
  const state = await model.stateDict();
  const counter = [...state.keys()].find((key) => key.endsWith("num_batches_tracked"))!;
  for (const count of [0.5, NaN, Infinity]) {
    const broken = new Map(state).set(counter, { data: Float64Array.of(count), shape: [] });
    const error = assertThrows(() => model.loadStateDict(broken), CheckpointError);
    assert(error.message.includes(`1 no whole number (${counter})`), error.message);
  }
  model.loadStateDict(new Map(state).set(counter, { data: Float32Array.of(3), shape: [] }));
  assertEquals((await model.stateDict()).get(counter)!.data[0], 3n);
  model.dispose();
});

Deno.test("group norm has no running buffers; disposing a model frees every tensor", async () => {
  await selectBackend("cpu");
  const before = tf.memory().numTensors;
  const model = new RecurrentVae(
    { spatialShape: [9, 8, 8], tolTime: 2, normalization: "group" },
    { subjects: 2 },
  );
  assert([...(await model.stateDict()).keys()].every((key) => !key.includes("running")));
  model.dispose();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("starting weights follow from the seed, and each entry from its own stream", async () => {
  await selectBackend("cpu");
  const options = { spatialShape: [9, 8, 8], tolTime: 2 } as const;
  const states: StateDict[] = [];
  for (
    const { seed, channels } of [
      { seed: 3, channels: [4, 8, 16] },
      { seed: 3, channels: [4, 8, 16] },
      { seed: 4, channels: [4, 8, 16] },
      { seed: 3, channels: [4, 8, 12] },
    ]
  ) {
    const model = new RecurrentVae({ ...options, seed, channels }, { subjects: 2 });
    states.push(await model.stateDict());
    model.dispose();
  }
  assertEquals(states[0], states[1]);
  const first = (i: number) => states[i].get("encoder1.0.weight")!.data;
  assert(first(2)[0] !== first(0)[0]);
  // Another width further down leaves the first layer's draws alone.
  assertEquals(first(3), first(0));
});
