/** `recvae backends`: which engines can run here, and why others cannot. */
import type { ProbeResult } from "../backends/engine.ts";
import { probeBackends } from "../backends/registry.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./failures.ts";
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
  usage: "backends [--json]",
  description:
    "Looks for every engine within seconds: what was found, versions and devices, why an engine is " +
    "not chosen automatically, and what would enable it. * is what --backend auto takes, + can be asked " +
    "for by name, - is not available.",
  options: [{ name: "json", kind: "flag", help: "Print the result as JSON" }],
  examples: [
    { line: "recvae backends", does: "what is here" },
    { line: "recvae backends --json", does: "the same for a program" },
  ],
  positionals: [0, 0],
  async run({ values }) {
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
