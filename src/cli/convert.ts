/** `recvae convert`: PyTorch state dictionaries to safetensors. */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { FormatError } from "../base/errors.ts";
import { writeWhole } from "../files/whole_file.ts";
import { readRegularFile } from "../data/openers/regular_file.ts";
import { identifyFile } from "../formats/file_kind.ts";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { readTorchState } from "../formats/torch_state.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";
import { conversionOf } from "../pipelines/file_kinds.ts";
import { UsageError } from "../pipelines/option_table.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../pipelines/free_outputs.ts";
import { sayingWhatIsSafe } from "../pipelines/safe_outputs.ts";

/** The command. */
export const convertCommand = defineCommand({
  name: "convert",
  summary: "Turn PyTorch weights (.pt) into safetensors",
  usage: "convert MODEL.pt MODEL.safetensors [--state NAME]",
  description:
    "Reads a PyTorch state dictionary, also one inside a checkpoint (.pt, .pth, .ckpt, .bin, .tar; Lightning's " +
    "too), without running anything in it and writes the same arrays, in the same layout, as safetensors. Names " +
    "stay as they are, without the module. of DataParallel and the _orig_mod. of torch.compile. Entries that are " +
    "no arrays are left out and named. Files that ask for Python code are refused. A safetensors input is " +
    "checked and copied.\n\n" +
    "When a checkpoint holds several states they are listed, and --state names one: its key, or keys with " +
    "slashes between (ema/model); a dot stands for the outermost dictionary.",
  options: [
    {
      name: "state",
      kind: "text",
      value: "NAME",
      help: "Which part of a checkpoint to take",
      otherwise: "the only one",
    },
    FORCE_OPTION,
  ],
  examples: [
    {
      line: "recvae convert model_state.pt weights.safetensors",
      does: "weights of the Python package",
    },
    {
      line: "recvae convert last.ckpt weights.safetensors --state ema_state_dict",
      does: "one of the states of a checkpoint",
    },
  ],
  positionals: [2, 2],
  async run({ values, positionals: [from, to] }) {
    const conversion = conversionOf(from, to);
    if (!conversion && !to.endsWith(".safetensors")) {
      throw new UsageError(`The output is "${to}", needs a name ending in .safetensors`);
    }
    if (conversion && values.state !== undefined) {
      throw new UsageError(`"${from}" has no parts; leave --state out`);
    }
    requireFreeOutputs([to], { force: values.force, inputs: [from] });
    const notes: string[] = [];
    const { content, holds } = conversion
      ? await conversion(from)
      : convertedWeights(from, { state: values.state, notes });
    await sayingWhatIsSafe(
      () => `Nothing was converted, "${from}" is as it was`,
      () => writeWhole(to, content),
    );
    for (const note of notes) console.log(`Note      ${note}`);
    console.log(`${to}: ${holds}, ${content.length} bytes`);
    return EXIT.ok;
  },
});

/** Where weights come from. */
interface Source {
  /** Part of a checkpoint. */
  readonly state: string | undefined;
  /** What the user would want to know is added here. */
  readonly notes: string[];
}

function convertedWeights(from: string, source: Source) {
  const tensors = readWeights(from, source);
  if (tensors.size === 0) {
    throw new FormatError(from, "torch.empty", `Cannot convert "${from}": it holds no arrays`);
  }
  const content = writeSafetensors(tensors, { metadata: { format: "pt" } });
  return { content, holds: `${tensors.size} arrays` };
}

/** The arrays of a file, told by its content and not by its name; adds to the notes. */
function readWeights(path: string, { state, notes }: Source): Map<string, NdArray<NumericArray>> {
  const bytes = readRegularFile(path);
  const note = (text: string) => void notes.push(text);
  if (identifyFile(bytes.subarray(0, 352)) !== "safetensors") {
    return readTorchState(bytes, { source: path, state, onNote: note });
  }
  if (state !== undefined) {
    throw new UsageError(`"${path}" is a safetensors file, which has no parts; leave --state out`);
  }
  if (!path.endsWith(".safetensors")) {
    note(
      `"${path}" is a safetensors file in spite of its name; its arrays are checked and copied.`,
    );
  }
  return readSafetensors(bytes, path).tensors;
}
