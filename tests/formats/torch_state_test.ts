import { FormatError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { readTorchState } from "../../src/formats/torch_state.ts";
import { stateDict, tensor, torchFile } from "../support/zip_bytes.ts";

const FIXTURES = new URL("../golden/fixtures/recvae/", import.meta.url);

/** Bytes of an array, for comparisons bit for bit. */
function raw({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

Deno.test("PyTorch state: the 62 arrays of small_state.pt equal the fixture bit for bit", async () => {
  const state = readTorchState(await Deno.readFile(new URL("small_state.pt", FIXTURES)));
  const manifest = JSON.parse(await Deno.readTextFile(new URL("manifest.json", FIXTURES)));
  const expected = readSafetensors(
    await Deno.readFile(new URL("small.safetensors", FIXTURES)),
  ).tensors;
  const keys: Record<string, [number[], string]> = manifest.files["small_state.pt"].keys;
  assertEquals(
    [...state.keys()],
    Object.keys(keys),
    "names in state-dict order [recurrent-vae §3.6]",
  );
  assertEquals(state.size, 62);
  for (const [key, [shape, dtype]] of Object.entries(keys)) {
    const found = state.get(key)!;
    assertEquals(found.shape, shape, key);
    if (key.endsWith("num_batches_tracked")) {
      assertEquals(dtype, "int64");
      assertEquals(found.data, BigInt64Array.of(4n), key);
    } else if (key === "F_mat") {
      assertEquals(found.data, Float32Array.from(expected.get("ridge/F_nt")!.data as Float64Array));
    } else {
      const section = key.includes("running_") ? "after" : "init";
      assertEquals(raw(found.data), raw(expected.get(`${section}/${key}`)!.data), key);
    }
  }
});

Deno.test("PyTorch state: contiguous tensors are views of the file", async () => {
  const bytes = await Deno.readFile(new URL("small_state.pt", FIXTURES));
  for (const [key, { data }] of readTorchState(bytes)) {
    assert(data.buffer === bytes.buffer, key);
  }
});

Deno.test("PyTorch state: offsets, strides and shared storages are honoured", () => {
  const storage = raw(Float32Array.from({ length: 12 }, (_, i) => i));
  const parts = { count: 12 };
  const state = readTorchState(torchFile(
    stateDict([
      ["whole", tensor({ ...parts, size: [3, 4], stride: [4, 1] })],
      ["transposed", tensor({ ...parts, size: [4, 3], stride: [1, 4] })],
      ["column", tensor({ ...parts, offset: 1, size: [3], stride: [4] })],
      ["tail", tensor({ ...parts, offset: 8, size: [2, 2], stride: [2, 1] })],
      ["scalar", tensor({ ...parts, offset: 11, size: [], stride: [] })],
      ["empty", tensor({ ...parts, offset: 12, size: [0, 4], stride: [4, 1] })],
    ]),
    { 0: storage },
  ));
  const values = (name: string) => Array.from(state.get(name)!.data, Number);
  assertEquals(values("transposed"), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  assertEquals(values("column"), [1, 5, 9]);
  assertEquals(values("tail"), [8, 9, 10, 11]);
  assertEquals(values("scalar"), [11]);
  assertEquals(state.get("scalar")!.shape, []);
  assertEquals(values("empty"), []);
});

Deno.test("PyTorch state: every storage type decodes", () => {
  const storages: Record<string, [ArrayBufferView, number[]]> = {
    DoubleStorage: [Float64Array.of(0.1), [0.1]],
    HalfStorage: [Uint16Array.of(0x3c00, 0xc000), [1, -2]],
    BFloat16Storage: [Uint16Array.of(0x3f80, 0xc000), [1, -2]],
    LongStorage: [BigInt64Array.of(-5n), [-5]],
    IntStorage: [Int32Array.of(-7), [-7]],
    ShortStorage: [Int16Array.of(-9), [-9]],
    CharStorage: [Int8Array.of(-3), [-3]],
    ByteStorage: [Uint8Array.of(200), [200]],
    BoolStorage: [Uint8Array.of(1, 0), [1, 0]],
  };
  for (const [type, [values, expected]] of Object.entries(storages)) {
    const count = expected.length;
    const entry = tensor({ type, count, size: [count], stride: [1] });
    const state = readTorchState(torchFile(stateDict([["t", entry]]), { 0: raw(values) }));
    assertEquals(Array.from(state.get("t")!.data, Number), expected, type);
  }
});

Deno.test("PyTorch state: a changed weight is noticed by its checksum", async () => {
  const bytes = await Deno.readFile(new URL("small_state.pt", FIXTURES));
  const whole = readTorchState(bytes);
  const weight = raw(whole.get("encoder1.0.weight")!.data);
  weight[5] ^= 1;
  const error = assertThrows(() => readTorchState(bytes, { source: "m.pt" }), FormatError);
  assertEquals([error.rule, error.source], ["zip.checksum", "m.pt"]);
  assertEquals(readTorchState(bytes, { checksums: false }).size, 62);
});
