/**
 * Measures the wasm engine against the machine and its peers in one run, prints tables and keeps a record.
 *
 *   deno task bench
 *   deno task bench --python /path/to/python          Python with PyTorch; also the variable PYTHON
 *   deno task bench --only conv                       parts: conv, stock, step, peer (step with PyTorch)
 *   deno task bench --quick                           small volumes, few repeats, no record: does it run?
 *   deno task bench --show FILE                       the tables of a record
 *
 * What is measured and how is described in docs/performance.md. Without PyTorch the comparison is skipped, loudly.
 */
import { selectBackend } from "../src/backends/registry.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { readEnvironment } from "../src/deps/environment.ts";
import { measureBandwidth } from "./bandwidth.ts";
import { timeConvolutions } from "./convolutions.ts";
import { convolutionLayers } from "./layers.ts";
import { describeMachine, type Machine, writeRecord } from "./machine.ts";
import { startPeakMeter } from "./peak.ts";
import { type Bandwidth, summaryOf } from "./report.ts";
import { type Plan, reportOf, type Results, type ThreadedConvolutions } from "./results.ts";
import { holdContest } from "./step_contest.ts";
import { countStepWork } from "./step_work.ts";
import { type StockTimes, timeStockBackend } from "./stock_comparison.ts";

const PARTS = ["conv", "stock", "step", "peer"] as const;

const OPTIONS = [
  { name: "only", kind: "choice", choices: PARTS, help: "" },
  { name: "quick", kind: "flag", help: "" },
  { name: "python", kind: "text", help: "" },
  { name: "threads", kind: "integers", min: 1, help: "" },
  { name: "repeats", kind: "integer", min: 1, help: "" },
  { name: "frames", kind: "integer", min: 1, help: "" },
  { name: "no-record", kind: "flag", help: "" },
  { name: "show", kind: "text", help: "" },
] as const satisfies readonly Option[];

const FULL = { spatialShape: [91, 109, 91], batch: 4, frames: 8, repeats: 10 } as const;
const QUICK = { spatialShape: [45, 54, 45], batch: 2, frames: 4, repeats: 3 } as const;
/** Convolutions take milliseconds: all of them are measured so many times, each time with all repeats. */
const PASSES = 3;

async function measureConvolutions(plan: Plan, threads: number): Promise<ThreadedConvolutions> {
  const engine = await selectBackend("wasm", { threads });
  const meter = await startPeakMeter(threads);
  const layers = timeConvolutions(convolutionLayers(plan.spatialShape), {
    batch: plan.batch,
    passes: PASSES,
    calls: plan.repeats,
    measurePeak: () => meter.measure(),
  });
  meter.stop();
  await engine.stop();
  return { threads, layers };
}

function skipped(what: string): void {
  console.log(`\n!!! SKIPPED: ${what}`);
}

/** Says what is going on where it does not get into the report. */
function progress(what: string): void {
  console.error(`measuring ${what} …`);
}

type Wants = (part: typeof PARTS[number]) => boolean;

async function measure(plan: Plan, wants: Wants, python: string): Promise<Results> {
  const convolutions: ThreadedConvolutions[] = [];
  for (const threads of wants("conv") || wants("stock") ? plan.threads : []) {
    progress(`convolutions, threads: ${threads}`);
    convolutions.push(await measureConvolutions(plan, threads));
  }
  let stock: readonly StockTimes[] = [];
  if (wants("stock")) {
    progress("the stock backend");
    const found = await timeStockBackend(plan.spatialShape, plan);
    if (typeof found === "string") skipped(`the stock wasm backend: ${found}`);
    else stock = found;
  }
  const steps = wants("step") || wants("peer")
    ? await measureSteps(plan, wants("peer") ? python : null)
    : { bandwidths: [] };
  return { plan, convolutions, stock, ...steps };
}

async function measureSteps(plan: Plan, python: string | null) {
  progress("training steps");
  const contest = await holdContest({ ...plan, python });
  const bandwidths: Bandwidth[] = [];
  for (const threads of plan.threads) {
    bandwidths.push({ threads, bandwidth: await measureBandwidth(threads) });
  }
  const work = await countStepWork({ ...plan, backend: "wasm", threads: undefined });
  return { contest, summary: summaryOf(contest), bandwidths, work };
}

function headLine(machine: Machine, { spatialShape, batch }: Plan): string {
  return `${machine.processor}, ${machine.cores} cores, ${machine.system}, Deno ${machine.deno}, V8 ` +
    `${machine.v8}; volumes of ${spatialShape.join("x")}, ${batch} subjects\n`;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseOptions(args, OPTIONS);
  if (values.show) {
    const record: Results & { machine: Machine } = JSON.parse(Deno.readTextFileSync(values.show));
    console.log(headLine(record.machine, record.plan));
    return console.log(reportOf(record));
  }
  const sizes = values.quick ? QUICK : FULL;
  const cores = navigator.hardwareConcurrency;
  const plan: Plan = {
    ...sizes,
    repeats: values.repeats ?? sizes.repeats,
    frames: values.frames ?? sizes.frames,
    threads: values.threads ?? [1, 2].filter((threads) => threads <= cores),
  };
  const python = values.python ?? readEnvironment("PYTHON") ?? "python3";
  const wants: Wants = (part) => values.only === undefined || values.only === part;
  const results = await measure(plan, wants, python);
  console.log(headLine(describeMachine(), plan));
  console.log(reportOf(results));
  const whole = values.only === undefined && !values.quick && !values["no-record"];
  if (whole) console.log("\nrecorded in", writeRecord("bench", { ...results }));
}

if (import.meta.main) await main(Deno.args);
