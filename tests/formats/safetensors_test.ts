import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { safetensorsFile } from "../support/safetensors_bytes.ts";

const FIXTURES = new URL("../golden/fixtures/recvae/", import.meta.url);

const SAMPLES: [string, NdArray<NumericArray>][] = [
  ["i8", { data: Int8Array.of(-128, 127, 0), shape: [3] }],
  ["counter", { data: BigInt64Array.of(-(2n ** 63n)), shape: [] }],
  ["f32", { data: Float32Array.of(1.5, -0, NaN, Infinity), shape: [2, 2] }],
  ["7", { data: Uint16Array.of(65535), shape: [1] }],
  ["u64", { data: BigUint64Array.of(2n ** 64n - 1n), shape: [1, 1] }],
  ["f64", { data: Float64Array.of(Math.PI), shape: [1] }],
  ["i16", { data: Int16Array.of(-32768), shape: [1] }],
  ["i32", { data: Int32Array.of(-(2 ** 31)), shape: [1] }],
  ["u32", { data: Uint32Array.of(2 ** 32 - 1), shape: [1] }],
  ["u8", { data: Uint8Array.of(255), shape: [1] }],
  ["empty", { data: new Float32Array(0), shape: [0, 5] }],
];

Deno.test("safetensors: what is written is read back, values, shapes, order and metadata", () => {
  const bytes = writeSafetensors(SAMPLES, { metadata: { made: "here", "": "ü" } });
  const { tensors, metadata } = readSafetensors(bytes);
  assertEquals([...tensors.keys()], SAMPLES.map(([name]) => name));
  for (const [name, { data, shape }] of SAMPLES) {
    assertEquals(tensors.get(name)!.data, data, name);
    assertEquals(tensors.get(name)!.shape, shape, name);
  }
  assertEquals(metadata, { made: "here", "": "ü" });
});

Deno.test("safetensors: written arrays are aligned, so that reading copies nothing", () => {
  const bytes = writeSafetensors(SAMPLES);
  for (const [name, { data }] of readSafetensors(bytes).tensors) {
    assert(data.buffer === bytes.buffer, name);
  }
});

Deno.test("safetensors: a file at an odd memory address reads the same", () => {
  const bytes = writeSafetensors(SAMPLES);
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  for (const [name, { data }] of SAMPLES) {
    assertEquals(readSafetensors(shifted).tensors.get(name)!.data, data, name);
  }
});

Deno.test("safetensors: half-precision types widen to float32 exactly", () => {
  // Patterns: 1, −2, smallest subnormal, largest finite, ∞, NaN; every one against its definition.
  const f16 = new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00, 0x8000]);
  const bf16 = new Uint16Array([0x3f80, 0xc000, 0x0001, 0x7f7f, 0x7f80, 0x7fc0, 0x8000]);
  const file = safetensorsFile({
    h: { dtype: "F16", shape: [7], data_offsets: [0, 14] },
    b: { dtype: "BF16", shape: [7], data_offsets: [14, 28] },
  }, new Uint8Array([...new Uint8Array(f16.buffer), ...new Uint8Array(bf16.buffer)]));
  const { tensors } = readSafetensors(file);
  assertEquals(
    tensors.get("h")!.data,
    Float32Array.of(1, -2, 2 ** -24, 65504, Infinity, NaN, -0),
  );
  assertEquals(
    tensors.get("b")!.data,
    Float32Array.of(1, -2, 2 ** -133, (2 - 2 ** -7) * 2 ** 127, Infinity, NaN, -0),
  );
  assertEquals(tensors.get("h")!.dtype, "F16");
});

Deno.test("safetensors: BOOL arrives as bytes", () => {
  const file = safetensorsFile(
    { m: { dtype: "BOOL", shape: [3], data_offsets: [0, 3] } },
    Uint8Array.of(1, 0, 1),
  );
  assertEquals(readSafetensors(file).tensors.get("m")!.data, Uint8Array.of(1, 0, 1));
});

Deno.test("safetensors: every fixture reads, with the arrays its manifest lists", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(new URL("manifest.json", FIXTURES)));
  let arrays = 0;
  for (const [name, described] of Object.entries<Record<string, unknown>>(manifest.files)) {
    if (!name.endsWith(".safetensors")) continue;
    const { tensors } = readSafetensors(await Deno.readFile(new URL(name, FIXTURES)), name);
    const listed = described.tensors as Record<string, { dtype: string; shape: number[] }>;
    assertEquals([...tensors.keys()].sort(), Object.keys(listed).sort(), name);
    for (const [key, { dtype, shape }] of Object.entries(listed)) {
      assertEquals([tensors.get(key)!.dtype, tensors.get(key)!.shape], [dtype, shape], key);
      arrays++;
    }
  }
  assert(arrays > 500, `only ${arrays} arrays`);
});

Deno.test("safetensors: the writer refuses shapes and names that cannot be stored", () => {
  const data = Float32Array.of(1, 2);
  assertThrows(() => writeSafetensors([["a", { data, shape: [3] }]]), ShapeError, "[3]");
  const pair = ["a", { data, shape: [2] }] as const;
  assertThrows(() => writeSafetensors([pair, pair]), ConfigError, '"a"');
  assertThrows(() => writeSafetensors([["__metadata__", pair[1]]]), ConfigError);
  assertThrows(() => writeSafetensors([["\ud800", pair[1]]]), ConfigError);
});
