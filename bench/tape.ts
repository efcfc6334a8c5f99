/**
 * Training steps by tape of six models beside PyTorch in one run: forward, backward, AdamW, dropout on.
 *
 *   deno task bench:tape
 *   deno task bench:tape --python /path/to/python     Python with PyTorch; also the variable PYTHON
 *   deno task bench:tape --compile                    PyTorch through torch.compile too (minutes)
 *   deno task bench:tape --only conv1d                one model
 *   deno task bench:tape --show FILE                  the tables of a record
 *
 * Every contestant is a process of its own; in each round each of them runs steps for a tenth of a second, and the
 * multiply–add peak is measured. Without PyTorch the comparison is skipped, loudly.
 */
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { ownProgram } from "../src/deps/node_child_process.ts";
import { readEnvironment } from "../src/deps/environment.ts";
import { describeMachine, type Machine, writeRecord } from "./machine.ts";
import { type PeakMeter, startPeakMeter } from "./peak.ts";
import { type LinePeer, startPeer } from "./peers/child_lines.ts";
import { type ModelKind, MODELS } from "./tape_models.ts";
import { type ModelTimes, tapeReport, type TapeResults, type TapeTimes } from "./tape_report.ts";
import type { TapeGreeting } from "./tape_step.ts";

const OPTIONS = [
  { name: "only", kind: "choice", choices: MODELS.map(({ name }) => name), help: "" },
  { name: "python", kind: "text", help: "" },
  { name: "compile", kind: "flag", help: "" },
  { name: "threads", kind: "integers", min: 1, help: "" },
  { name: "rounds", kind: "integer", min: 1, help: "" },
  { name: "no-record", kind: "flag", help: "" },
  { name: "show", kind: "text", help: "" },
] as const satisfies readonly Option[];

const ROUNDS = 10;
/** Time for a contestant's threads to fall asleep before the next one's steps. */
const PAUSE_MS = 50;
/** Exit status of torch_tape.py without PyTorch. */
const NOT_INSTALLED = 77;

interface Plan {
  readonly threads: readonly number[];
  readonly rounds: number;
  /** Null: there is none. */
  readonly python: string | null;
  readonly compile: boolean;
}

interface Runner {
  readonly peer: LinePeer;
  readonly found: { -readonly [Field in keyof TapeTimes]: TapeTimes[Field] } & { times: number[] };
}

function pathOf(file: string): string {
  return new URL(file, import.meta.url).pathname;
}

async function greeted<Greeting>(peer: LinePeer, who: string): Promise<Greeting> {
  const greeting = await peer.next();
  if (greeting === null) throw new Error(`${who} ended: ${peer.complaints()}`);
  return greeting as Greeting;
}

async function ownRunner({ name }: ModelKind, threads: number): Promise<Runner> {
  const script = pathOf("tape_step.ts");
  const flags = ["--quiet", "--no-lock", "--allow-read", "--allow-env", "--allow-sys"];
  const peer = startPeer(ownProgram(), ["run", ...flags, script, name, String(threads)])!;
  const greeting = await greeted<TapeGreeting>(peer, "our own step");
  return { peer, found: { name: "recvae", isOwn: true, threads, times: [], memory: 0, greeting } };
}

async function torchRunner(
  { name, sizes }: ModelKind,
  { python, threads, compile }: { python: string; threads: number; compile: boolean },
): Promise<Runner> {
  const { batch, length, layers, width, heads, features } = sizes;
  const flags = ["--model", name, "--threads", String(threads), ...(compile ? ["--compile"] : [])];
  const numbers = [batch, length, layers, width, heads, features].join(",");
  const script = pathOf("peers/torch_tape.py");
  const peer = startPeer(python, ["-W", "ignore", script, "--sizes", numbers, ...flags])!;
  const { version, mode } = await greeted<{ version: string; mode: string }>(peer, "PyTorch");
  const title = `PyTorch ${version} ${mode}`;
  return { peer, found: { name: title, isOwn: false, threads, times: [], memory: 0 } };
}

async function measureModel(
  kind: ModelKind,
  { threads, rounds, python, compile }: Plan,
  meters: readonly PeakMeter[],
): Promise<ModelTimes> {
  const runners: Runner[] = [];
  for (const count of threads) {
    runners.push(await ownRunner(kind, count));
    for (const compiled of python === null ? [] : compile ? [false, true] : [false]) {
      runners.push(
        await torchRunner(kind, { python: python!, threads: count, compile: compiled }),
      );
    }
  }
  const peaks = threads.map((count) => ({ threads: count, rounds: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    meters.forEach((meter, i) => peaks[i].rounds.push(meter.measure()));
    for (const { peer, found } of runners) {
      const answer = await peer.ask();
      if (answer === null) throw new Error(`${found.name} ended: ${peer.complaints()}`);
      found.times.push(Number(answer.ms));
      found.memory = Number(answer.rss_mib_peak);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  for (const { peer } of runners) await peer.stop();
  const { name, title, sizes } = kind;
  return { name, title, sizes, peaks, contestants: runners.map(({ found }) => found) };
}

/** The program's name if it has PyTorch; else says what is missing. */
async function withTorch(python: string): Promise<string | null> {
  const peer = startPeer(python, [
    "-c",
    `try: import torch\nexcept ImportError: exit(${NOT_INSTALLED})`,
  ]);
  const status = peer === null ? null : await peer.stop();
  if (status === 0) return python;
  const why = status === null ? `there is no program "${python}"` : `"${python}" has no PyTorch`;
  console.log(
    `\n!!! SKIPPED PyTorch: ${why}; install it (pip install torch) and name its Python with --python`,
  );
  return null;
}

function headLine({ processor, cores, system, deno, v8 }: Machine): string {
  return `${processor}, ${cores} cores, ${system}, Deno ${deno}, V8 ${v8}\n`;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseOptions(args, OPTIONS);
  if (values.show) {
    const record: TapeResults & { machine: Machine } = JSON.parse(
      Deno.readTextFileSync(values.show),
    );
    console.log(headLine(record.machine));
    return console.log(tapeReport(record));
  }
  const cores = navigator.hardwareConcurrency;
  const threads = values.threads ?? [1, 2].filter((count) => count <= cores);
  const python = await withTorch(values.python ?? readEnvironment("PYTHON") ?? "python3");
  const plan = { threads, rounds: values.rounds ?? ROUNDS, python, compile: values.compile };
  const meters: PeakMeter[] = [];
  for (const count of threads) meters.push(await startPeakMeter(count));
  const models: ModelTimes[] = [];
  for (const kind of MODELS.filter(({ name }) => (values.only ?? name) === name)) {
    console.error(`measuring ${kind.title} …`);
    models.push(await measureModel(kind, plan, meters));
  }
  for (const meter of meters) meter.stop();
  console.log(headLine(describeMachine()));
  console.log(tapeReport({ models }));
  const whole = values.only === undefined && !values["no-record"];
  if (whole) console.log("\nrecorded in", writeRecord("tape", { models }));
}

if (import.meta.main) await main(Deno.args);
