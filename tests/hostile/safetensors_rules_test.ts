/** Each rule of the safetensors reader refuses files that break it. */
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { MAX_HEADER_BYTES, SAFETENSORS_RULES } from "../../src/formats/safetensors_header.ts";
import { testRules } from "../support/rule_cases.ts";
import { safetensorsFile } from "../support/safetensors_bytes.ts";

const DATA = new Uint8Array(8);
const entry = (changes: Record<string, unknown> = {}) => ({
  dtype: "F32",
  shape: [2],
  data_offsets: [0, 8],
  ...changes,
});
const one = (changes: Record<string, unknown>) => safetensorsFile({ a: entry(changes) }, DATA);
const raw = (json: string) => safetensorsFile(json, DATA);
const text = JSON.stringify(entry());

testRules(SAFETENSORS_RULES, {
  "safetensors.length": [new Uint8Array(0), new Uint8Array(7)],
  "safetensors.header_size": [
    safetensorsFile({ a: entry() }, DATA, 10_000n),
    safetensorsFile({ a: entry() }, DATA, 2n ** 64n - 1n),
    safetensorsFile({ a: entry() }, DATA, BigInt(MAX_HEADER_BYTES) + 1n),
  ],
  "safetensors.header_start": [raw(` {"a":${text}}`), raw("[]"), new Uint8Array(8)],
  "safetensors.utf8": [safetensorsFile({ a: entry() }, DATA).map((b) => b === 0x61 ? 0xff : b)],
  "safetensors.json": [raw(`{"a":${text}`), raw(`{"a":${text},}`), raw(`{a:${text}}`), raw("{} x")],
  "safetensors.duplicate": [
    raw(`{"a":${text},"a":${text}}`),
    raw(`{"a":${text},"\\u0061":${text}}`),
    raw(`{"a":${text.replace("{", '{"dtype" : "F64",')}}`),
    raw(`{"__metadata__":{"x":"1","x":"2"},"a":${text}}`),
  ],
  "safetensors.metadata": [
    safetensorsFile({ __metadata__: { x: 1 }, a: entry() }, DATA),
    safetensorsFile({ __metadata__: ["x"], a: entry() }, DATA),
    safetensorsFile({ __metadata__: null, a: entry() }, DATA),
  ],
  "safetensors.entry": [
    safetensorsFile({ a: [0, 8] }, DATA),
    safetensorsFile({ a: null }, DATA),
    one({ extra: 1 }),
    raw('{"a":{"dtype":"F32","shape":[2]}}'),
  ],
  "safetensors.dtype": [
    one({ dtype: "F8_E4M3" }),
    one({ dtype: 4 }),
    one({ dtype: "toString" }),
    one({ dtype: null }),
  ],
  "safetensors.shape": [
    one({ shape: [-2] }),
    one({ shape: [1.5] }),
    one({ shape: "2" }),
    one({ shape: [2 ** 54] }),
    one({ shape: [2 ** 40, 2 ** 40] }),
    one({ shape: new Array(33).fill(1) }),
    one({ shape: [[2]] }),
  ],
  "safetensors.offsets": [
    one({ data_offsets: [8, 0] }),
    one({ data_offsets: [0] }),
    one({ data_offsets: [-8, 0] }),
    one({ data_offsets: [0, 8, 16] }),
    one({ data_offsets: [0.5, 8.5] }),
    one({ data_offsets: { 0: 0, 1: 8 } }),
  ],
  "safetensors.size": [
    one({ shape: [3] }),
    one({ shape: [] }),
    one({ shape: [2 ** 50] }),
    one({ dtype: "F64" }),
    one({ data_offsets: [0, 2 ** 50] }),
  ],
  "safetensors.holes": [
    one({ shape: [1], data_offsets: [4, 8] }),
    safetensorsFile({
      a: entry({ shape: [1], data_offsets: [0, 4] }),
      b: entry({ data_offsets: [0, 8] }),
    }, DATA),
    safetensorsFile({ a: entry(), b: entry() }, DATA),
  ],
  "safetensors.end": [
    safetensorsFile({ a: entry() }, new Uint8Array(9)),
    safetensorsFile({ a: entry() }, new Uint8Array(7)),
    safetensorsFile({}, new Uint8Array(1)),
  ],
}, (bytes) => readSafetensors(bytes, "weights.safetensors"));
