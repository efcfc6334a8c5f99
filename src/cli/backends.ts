/** `recvae backends`: which engines can run here, and why others cannot. */
import type { ProbeResult } from "../backends/engine.ts";
import { probeBackends } from "../backends/registry.ts";
import { installTensorFlow } from "../backends/tensorflow/install.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";
import { UsageError } from "../pipelines/option_table.ts";
import { printJson } from "./output.ts";

/** The engine `auto` would take: the first in the order of the registry that may be chosen. */
function automaticChoice(probes: readonly ProbeResult[]): ProbeResult | undefined {
  return probes.find(({ available, automatic }) => available && automatic);
}

function probeLines(probe: ProbeResult, chosen: boolean): string[] {
  const mark = chosen ? "*" : probe.available ? "+" : "-";
  const lines = [`${mark} ${probe.name.padEnd(10)} ${probe.detail}`];
  if (probe.hint) lines.push(`  ${"".padEnd(10)} ${probe.hint}`);
  return lines;
}

/** The command. */
export const backendsCommand = defineCommand({
  name: "backends",
  summary: "Show which engines can compute on this machine",
  usage: "backends [--json] | backends install-tensorflow [--from DIR]",
  description:
    "Looks for every engine within seconds: what was found, versions and devices, why an engine is " +
    "not chosen automatically, and what would enable it. * is what --backend auto takes, + can be asked " +
    "for by name, - is not available.\n\nbackends install-tensorflow builds the native part of the " +
    "tensorflow and cuda engines against a TensorFlow that is on this machine (for example the Python wheel, with " +
    "or without CUDA). It needs a C++ compiler and --allow-read --allow-write --allow-run --allow-env --allow-net.",
  options: [
    { name: "json", kind: "flag", help: "Print the result as JSON" },
    {
      name: "from",
      kind: "text",
      value: "DIR",
      help: "Folder of the TensorFlow to build against",
      otherwise: "the one python3 knows",
    },
  ],
  examples: [
    { line: "recvae backends", does: "what is here" },
    { line: "recvae backends --json", does: "the same for a program" },
    {
      line: "recvae backends install-tensorflow --from tf/lib/python3.13/site-packages/tensorflow",
      does: "build the tensorflow engine",
    },
  ],
  positionals: [0, 1],
  async run({ values, positionals: [action] }) {
    if (action !== undefined) return await install(action, values);
    if (values.from !== undefined) throw new UsageError("--from goes with install-tensorflow");
    const probes = await probeBackends();
    const chosen = automaticChoice(probes);
    if (values.json) printJson({ automatic: chosen?.name ?? null, engines: probes });
    else {
      for (const probe of probes) {
        for (const line of probeLines(probe, probe === chosen)) console.log(line);
      }
    }
    return EXIT.ok;
  },
});

async function install(
  action: string,
  values: { readonly from: string | undefined; readonly json: boolean },
): Promise<number> {
  if (action !== "install-tensorflow") {
    throw new UsageError(`Unknown action "${action}"; did you mean install-tensorflow?`);
  }
  const report = await installTensorFlow({
    ...(values.from === undefined ? {} : { from: values.from }),
    onStep: (sentence) => console.error(sentence),
  });
  if (values.json) printJson(report);
  else {
    const device = report.gpu ? "a GPU is visible: --backend cuda" : "no GPU: --backend tensorflow";
    console.log(`TensorFlow ${report.tensorflow} is ready (${device})`);
  }
  return EXIT.ok;
}
