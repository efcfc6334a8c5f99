/** Each rule of the ZIP, pickle and state-dict readers refuses files that break it. */
import { FormatError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { PICKLE_RULES } from "../../src/formats/restricted_pickle.ts";
import { TORCH_RULES } from "../../src/formats/torch_rules.ts";
import { readTorchState } from "../../src/formats/torch_state.ts";
import { TensorBuilder } from "../../src/formats/torch_tensors.ts";
import { ZIP_RULES } from "../../src/formats/zip_stored.ts";
import { testRules } from "../support/rule_cases.ts";
import {
  global,
  int,
  pickle,
  stateDict,
  tensor,
  type TensorParts,
  text,
  torchFile,
  tuple,
  type ZipEntry,
  zipFile,
} from "../support/zip_bytes.ts";

const content = stateDict([]);
const entry = (changes: Partial<ZipEntry> = {}) => ({ name: "m/data.pkl", content, ...changes });
const archive = (changes: Partial<ZipEntry>) => zipFile([entry(changes)]);
const good = zipFile([entry()]);

testRules(ZIP_RULES, {
  "zip.end": [good.slice(0, -1), good.slice(0, 40)],
  "zip.disks": [zipFile([entry()], { disk: 1 })],
  "zip.zip64": [
    zipFile([entry()], { entries: 0xffff }),
    zipFile([entry()], { directoryAt: 0xffffffff }),
    archive({ bytes: 0xffffffff }),
    archive({ at: 0xffffffff }),
  ],
  "zip.directory": [
    zipFile([entry()], { directoryBytes: 10_000 }),
    zipFile([entry()], { directoryAt: 2 ** 31 }),
    zipFile([entry(), entry({ name: "m/version" })], { entries: 1 }),
  ],
  "zip.entry": [
    zipFile([entry()], { entries: 2 }),
    zipFile([entry()], { directoryAt: 0, directoryBytes: good.length - 22 }),
  ],
  "zip.name": [
    zipFile([entry(), entry()]),
    good.map((byte, i) => byte === 0x6d && good[i + 1] === 0x2f ? 0xff : byte),
  ],
  "zip.encrypted": [archive({ flags: 0x801 })],
  "zip.method": [archive({ method: 8 })],
  "zip.size": [archive({ packedBytes: content.length - 1 })],
  "zip.local": [archive({ localName: "m/other" }), archive({ at: 5 }), archive({ at: 2 ** 31 })],
  "zip.range": [
    archive({ packedBytes: 2 ** 31, bytes: 2 ** 31 }),
    zipFile([entry({ packedBytes: 150, bytes: 150, crc: 0 }), entry({ name: "m/b" })]),
  ],
  "zip.checksum": [archive({ crc: 1 })],
}, (bytes) => readTorchState(bytes, { source: "m.pt", checksums: !isOverlap(bytes) }));

/** The overlapping archive cannot also have right checksums; they are left unchecked for it. */
function isOverlap(bytes: Uint8Array): boolean {
  return bytes.length > 200 && new DataView(bytes.buffer).getUint32(14, true) === 0;
}

const machine = (...parts: Parameters<typeof pickle>) => torchFile(pickle(...parts));
/** What the machine understands; every other byte is refused where an opcode is due. */
const OPCODES = [
  ...[0x2e, 0x28, 0x74, 0x75, 0x65, 0x90, 0x61, 0x73, 0x91], // STOP, MARK, containers
  ...[0x29, 0x85, 0x86, 0x87, 0x7d, 0x5d, 0x8f, 0x4e, 0x88, 0x89], // empty ones, tuples, None, booleans
  ...[0x4a, 0x4b, 0x4d, 0x8a, 0x47, 0x8c, 0x58, 0x8d, 0x43, 0x42, 0x8e, 0x96], // numbers, text, bytes
  ...[0x71, 0x72, 0x94, 0x68, 0x6a, 0x95], // memo, FRAME
  ...[0x63, 0x93, 0x51, 0x52, 0x81, 0x62], // GLOBAL, STACK_GLOBAL, BINPERSID, REDUCE, NEWOBJ, BUILD
];
const marks = new Array(101).fill(0x28);

testRules(PICKLE_RULES, {
  "pickle.size": [torchFile(new Uint8Array(64 * 2 ** 20 + 1).fill(0x7d))],
  "pickle.truncated": [
    machine([0x7d]),
    machine([0x58, 255, 255, 255, 255]),
    machine([0x4a, 1, 2]),
    machine("ccollections"),
    machine([0x71]),
    machine([0x8c, 200, 0x61]),
    machine([0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80]),
    machine([0x8e, 255, 255, 255, 255, 255, 255, 255, 255]),
    machine([0x8a, 9, 1]),
    machine([0x47, 1]),
    machine([0x95, 1]),
  ],
  "pickle.protocol": [
    torchFile(new Uint8Array([0x80, 1, 0x7d, 0x2e])),
    torchFile(new Uint8Array([0x80, 6, 0x7d, 0x2e])),
    torchFile(new Uint8Array([0x7d, 0x2e])),
    torchFile(new Uint8Array(0)),
  ],
  "pickle.opcode": Array.from({ length: 256 }, (_, opcode) => opcode)
    .filter((opcode) => !OPCODES.includes(opcode))
    .map((opcode) => machine([0x7d, 0x7d, opcode, 0x2e])),
  "pickle.global": [
    machine(global("os", "system"), text("true"), [0x85, 0x52, 0x2e]),
    machine(global("builtins", "eval"), [0x2e]),
    machine(global("torch", "FloatStorage\u0000"), [0x2e]),
    machine(text("os"), text("system"), [0x93, 0x2e]),
    machine(global("builtins", "exec"), text("1"), [0x85, 0x52, 0x7d, 0x62, 0x2e]),
    machine(global("collections", "defaultdict"), [0x29, 0x81], text("a"), [0x4b, 1, 0x73, 0x2e]),
    machine([0x7d], text("a"), global("subprocess", "Popen"), [0x29, 0x81, 0x73, 0x2e]),
    machine(global("torch._utils", "_rebuild_sparse_tensor"), [0x2e]),
    machine(global("torch._utils", "_rebuild_tensor_v2 "), [0x2e]),
    machine(global("torch", "ComplexFloatStorage"), [0x2e]),
    machine(global("__builtin__", "getattr"), [0x2e]),
  ],
  "pickle.text": [machine([0x58, 2, 0, 0, 0, 0xff, 0xfe, 0x2e])],
  "pickle.stack": [
    machine([0x2e]),
    machine([0x7d, 0x7d, 0x2e]),
    machine([0x74, 0x2e]),
    machine([0x85, 0x2e]),
    machine([0x7d, 0x28, 0x73, 0x2e]),
    machine([0x7d, 0x28, 0x4b, 1, 0x75, 0x2e]),
    machine(marks, [0x2e]),
    machine(new Array(1_000_001).fill(0x88), [0x2e]),
    machine([0x29], new Array(2_000_000).fill(0x85), [0x2e]),
  ],
  "pickle.memo": [
    machine([0x68, 0, 0x2e]),
    machine([0x6a, 9, 0, 0, 0, 0x2e]),
    machine([0x7d, 0x72, 255, 255, 255, 255, 0x2e]),
    machine([0x68, 1, 0x94, 0x2e]),
  ],
  "pickle.key": [
    machine([0x7d, 0x7d, 0x4b, 2, 0x73, 0x2e]),
    machine([0x7d, 0x5d, 0x4b, 2, 0x73, 0x2e]),
    machine([0x7d, 0x4b, 1, 0x88, 0x73, 0x4b, 1, 0x88, 0x73, 0x2e]),
    machine([0x7d], text("a"), [0x88, 0x73], text("a"), [0x88, 0x73, 0x2e]),
  ],
  "pickle.call": [
    machine(global("collections", "OrderedDict"), [0x7d, 0x52, 0x2e]),
    machine([0x7d, 0x29, 0x52, 0x2e]),
    machine([0x88, 0x88, 0x88, 0x73, 0x2e]),
    machine([0x29, 0x7d, 0x62, 0x2e]),
    machine([0x7d, 0x51, 0x2e]),
    machine([0x88, 0x88, 0x93, 0x2e]),
    machine([0x7d, 0x88, 0x61, 0x2e]),
    machine([0x7d, 0x28, 0x88, 0x65, 0x2e]),
  ],
}, (bytes) => readTorchState(bytes, { source: "m.pt" }));

const TORCH_FILES = new URL("../data/torch/", import.meta.url);
const torchSample = (name: string) => Deno.readFileSync(new URL(name, TORCH_FILES));
const legacy = torchSample("legacy_2.pt");
const twoStates = torchSample("two_states.pt");

/** How the list of storage keys of the older container begins. */
const KEYS = [0x80, 2, 0x5d, 0x71, 0, 0x28];

/** A copy with the first (or last) occurrence of some bytes replaced. */
function replaced(
  bytes: Uint8Array,
  from: number[],
  to: number[],
  last = false,
): Uint8Array<ArrayBuffer> {
  const places = bytes.keys().filter((at) => from.every((byte, i) => bytes[at + i] === byte));
  const at = [...places].at(last ? -1 : 0)!;
  return new Uint8Array([...bytes.subarray(0, at), ...to, ...bytes.subarray(at + from.length)]);
}

const storage = new Uint8Array(new Float32Array(6).buffer);
const state = (
  parts: Partial<TensorParts>,
  storages: Record<string, Uint8Array> = { 0: storage },
) =>
  torchFile(
    stateDict([["w", tensor({ count: 6, size: [2, 3], stride: [3, 1], ...parts })]]),
    storages,
  );
const dictOf = (value: number[]) => torchFile(stateDict([["w", value]]));

testRules(TORCH_RULES, {
  "torch.kind": [
    new Uint8Array(0),
    new Uint8Array(100),
    new Uint8Array([0x80, 2, 0x7d, 0x2e]),
    new TextEncoder().encode("<!doctype html><title>404</title>"),
  ],
  "torch.layout": [
    zipFile([{ name: "data.pkl", content }]),
    zipFile([entry(), entry({ name: "n/data.pkl" })]),
    zipFile([entry(), entry({ name: "n/version" })]),
    zipFile([]),
  ],
  "torch.legacy": [
    legacy.slice(0, -1),
    new Uint8Array([...legacy, 0]),
    replaced(legacy, [0x4d, 0xe9, 3], [0x4d, 0xe8, 3]), // version
    replaced(legacy, KEYS, [0x80, 2, 0x88, 0x2e, ...KEYS], true), // no list of keys
    replaced(legacy, KEYS, [...KEYS, ...text("a")], true), // a key that no tensor has
    replaced(legacy, [6, 0, 0, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0, 0], true), // count
  ],
  "torch.state": [twoStates],
  "torch.byteorder": [
    replaced(legacy, [0x71, 2, 0x88], [0x71, 2, 0x89]), // little_endian: False
    zipFile([entry(), { name: "m/byteorder", content: new TextEncoder().encode("big") }]),
  ],
  "torch.root": [
    machine([0x88, 0x2e]),
    dictOf([0x4b, 5]),
    dictOf([0x7d]),
    dictOf(global("torch", "FloatStorage")),
    dictOf(tuple()),
  ],
  "torch.call": [
    dictOf([...global("torch._utils", "_rebuild_tensor_v2"), 0x29, 0x52]),
    dictOf([...global("torch", "FloatStorage"), 0x29, 0x52]),
    dictOf([...global("collections", "OrderedDict"), ...tuple([0x88]), 0x52]),
    dictOf([...tuple(text("storage"), text("torch FloatStorage")), 0x51]),
    dictOf([...tuple(text("module"), [0x7d], text("0"), text("cpu"), int(6)), 0x51]),
    dictOf([...global("torch._utils", "_rebuild_parameter"), 0x29, 0x52]),
    dictOf([...global("torch._utils", "_rebuild_parameter"), ...tuple([0x88], [0x88]), 0x52]),
    dictOf([...global("torch", "Size"), ...tuple([0x88]), 0x52]),
    dictOf([...global("torch", "device"), 0x29, 0x52]),
    dictOf([...global("collections", "Counter"), ...tuple([0x5d]), 0x52]),
    dictOf([...global("builtins", "set"), ...tuple([0x7d]), 0x52]),
    dictOf([...global("torch", "float32"), 0x29, 0x52]),
    state({ offset: -1 }),
    state({ size: [2, -3] }),
    state({ stride: [3, -1] }),
  ],
  "torch.storage": [
    state({}, {}),
    state({ count: 7 }),
    state({}, { 0: storage.slice(0, 23) }),
    state({ key: "../0" }),
    torchFile(
      stateDict([
        ["a", tensor({ count: 6, size: [6], stride: [1] })],
        ["b", tensor({ type: "IntStorage", count: 6, size: [6], stride: [1] })],
      ]),
      { 0: storage },
    ),
  ],
  "torch.view": [
    state({ offset: 1 }),
    state({ size: [3, 3] }),
    state({ stride: [4, 1] }),
    state({ stride: [3] }),
    state({ size: [2 ** 30, 2 ** 30], stride: [0, 0] }),
    state({ offset: 7, size: [0], stride: [1] }),
    state({ size: new Array(33).fill(1), stride: new Array(33).fill(1) }),
  ],
  "torch.copies": [
    manyCopies(),
    state({ size: [2 ** 24 + 1, 1], stride: [0, 1] }),
    state({ size: [2 ** 31 - 1], stride: [0] }),
  ],
}, (bytes) => readTorchState(bytes, { source: "m.pt" }));

/** Eight transposed views of one storage that makes up most of the file. */
function manyCopies(): Uint8Array {
  const side = 1500;
  const view = { count: side * side, size: [side, side], stride: [1, side] };
  const entries = Array.from({ length: 8 }, (_, i) => [`w${i}`, tensor(view)] as const);
  return torchFile(stateDict(entries), { 0: new Uint8Array(4 * side * side) });
}

Deno.test("pickle.global: the refusal names what was asked for", () => {
  const evil = machine(global("os", "system"), text("true"), [0x85, 0x52, 0x2e]);
  const error = assertThrows(() => readTorchState(evil), FormatError);
  assertStringIncludes(error.message, '"os system"');
});

Deno.test("torch.root: the refusal says what to save instead", () => {
  const error = assertThrows(() => readTorchState(dictOf([0x7d])), FormatError);
  assertStringIncludes(error.message, "torch.save(model.state_dict()");
});

Deno.test("what may be called: part of what PyTorch's weights_only reader allows, the rest refused by name", () => {
  const offered: string[] = [];
  for (
    const name of Deno.readTextFileSync(new URL("weights_only.txt", TORCH_FILES)).trim().split("\n")
  ) {
    const [module, attribute] = name.split(" ");
    const error = assertThrows(
      () => readTorchState(machine(global(module, attribute), [0x4e, 0x85, 0x52, 0x2e])),
      FormatError,
    );
    if (new TensorBuilder("").offers(name)) offered.push(name);
    else {
      assertEquals(error.rule, "pickle.global", name);
      assertStringIncludes(error.message, JSON.stringify(name));
    }
  }
  const storages = offered.filter((name) => name.endsWith("Storage"));
  const dtypes = offered.filter((name) =>
    /^torch [a-z0-9]+$/.test(name) && name !== "torch device"
  );
  const calls = offered.filter((name) => !storages.includes(name) && !dtypes.includes(name));
  assertEquals(calls.sort(), [
    "builtins set",
    "collections Counter",
    "collections OrderedDict",
    "torch Size",
    "torch device",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
  ]);
  assertEquals([storages.length, dtypes.length], [10, 10]);
});

Deno.test("nothing is ever called: the ways to call, with names that exist in JavaScript", () => {
  const names = [["constructor", "constructor"], ["globalThis", "fetch"], ["Deno", "exit"]];
  for (const [module, name] of [...names, ["__proto__", "call"], ["torch", "load"]]) {
    for (const opcode of [0x52, 0x81]) {
      const calls = [
        machine(global(module, name), text("x"), [0x85, opcode, 0x2e]),
        machine(text(module), text(name), [0x93, 0x29, opcode, 0x7d, 0x62, 0x2e]),
        machine([0x7d], text("w"), global(module, name), [0x29, opcode, 0x73, 0x2e]),
      ];
      for (const bytes of calls) {
        const error = assertThrows(() => readTorchState(bytes), FormatError);
        assert(error.message.includes(`"${module} ${name}"`), error.message);
      }
    }
  }
});
