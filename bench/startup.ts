/**
 * Measures how long the library takes from import to the first kernel of the wasm engine, in fresh processes with
 * warm caches, and whether a warm training step compiles anything.
 *
 *   deno task bench:startup [--processes 10] [--no-record]
 *
 * Exit code 1 when the median is 300 ms or more, or a warm step compiled a module.
 */
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { ownProgram, runProgram } from "../src/deps/node_child_process.ts";
import { describeMachine, writeRecord } from "./machine.ts";
import { digits, type Spread, spreadOf, textTable } from "./measurements.ts";

const OPTIONS = [
  { name: "processes", kind: "integer", min: 1, help: "" },
  { name: "no-record", kind: "flag", help: "" },
] as const satisfies readonly Option[];

/** The requirement, in milliseconds. */
const LIMIT = 300;

/** What a child prints. */
interface ChildLine {
  readonly begun: number;
  readonly imported: number;
  readonly started: number;
  readonly firstKernel: number;
  readonly steps: readonly number[];
  readonly compilations: number;
}

async function measureProcess(): Promise<ChildLine> {
  const script = new URL("startup_child.ts", import.meta.url).pathname;
  const args = ["run", "--quiet", "--no-check", "-A", script];
  const { status, output, errors } = await runProgram(ownProgram(), args, 60_000);
  if (status !== 0) throw new Error(`the process ended with status ${status}: ${errors}`);
  return JSON.parse(output);
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseOptions(args, OPTIONS);
  await measureProcess(); // fills the caches of Deno and of the system
  const lines: ChildLine[] = [];
  for (let i = 0; i < (values.processes ?? 10); i++) lines.push(await measureProcess());
  const spread = (of: (line: ChildLine) => number) => spreadOf(lines.map(of));
  const result = {
    import: spread(({ begun, imported }) => imported - begun),
    engine: spread(({ imported, started }) => started - imported),
    firstKernel: spread(({ started, firstKernel }) => firstKernel - started),
    total: spread(({ begun, firstKernel }) => firstKernel - begun),
    sinceProcessStart: spread(({ firstKernel }) => firstKernel),
    firstStep: spread(({ steps }) => steps[0]),
    secondStep: spread(({ steps }) => steps[1]),
    fourthStep: spread(({ steps }) => steps[3]),
  };
  const compilations = Math.max(...lines.map((line) => line.compilations));
  const row = (name: string, { least, median }: Spread) => [name, digits(least), digits(median)];
  const { processor, cores } = describeMachine();
  console.log(`${processor}, ${cores} cores; ${lines.length} fresh processes\n`);
  console.log(textTable(["milliseconds", "least", "median"], [
    row("import mod.ts", result.import),
    row("start the engine", result.engine),
    row("first kernel, with what it needs", result.firstKernel),
    row("import to first kernel", result.total),
    row("  from the start of the process' clock", result.sinceProcessStart),
    row("first step (2 frames of 2 subjects)", result.firstStep),
    row("second step", result.secondStep),
    row("fourth step", result.fourthStep),
  ]));
  console.log(`\nmodules compiled or instantiated after the first step: ${compilations}`);
  if (!values["no-record"]) {
    console.log("\nrecorded in", writeRecord("startup", { result, compilations }));
  }
  return result.total.median < LIMIT && compilations === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
