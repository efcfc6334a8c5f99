/** `recvae convert`: PyTorch state dictionaries to safetensors. */
import { FormatError } from "../base/errors.ts";
import { writeWhole } from "../files/whole_file.ts";
import { readRegularFile } from "../data/openers/regular_file.ts";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { readTorchState } from "../formats/torch_state.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";
import { UsageError } from "./options.ts";
import { sayingWhatIsSafe } from "./safe_outputs.ts";

/** The command. */
export const convertCommand = defineCommand({
  name: "convert",
  summary: "Turn PyTorch weights (.pt) into safetensors",
  usage: "convert MODEL.pt MODEL.safetensors",
  description:
    "Reads a PyTorch state dictionary without running anything in it and writes the same arrays, under " +
    "the same names and in the same layout, as safetensors. Files that pickle anything beside arrays " +
    "are refused. A .safetensors input is checked and copied.",
  options: [{ name: "force", kind: "flag", short: "f", help: "Replace an existing output file" }],
  examples: [
    {
      line: "recvae convert model_state.pt weights.safetensors",
      does: "weights of the Python package",
    },
  ],
  positionals: [2, 2],
  async run({ values, positionals: [from, to] }) {
    if (!to.endsWith(".safetensors")) {
      throw new UsageError(`The output is "${to}", needs a name ending in .safetensors`);
    }
    if (!values.force && exists(to)) {
      throw new UsageError(`"${to}" exists already; --force replaces it`);
    }
    const bytes = readRegularFile(from);
    const tensors = from.endsWith(".safetensors")
      ? readSafetensors(bytes, from).tensors
      : readTorchState(bytes, { source: from });
    if (tensors.size === 0) {
      throw new FormatError(from, "torch.empty", `Cannot convert "${from}": it holds no arrays`);
    }
    const output = writeSafetensors(tensors, { metadata: { format: "pt" } });
    await sayingWhatIsSafe(
      () => `Nothing was converted, "${from}" is as it was`,
      () => writeWhole(to, output),
    );
    console.log(`${to}: ${tensors.size} arrays, ${output.length} bytes`);
    return EXIT.ok;
  },
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false; // writing says so
    throw error;
  }
}
