/**
 * Seeded edits of the files of a run: values of other kinds, huge and negative ones, fields removed, renamed
 * and repeated, text cut, bytes flipped. What reads a run must go on with it or refuse it with an error that says
 * so; an error of JavaScript, or a loop that believes a huge number, fails the test.
 */
import { LaggedTraining } from "../../src/models/recurrent_vae/lagged/lagged_training.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { runTraining } from "../../src/training/loop.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { RecvaeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { allCommands } from "../../src/cli/commands.ts";
import { parseOptions } from "../../src/cli/options.ts";
import { UsageError } from "../../src/pipelines/option_table.ts";
import { openRun } from "../../src/pipelines/recurrent_vae/trained_model.ts";
import { assert, assertEquals, assertGreater } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { fit } from "../../src/pipelines/recurrent_vae/fit.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { readRun, trainingStateOf } from "../../src/training/run_folder.ts";
import { recvae } from "../cli/run_recvae.ts";
import { inFolder } from "../support/folders.ts";
import { editedJson } from "../support/json_edits.ts";
import { nightlyCount } from "../support/nightly.ts";
import { mutant } from "../support/mutations.ts";

const COUNT = nightlyCount(2000, 200);
const SHAPE = [6, 7, 5] as const;
const FRAMES = 4;

/** Four short scans that differ. */
function writeScans(folder: string): string[] {
  return [1, 2, 3, 4].map((subject) => {
    const values = Float32Array.from(
      { length: 210 * FRAMES },
      (_, i) => 100 + 10 * Math.sin(subject * i) + i % 7,
    );
    const path = `${folder}/sub-0${subject}_bold.nii`;
    Deno.writeFileSync(path, writeNifti(values, { spatialShape: SHAPE, frames: FRAMES }));
    return path;
  });
}

/** Trains on files, and on a synthetic cohort: their config.json differ. */
async function trainBoth(folder: string, scans: readonly string[]): Promise<string[]> {
  const common = ["--latent-dim=2", "--enc-out-dim=4", "--epochs=2", "--fit-offsets=0", "--quiet"];
  const runs = [`${folder}/files`, `${folder}/synthetic`];
  const size = [
    "--normalization=batch",
    "--batch-size=2",
    `--spatial=${SHAPE}`,
    `--tol-time=${FRAMES}`,
    "--subjects=4",
  ];
  for (const [i, data] of [scans, ["--synthetic", ...size]].entries()) {
    const args = ["--checkpoint-every=1", `--out=${runs[i]}`];
    const { code, stderr } = await recvae("train", ...data, ...common, ...args);
    assertEquals(code, 0, stderr);
  }
  return runs;
}

/** Files of a run that are read back, by how they are edited. */
const JSON_FILES = ["random.json", "normalisation.json", "version.json", "history.json"];
const TENSOR_FILES = ["weights.safetensors", "optimiser.safetensors", "training.safetensors"];

/** Chooses a file and edits it; gives its name. */
function edit(folder: string, index: number): string {
  const random = RandomStream.fromSeed(7).split("run").split(index);
  const editText = (name: string) => {
    const text = Deno.readTextFileSync(`${folder}/${name}`);
    Deno.writeTextFileSync(`${folder}/${name}`, editedJson(text, random));
    return name;
  };
  const pick = (names: readonly string[]) => names[random.integer(names.length)];
  switch (random.integer(8)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return editText("config.json");
    case 4:
      return editText(pick(JSON_FILES));
    case 5: {
      const name = pick([...TENSOR_FILES, ...JSON_FILES, "config.json", "log.jsonl"]);
      Deno.writeFileSync(
        `${folder}/${name}`,
        mutant(Deno.readFileSync(`${folder}/${name}`), index),
      );
      return name;
    }
    case 6:
      return editCheckpoint(folder, random, index);
    default: {
      const name = pick(TENSOR_FILES);
      const bytes = Deno.readFileSync(`${folder}/${name}`);
      Deno.writeFileSync(`${folder}/${name}`, editedTensors(bytes, random));
      return name;
    }
  }
}

/** Damages the newest checkpoint. */
function editCheckpoint(folder: string, random: RandomStream, index: number): string {
  const [newest] = [...Deno.readDirSync(`${folder}/checkpoints`)].map(({ name }) => name).sort()
    .reverse();
  const generation = `${folder}/checkpoints/${newest}`;
  const names = [...Deno.readDirSync(generation)].map(({ name }) => name).sort();
  const name = names[random.integer(names.length)];
  const path = `${generation}/${name}`;
  if (name === "manifest.json") {
    Deno.writeTextFileSync(path, editedJson(Deno.readTextFileSync(path), random));
  } else Deno.writeFileSync(path, mutant(Deno.readFileSync(path), index));
  return `checkpoints/${newest}/${name}`;
}

/** A whole safetensors file with other content: metadata, element types, values, names, shapes. */
function editedTensors(bytes: Uint8Array, random: RandomStream): Uint8Array {
  const { tensors, metadata } = readSafetensors(bytes);
  const entries: [string, NdArray<NumericArray>][] = [...tensors].map(([name, tensor]) => [
    name,
    { data: tensor.data, shape: tensor.shape },
  ]);
  const at = random.integer(entries.length);
  const [name, { data, shape }] = entries[at];
  const keys = Object.keys(metadata);
  const changed = { ...metadata };
  switch (random.integer(6)) {
    case 0:
    case 1: {
      const key = keys[random.integer(keys.length)];
      changed[key] = editedJson(metadata[key], random);
      break;
    }
    case 2:
      entries[at] = [name, { data: new BigInt64Array(data.length).fill(-1n), shape }];
      break;
    case 3: {
      const value = [NaN, Infinity, 1e30, 0.5][random.integer(4)];
      entries[at] = [name, { data: new Float64Array(data.length).fill(value), shape }];
      break;
    }
    case 4:
      entries[at] = [`${name}x`, { data, shape }];
      break;
    default:
      entries[at] = [name, { data, shape: [data.length, 1] }];
  }
  return writeSafetensors(entries, { metadata: changed });
}

/** Runs a command in this process, without its output. */
async function quietly(name: string, args: readonly string[]): Promise<void> {
  const command = allCommands().find((command) => command.name === name)!;
  const { log, error } = console;
  console.log = console.error = () => {};
  try {
    await command.run(parseOptions(args, [...command.options]));
  } finally {
    Object.assign(console, { log, error });
  }
}

/** Goes on with a finished run in the library: its state is taken over, and there is nothing left to do. */
async function goOn(folder: string): Promise<void> {
  const { stop } = await selectBackend("cpu");
  try {
    const run = await openRun(folder);
    const state = trainingStateOf(await readRun(folder));
    const model = run.model();
    const optimiser = createOptimiser("adamw", model.variables);
    const loader = { subjects: model.subjects, *batches() {} };
    if (!state) return;
    if (model instanceof RecurrentVae) {
      await fit(model, loader, { epochs: 2, optimiser, resumeFrom: state });
      return;
    }
    const schedule = createSchedule("constant", { learningRate: 1e-3, epochs: 2 });
    const options = { epochs: 2, optimiser, schedule, resumeFrom: state };
    await runTraining(new LaggedTraining(model), loader, options);
  } finally {
    await stop();
  }
}

/** Everything that reads a run. The last one writes into it. */
const READERS: [name: string, read: (run: string, scan: string) => Promise<void>][] = [
  ["go on", (run) => goOn(run)],
  ["inspect", (run) => quietly("inspect", [run, "--json"])],
  ["encode", (run, scan) => quietly("encode", [run, scan, "--json", "--backend=cpu"])],
  [
    "evaluate",
    (run) => quietly("evaluate", [run, "--fit-offsets=0", "--json", "--backend=cpu"]),
  ],
  [
    "resume",
    (run) =>
      quietly("train", [
        `--resume=${run}`,
        "--epochs=2",
        "--quiet",
        "--json",
        "--backend=cpu",
      ]),
  ],
];

Deno.test(`${COUNT} edits of a run's files are refused by name, or the run is used as it stands`, () =>
  inFolder(async (folder) => {
    const scans = writeScans(folder);
    const runs = await trainBoth(folder, scans);
    const copy = `${folder}/edited`;
    const copies = new Map(runs.map((run) => [run, `${run}-kept`]));
    for (const [run, kept] of copies) copyFolder(run, kept);
    const refusals = new Map(READERS.map(([name]) => [name, 0]));
    for (let index = 0; index < COUNT; index++) {
      // To resume a run writes into it, so that it needs a copy and takes its turn less often.
      const turn = index % 32;
      const [name, read] = READERS[turn === 31 ? 4 : turn % 4];
      const pristine = runs[Math.floor(index / 32) % 2];
      const run = name === "resume" ? copy : pristine;
      if (name === "resume") copyFolder(pristine, copy);
      const file = edit(run, index);
      try {
        await read(run, scans[0]);
      } catch (error) {
        const typed = error instanceof RecvaeError || error instanceof UsageError;
        const stack = error instanceof Error ? error.stack : error;
        assert(typed, `edit ${index} of ${file}, ${name}: ${stack}`);
        refusals.set(name, refusals.get(name)! + 1);
      }
      if (name === "resume") Deno.removeSync(copy, { recursive: true });
      else Deno.copyFileSync(`${copies.get(run)}/${file}`, `${run}/${file}`);
    }
    for (const [name, count] of refusals) assertGreater(count, COUNT / 100, name);
  }));

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}
