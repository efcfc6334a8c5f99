/**
 * Measures the wasm engine against the machine and its peers in one run, prints tables and keeps a record.
 *
 *   deno task bench
 *   deno task bench --python /path/to/python          Python with PyTorch; also the variable PYTHON
 *   deno task bench --only conv                       parts: conv, stock, step, peer (step with PyTorch)
 *   deno task bench --quick                           small volumes, few repeats, no record: does it run?
 *
 * What is measured and how is described in docs/performance.md. Without PyTorch the comparison is skipped, loudly.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import { selectBackend } from "../src/backends/registry.ts";
import { type Option, parseOptions } from "../src/cli/options.ts";
import { readEnvironment } from "../src/deps/environment.ts";
import { tf } from "../src/deps/tfjs.ts";
import { measureBandwidth } from "./bandwidth.ts";
import { type ConvolutionTimes, timeOperation } from "./convolutions.ts";
import { OPERATIONS, prepareLayer } from "./layer_operations.ts";
import { convolutionLayers } from "./layers.ts";
import { describeMachine, writeRecord } from "./machine.ts";
import { startPeakMeter } from "./peak.ts";
import {
  type Bandwidth,
  contestReport,
  convolutionReport,
  floorReport,
  type Headline,
  stockReport,
  summaryOf,
} from "./report.ts";
import { type Contest, holdContest } from "./step_contest.ts";
import { countStepWork, type StepWork } from "./step_work.ts";
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
] as const satisfies readonly Option[];

/** Sizes of a run. */
interface Plan {
  readonly spatialShape: SpatialShape;
  readonly batch: number;
  readonly frames: number;
  readonly repeats: number;
  readonly threads: readonly number[];
}

const FULL = { spatialShape: [91, 109, 91], batch: 4, frames: 8, repeats: 10 } as const;
const QUICK = { spatialShape: [45, 54, 45], batch: 2, frames: 4, repeats: 3 } as const;

/** Convolutions on one number of threads. */
interface ThreadedConvolutions {
  readonly threads: number;
  readonly layers: readonly ConvolutionTimes[];
}

async function timeConvolutions(plan: Plan, threads: number): Promise<ThreadedConvolutions> {
  const engine = await selectBackend("wasm", { threads });
  const meter = await startPeakMeter(threads);
  const { batch, repeats } = plan;
  const layers: ConvolutionTimes[] = [];
  for (const layer of convolutionLayers(plan.spatialShape)) {
    const prepared = prepareLayer(layer, batch);
    const options = { prepared, batch, repeats, measurePeak: () => meter.measure() };
    for (const operation of OPERATIONS) layers.push(timeOperation(layer, operation, options));
    tf.dispose(prepared.tensors);
  }
  meter.stop();
  await engine.stop();
  return { threads, layers };
}

function skipped(what: string): void {
  console.log(`\n!!! SKIPPED: ${what}`);
}

/** Everything that was asked for, as it is kept in the record. */
interface Results {
  convolutions: ThreadedConvolutions[];
  stock: StockTimes[];
  work?: StepWork;
  bandwidths: Bandwidth[];
  contest?: Contest;
  summary?: readonly Headline[];
}

async function measure(plan: Plan, wants: (part: typeof PARTS[number]) => boolean, python: string) {
  const results: Results = { convolutions: [], stock: [], bandwidths: [] };
  if (wants("conv") || wants("stock")) {
    for (const threads of plan.threads) {
      const measured = await timeConvolutions(plan, threads);
      results.convolutions.push(measured);
      console.log("\n" + convolutionReport(measured.layers, { threads, batch: plan.batch }));
    }
  }
  if (wants("stock")) {
    const stock = await timeStockBackend(plan.spatialShape, plan);
    if (typeof stock === "string") skipped(`the stock wasm backend: ${stock}`);
    else {
      results.stock = stock;
      console.log("\n" + stockReport(stock, results.convolutions));
    }
  }
  if (wants("step") || wants("peer")) {
    await measureSteps(plan, wants("peer") ? python : null, results);
  }
  return results;
}

async function measureSteps(plan: Plan, python: string | null, results: Results) {
  const contest = await holdContest({ ...plan, python });
  for (const threads of plan.threads) {
    results.bandwidths.push({ threads, bandwidth: await measureBandwidth(threads) });
  }
  const work = await countStepWork({ ...plan, backend: "wasm", threads: undefined });
  Object.assign(results, { contest, work, summary: summaryOf(contest) });
  console.log("\n" + contestReport(contest));
  console.log("\n" + floorReport(contest, { bandwidths: results.bandwidths, work }));
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseOptions(args, OPTIONS);
  const sizes = values.quick ? QUICK : FULL;
  const cores = navigator.hardwareConcurrency;
  const plan: Plan = {
    ...sizes,
    repeats: values.repeats ?? sizes.repeats,
    frames: values.frames ?? sizes.frames,
    threads: values.threads ?? [1, 2].filter((threads) => threads <= cores),
  };
  const python = values.python ?? readEnvironment("PYTHON") ?? "python3";
  const machine = describeMachine();
  console.log(
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, Deno ${machine.deno}, V8 ` +
      `${machine.v8}; volumes of ${plan.spatialShape.join("x")}, ${plan.batch} subjects`,
  );
  const wants = (part: typeof PARTS[number]) => values.only === undefined || values.only === part;
  const results = await measure(plan, wants, python);
  const whole = values.only === undefined && !values.quick && !values["no-record"];
  if (whole) console.log("\nrecorded in", writeRecord("bench", { plan, ...results }));
}

if (import.meta.main) await main(Deno.args);
