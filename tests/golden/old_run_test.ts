/** Runs that version 0.1.0 wrote (fixtures/run_0.1.0/SOURCES.md): read, resumed to the same bits, and scored alike. */
import { assertEquals } from "../../src/deps/std.ts";
import { readRunOnDisk } from "../../src/pipelines/families.ts";
import { assertClose } from "../support/closeness.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "../cli/run_recvae.ts";

const RUNS = new URL("fixtures/run_0.1.0/", import.meta.url).pathname;
/** Numbers that are functions of the training alone. */
const TRAINED = ["weights.safetensors", "optimiser.safetensors"];
/** Of a score: they are float64 sums of float32 frames. */
const SCORE_TOLERANCE = 1e-6;

/** Settings of the runs that no option gave: the defaults and the default preset of 0.1.0. */
const MODEL = {
  ...{ encOutDim: 12, latentDim: 4, zDim: 4, tolTime: 5, spatialShape: [8, 9, 8] },
  ...{ sigX: 0.1, sigH: 1, sigZ: 0.01, rho: 0.1, lambdaZ: 0.1, klWeight: 1 },
  ...{ batchSize: 1, learningRate: 0.005, epochs: 30, seed: 2022 },
  ...{ ridgePenalty: "v2", temporalLoss: "squared", normalization: "group" },
  ...{ outputActivation: "tanh", initialState: "zeros" },
  ...{ channels: [2, 3], decoderChannels: [3, 2] },
};
const TRAINING = { optimiser: "adamw", schedule: "constant", fitOffsets: 3, clipNorm: 10 };
const DATA = {
  kind: "synthetic",
  synthetic: { nCn: 2, nAd: 2, frames: 5, spatialShape: [8, 9, 8] },
  ...{ groupBy: "subject", scaling: "train-residual", heldOut: 0.25 },
};

/** Runs a body with a run of the fixtures that may be written to. */
function withRun(name: string, body: (run: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    const run = `${folder}/${name}`;
    await copyFolder(`${RUNS}${name}`, run);
    await body(run);
  });
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await recvae(...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

/** The plain engine computes the same bits on every machine. */
async function assertSameBits(run: string, expected: string): Promise<void> {
  for (const name of TRAINED) {
    const [found, wanted] = [`${run}/${name}`, `${RUNS}${expected}/${name}`];
    assertEquals(await Deno.readFile(found), await Deno.readFile(wanted), name);
  }
  assertHolds(
    await readJson(`${run}/history.json`),
    await readJson(`${RUNS}${expected}/history.json`),
  );
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** Fails unless everything expected is there, number for number within `tolerance`; there may be more fields. */
function assertHolds(found: unknown, expected: unknown, tolerance = 0, what = "value"): void {
  if (typeof expected === "number") {
    assertClose([found as number], [expected], { tolerance, what });
  } else if (typeof expected === "object" && expected !== null) {
    if (Array.isArray(expected)) assertEquals((found as unknown[]).length, expected.length, what);
    for (const [key, value] of Object.entries(expected)) {
      assertHolds((found as Record<string, unknown>)[key], value, tolerance, `${what}.${key}`);
    }
  } else assertEquals(found, expected, what);
}

Deno.test("a run of 0.1.0 is read with the settings it was trained with", () => {
  for (const name of ["killed", "whole"]) {
    const { pipeline, config } = readRunOnDisk(`${RUNS}${name}`);
    assertEquals(pipeline.family, "recurrent-vae");
    const { model, training, data } = config as Record<string, Record<string, unknown>>;
    const { preset: _name, ...settings } = training;
    assertEquals({ model, settings, data }, { model: MODEL, settings: TRAINING, data: DATA });
  }
});

Deno.test("inspect tells the facts of a run of 0.1.0", async () => {
  const facts = JSON.parse(await done("inspect", `${RUNS}whole`, "--json"));
  const { kind, epochs, spatialShape, frames, latentDim, channels, subjects } = facts;
  assertEquals({ kind, epochs, spatialShape, frames, latentDim, channels, subjects }, {
    ...{ kind: "run of recvae train", epochs: "30 of 30", spatialShape: [8, 9, 8], frames: 5 },
    ...{ latentDim: 4, channels: [2, 3], subjects: 2 },
  });
});

Deno.test("a run of 0.1.0 that was killed is resumed to the bits that 0.1.0 came to", async () => {
  await withRun("killed", async (run) => {
    await done("train", "--resume", run, "--quiet");
    await assertSameBits(run, "whole");
  });
});

Deno.test("a run of 0.1.0 goes on to more epochs, in the bits that 0.1.0 came to", async () => {
  await withRun("whole", async (run) => {
    await done("train", "--resume", run, "--epochs", "40", "--quiet");
    await assertSameBits(run, "longer");
  });
});

Deno.test("a run of 0.1.0 is evaluated with the figures of 0.1.0", async () => {
  const found = JSON.parse(await done("evaluate", `${RUNS}whole`, "--json"));
  assertHolds(found, await readJson(`${RUNS}evaluate.json`), SCORE_TOLERANCE);
});
