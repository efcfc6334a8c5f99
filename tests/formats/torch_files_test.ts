/** Files that PyTorch itself wrote, see data/torch/SOURCES.md: every array as PyTorch has it, or a refusal by name. */
import { FormatError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { describeTorchFile } from "../../src/formats/torch_outline.ts";
import { readTorchState } from "../../src/formats/torch_state.ts";

const FILES = new URL("../data/torch/", import.meta.url);
const sample = (name: string) => Deno.readFileSync(new URL(name, FILES));
const [, ...ROWS] = Deno.readTextFileSync(new URL("expected.tsv", FILES)).trimEnd().split("\n")
  .map((line) => line.split("\t"));

/** Array types by PyTorch's names of element types. */
const ARRAYS: Record<string, { readonly name: string }> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Float32Array,
  bfloat16: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function numbers(text: string): number[] {
  return text === "" ? [] : text.split(" ").map(Number);
}

/** Reads a sample and what was noted. */
function read(name: string, state?: string) {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  return { tensors: readTorchState(sample(name), { source: name, state, onNote }), notes };
}

for (const [file, rows] of Map.groupBy(ROWS, ([file]) => file)) {
  Deno.test(`PyTorch files: ${file} holds the arrays that PyTorch put there`, () => {
    const isNamed = file === "two_states.pt"; // the one where a name is needed
    const { tensors } = read(file, isNamed ? rows[0][1] : undefined);
    assertEquals([...tensors.keys()], rows.map(([, , name]) => name));
    for (const [, , name, dtype, shape, values] of rows) {
      const { data, shape: found } = tensors.get(name)!;
      assertEquals(data.constructor.name, ARRAYS[dtype].name, name);
      assertEquals(found, numbers(shape), name);
      assertEquals(Array.from(data, Number), numbers(values), name);
    }
    const at = rows[0][1];
    if (at !== "") assertEquals(stateText(read(file, at).tensors), stateText(tensors), "by name");
  });
}

function stateText(state: ReturnType<typeof readTorchState>): string {
  return [...state].map(([name, { shape, data }]) => `${name} [${shape}] ${data}`).join("\n");
}

Deno.test("PyTorch files: every sample is read or refused here", () => {
  const names = [...Deno.readDirSync(FILES)].map(({ name }) => name)
    .filter((name) => /\.(pt|ckpt|tar)$/.test(name));
  const known = new Set([...ROWS.map(([file]) => file), ...Object.keys(REFUSED)]);
  assertEquals(names.sort(), [...known].sort());
});

Deno.test("PyTorch files: notes say what was taken, left out and renamed", () => {
  const notes = {
    "protocol_4.pt": [],
    "checkpoint.pth.tar": [
      'Taken: "model", and not epoch, best_loss, optimizer, scheduler, rng_state.',
    ],
    "beside.pt": [
      "Left out, since they are no arrays: epoch, lr, name, note, done, seed, huge, sizes and 5 more.",
    ],
    "data_parallel.pt": ['Taken off the names: "module.".'],
    "compiled_inside.pt": ['Taken off the names: "_orig_mod.".'],
    "compiled_parallel.pt": ['Taken off the names: "_orig_mod." and "module.".'],
  };
  for (const [name, expected] of Object.entries(notes)) {
    assertEquals(read(name).notes, expected, name);
  }
});

Deno.test("PyTorch files: of several states one must be named, and the choices are listed", () => {
  const error = assertThrows(() => read("two_states.pt"), FormatError);
  assertEquals(error.rule, "torch.state");
  assertStringIncludes(error.message, '"generator", "discriminator"');
  const unknown = assertThrows(() => read("two_states.pt", "genrator"), FormatError);
  assertStringIncludes(unknown.message, 'no state "genrator", but "generator", "discriminator"');
  assertEquals(read("two_states.pt", "generator").tensors.get("w")!.data, Float32Array.of(1, 1));
  assertEquals([...read("checkpoint.pth.tar", ".").tensors.keys()], ["rng_state"]);
});

/** Refused samples: rule, and what the message has to contain. */
const REFUSED: Record<string, readonly [rule: string, ...parts: string[]]> = {
  "refused_whole_model.pt": ["torch.root", "a whole model object of class __main__.Whole"],
  "refused_whole_model_4.pt": ["torch.root", "a whole model object of class __main__.Whole"],
  "refused_whole_model_legacy.pt": ["torch.root", "a whole model object of class __main__.Whole"],
  "refused_sequential.pt": ["torch.root", "class torch.nn.modules.container.Sequential"],
  "refused_model_inside.pt": ["torch.root", 'part "model" is a whole model', "__main__.Whole"],
  "refused_sparse.pt": ["pickle.global", '"torch._utils _rebuild_sparse_tensor"', "to_dense()"],
  "refused_quantised.pt": ["pickle.global", '"torch._utils _rebuild_qtensor"', "dequantize()"],
  "refused_complex.pt": ["pickle.global", '"torch ComplexFloatStorage"', "complex numbers"],
  "refused_uint16.pt": ["pickle.global", '"torch._utils _rebuild_tensor_v3"', "uint16"],
  "refused_numpy_scalar.pt": ["pickle.global", "numpy._core.multiarray scalar", "a NumPy value"],
  "refused_namespace.pt": ["pickle.global", '"argparse Namespace"'],
  "refused_one_tensor.pt": ["torch.root", "one tensor of size [2]"],
  "refused_list.pt": ["torch.root", "a list of 2 values"],
  "refused_no_tensors.pt": ["torch.root", "without tensors in it (epoch, history)"],
  "refused_script.pt": ["torch.root", "a TorchScript program (torch.jit.save)"],
};

for (const [name, [rule, ...parts]] of Object.entries(REFUSED)) {
  Deno.test(`PyTorch files: ${name} is refused for what it is, with what to do`, () => {
    const error = assertThrows(() => read(name), FormatError);
    assertEquals(error.rule, rule, error.message);
    for (const part of [...parts, "torch.save(model.state_dict()"]) {
      assertStringIncludes(error.message, part);
    }
  });
}

Deno.test("PyTorch files: a description names parts, states, arrays of a whole model, foreign names", () => {
  const describe = (name: string) => describeTorchFile(sample(name), name);
  assertEquals(describe("protocol_5.pt").kind, "state dictionary");
  const checkpoint = describe("checkpoint.pth.tar");
  assertEquals([checkpoint.kind, checkpoint.states], ["checkpoint", ["model"]]);
  assertEquals(checkpoint.holds, {
    epoch: "2",
    best_loss: "0.25",
    model: "dictionary of 7 arrays",
    optimizer: "dictionary of 2 entries",
    scheduler: "dictionary of 8 entries",
    rng_state: "array [16]",
  });
  const model = describe("refused_sequential.pt");
  assertEquals(model.holds, { "0.weight": "array [1, 2]", "0.bias": "array [1]" });
  assertEquals(model.states, []);
  assert(model.asksFor.includes("torch.nn.modules.linear.Linear"));
  const args = describe("refused_namespace.pt").holds;
  assertEquals(args.args, "object of argparse.Namespace");
});
