/** The life of a run from outside: signals, divergence, locks, kills, resumption, replacement. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { RandomStream } from "../../src/base/random.ts";
import { inFolder } from "../support/folders.ts";
import { nightlyCount } from "../support/nightly.ts";
import { startRecvae } from "./run_recvae.ts";

/** A cohort so small that an epoch takes milliseconds. */
const SHAPE = [
  ...["train", "--synthetic", "--spatial", "8,8,8", "--subjects", "4", "--tol-time", "3"],
  ...["--preset", "conv", "--channels", "2,3", "--quiet"],
];
const TINY = [...SHAPE, "--fit-offsets", "3"];
/** As above, without anything to score, and at a rate at which the loss does not fall in every epoch. */
const RESTLESS = [
  ...[...TINY, "--held-out", "0", "--schedule", "constant", "--learning-rate", "0.02"],
];
/** Explodes in its fourth epoch: the rate rises from epoch to epoch. */
const EXPLODING = [
  ...[...TINY, "--epochs", "60", "--schedule", "warmup-cosine", "--learning-rate", "0.5"],
];
/** The engine of every run here: results on another one are not the same bits. */
const ENGINE = { RECVAE_BACKEND: "wasm", RECVAE_THREADS: "1" };
/** Files that are functions of the training alone. */
const TRAINED = ["weights.safetensors", "optimiser.safetensors", "history.json"];

function start(...args: string[]) {
  return startRecvae(args, ENGINE);
}

async function ended(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function recvae(...args: string[]) {
  return ended(start(...args));
}

const windows = Deno.build.os === "windows";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Waits until a file is there and holds something. */
async function appears(path: string): Promise<void> {
  for (;;) {
    const size = await Deno.stat(path).then(({ size }) => size, () => 0);
    if (size > 0) return;
    await new Promise((wait) => setTimeout(wait, 5));
  }
}

async function readJson(path: string) {
  return JSON.parse(await Deno.readTextFile(path));
}

/** Everything below a folder that is not a finished file of a run. */
async function leftovers(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await leftovers(`${folder}/${name}`));
    if (/lock|tmp|writing/.test(name)) found.push(`${folder}/${name}`);
  }
  return found;
}

async function assertSameTraining(folder: string, expected: string): Promise<void> {
  for (const name of TRAINED) {
    assertEquals(
      await Deno.readFile(`${folder}/${name}`),
      await Deno.readFile(`${expected}/${name}`),
      name,
    );
  }
}

Deno.test({
  name: "SIGTERM and SIGHUP save a checkpoint, and --resume ends in the bits of an unbroken run",
  ignore: windows,
  fn: () =>
    inFolder(async (folder) => {
      const args = [...TINY, "--epochs", "30"];
      const whole = await recvae(...args, "--out", `${folder}/whole`);
      assertEquals(whole.code, 0, whole.stderr);
      for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
        const run = `${folder}/${signal}`;
        const child = start(...args, "--out", run);
        await appears(`${run}/log.jsonl`);
        child.kill(signal);
        const stopped = await ended(child);
        assertEquals(stopped.code, code, stopped.stderr);
        assertStringIncludes(stopped.stderr, `recvae train --resume ${run}`);
        assert(await exists(`${run}/checkpoints`), `no checkpoint after ${signal}`);
        assertEquals(await leftovers(run), []);
        const resumed = await recvae("train", "--resume", run, "--quiet");
        assertEquals(resumed.code, 0, resumed.stderr);
        await assertSameTraining(run, `${folder}/whole`);
      }
    }),
});

Deno.test({
  name:
    "a closed terminal, whose error stream fails, does not keep SIGHUP from saving a checkpoint",
  ignore: windows,
  fn: () =>
    inFolder(async (folder) => {
      const run = `${folder}/run`;
      const args = TINY.filter((option) => option !== "--quiet");
      const child = start(...args, "--epochs", "5000", "--out", run);
      await appears(`${run}/log.jsonl`);
      await child.stderr.cancel();
      await child.stdout.cancel();
      const rows = (await Deno.readTextFile(`${run}/log.jsonl`)).split("\n").length;
      while ((await Deno.readTextFile(`${run}/log.jsonl`)).split("\n").length < rows + 20) {
        const over = await Promise.race([
          child.status,
          new Promise((wait) => setTimeout(wait, 20)),
        ]);
        assertEquals(over, undefined, "training ended because nobody read its progress");
      }
      child.kill("SIGHUP");
      assertEquals((await child.status).code, 129);
      assert(await exists(`${run}/checkpoints/generation-000001`));
    }),
});

Deno.test("a divergence keeps the last good epoch, reports up to there and exits with 4", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const { code, stdout, stderr } = await recvae(...EXPLODING, "--out", run);
    assertEquals(code, 4, stderr);
    assertMatch(stderr, /diverged: .+ is (NaN|-?Infinity) in epoch 4, batch \d \(subjects \d\)/);
    assertMatch(stderr, /lower the learning rate \(it was 0\.333\)/);
    assert(!/clip/.test(stderr), "clipping is on already");
    assertMatch(stderr, /The scans of that batch: sub-(CN|AD)\d\d/);
    assertStringIncludes(stderr, `The last good epoch, 2, is kept; go on from it with: recvae`);
    assertStringIncludes(stderr, `--resume ${run} --learning-rate 0.05\n`);
    assertStringIncludes(stdout, "Training  2 of 60 epochs");
    assertStringIncludes(stdout, "Diverged  in epoch 4 of 60");
    assert(await exists(`${run}/report.html`));
    assertEquals((await readJson(`${run}/config.json`)).__epoch__, 2);
    assertEquals((await readJson(`${run}/history.json`)).length, 2);
    assertEquals((await readJson(`${run}/summary.json`)).training.ended, "diverged");
    assertEquals(
      await Deno.readFile(`${run}/weights.safetensors`),
      await Deno.readFile(`${run}/checkpoints/generation-000001/weights.safetensors`),
    );
    const scored = await recvae("evaluate", run, "--json");
    assertEquals(scored.code, 0, scored.stderr);

    const again = await recvae("train", "--resume", run, "--quiet");
    assertEquals(again.code, 4, "the same settings explode in the same place");
    const lower = ["--learning-rate", "0.005", "--epochs", "8", "--quiet"];
    const resumed = await recvae("train", "--resume", run, ...lower);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertStringIncludes(resumed.stdout, "Training  8 of 8 epochs");
    const history = await readJson(`${run}/history.json`);
    const rates = history.map(({ learningRate }: { learningRate: number }) => learningRate);
    assertEquals(rates.length, 8);
    assert(rates[1] > 0.1 && rates[2] <= 0.005, `${rates}`);
    assertEquals((await readJson(`${run}/config.json`)).learningRate, 0.005, "it stays changed");
  }));

Deno.test("a divergence in the first epoch says so, and a lower rate starts from the beginning", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const args = ["--epochs", "3", "--learning-rate", "10000", "--out", run];
    const { code, stdout, stderr } = await recvae(...TINY, ...args);
    assertEquals([code, stdout], [4, ""], stderr);
    assertStringIncludes(stderr, "No epoch was finished; start again with: recvae train --resume");
    const lower = await recvae("train", "--resume", run, "--learning-rate", "0.005", "--quiet");
    assertEquals(lower.code, 0, lower.stderr);
    const fresh = [...TINY, "--epochs", "3", "--learning-rate", "0.005"];
    assertEquals((await recvae(...fresh, "--out", `${folder}/fresh`)).code, 0);
    await assertSameTraining(run, `${folder}/fresh`);
  }));

Deno.test({
  name:
    "a second program with one folder is refused by name; a killed one leaves no lock that holds",
  ignore: windows,
  fn: () =>
    inFolder(async (folder) => {
      const run = `${folder}/run`;
      const args = [...TINY, "--epochs", "5000", "--out", run];
      const first = start(...args);
      try {
        await appears(`${run}/log.jsonl`);
        const others = [
          [...TINY, "--epochs", "1", "--out", run],
          [...TINY, "--epochs", "1", "--out", run, "--force"],
          ["train", "--resume", run],
        ];
        for (const other of others) {
          const { code, stderr } = await recvae(...other);
          assertEquals(code, 3, stderr);
          assertStringIncludes(
            stderr,
            `another program is at work in it (process ${first.pid} since`,
          );
          assertStringIncludes(stderr, "--epochs 5000");
        }
      } finally {
        first.kill("SIGKILL");
        await first.output();
      }
      assert(await exists(`${run}/run.lock`), "the killed program could not tidy up");
      const before = await Deno.readTextFile(`${run}/log.jsonl`);
      const next = start("train", "--resume", run, "--quiet");
      while (await Deno.readTextFile(`${run}/log.jsonl`) === before) {
        await new Promise((wait) => setTimeout(wait, 5));
      }
      next.kill("SIGINT");
      const { code, stderr } = await ended(next);
      assertEquals(code, 130, stderr);
      assertEquals(await leftovers(run), []);
    }),
});

Deno.test("of two programs that start at once with one folder, one trains", () =>
  inFolder(async (folder) => {
    const args = [...TINY, "--epochs", "40", "--out", `${folder}/run`];
    const pair = await Promise.all([recvae(...args), recvae(...args)]);
    const codes = pair.map(({ code }) => code).sort();
    const [refused] = pair.filter(({ code }) => code !== 0);
    assertEquals(codes[0], 0, refused?.stderr);
    assertNotEquals(codes[1], 0, "both trained into one folder");
    assertMatch(refused.stderr, /another program is at work in it|holds a run/);
    assertEquals((await readJson(`${folder}/run/history.json`)).length, 40);
  }));

Deno.test({
  name:
    "Ctrl-C while results are written says that training is saved, and --resume writes the rest",
  ignore: windows,
  fn: () =>
    inFolder(async (folder) => {
      const run = `${folder}/run`;
      const slow = [...SHAPE, "--fit-offsets", "200000"];
      const child = start(...slow, "--epochs", "2", "--out", run);
      await appears(`${run}/config.json`);
      while (!await exists(`${run}/version.json`)) await new Promise((wait) => setTimeout(wait, 5));
      await new Promise((wait) => setTimeout(wait, 300));
      child.kill("SIGINT");
      const { code, stderr } = await ended(child);
      assertEquals(code, 130, stderr);
      assertStringIncludes(stderr, "Training has ended and is saved");
      assertStringIncludes(stderr, `recvae train --resume ${run}`);
      assertEquals(await leftovers(run), []);
      assert(!await exists(`${run}/summary.txt`));
      const weights = await Deno.readFile(`${run}/weights.safetensors`);
      const config = await readJson(`${run}/config.json`);
      config.training.fitOffsets = 3;
      await Deno.writeTextFile(`${run}/config.json`, JSON.stringify(config));
      const rest = await recvae("train", "--resume", run, "--quiet");
      assertEquals(rest.code, 0, rest.stderr);
      assertEquals(await Deno.readFile(`${run}/weights.safetensors`), weights);
      assert(await exists(`${run}/report.html`));
    }),
});

Deno.test("a finished run says so and changes nothing; more epochs go on, fewer are refused", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    assertEquals((await recvae(...TINY, "--epochs", "4", "--out", run)).code, 0);
    const before = await Deno.stat(`${run}/weights.safetensors`);
    const again = await recvae("train", "--resume", run, "--json");
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stderr, "is finished: 4 epochs");
    assertStringIncludes(again.stderr, "--epochs N with N above 4");
    assertEquals(JSON.parse(again.stdout).training.epochs, 4);
    const after = await Deno.stat(`${run}/weights.safetensors`);
    assertEquals([after.ino, after.mtime], [before.ino, before.mtime], "nothing was written");
    const fewer = await recvae("train", "--resume", run, "--epochs", "3");
    assertEquals(fewer.code, 2);
    assertStringIncludes(fewer.stderr, "4 epochs are trained or begun already");
    const more = await recvae("train", "--resume", run, "--epochs", "6", "--quiet");
    assertEquals(more.code, 0, more.stderr);
    assertStringIncludes(more.stdout, "6 of 6 epochs");
  }));

Deno.test({
  name: "--epochs and --checkpoint-every given once stay with the run",
  ignore: windows,
  fn: () =>
    inFolder(async (folder) => {
      const run = `${folder}/run`;
      const first = [...TINY, "--epochs", "3", "--checkpoint-every", "2", "--out", run];
      assertEquals((await recvae(...first)).code, 0);
      const generations = async () =>
        (await Array.fromAsync(Deno.readDir(`${run}/checkpoints`))).map(({ name }) => name).sort();
      assertEquals(await generations(), ["generation-000001"]);
      const longer = start("train", "--resume", run, "--epochs", "150", "--quiet");
      await appears(`${run}/checkpoints/generation-000004/manifest.json`);
      longer.kill("SIGTERM");
      assertEquals((await ended(longer)).code, 143);
      const config = await readJson(`${run}/config.json`);
      assertEquals([config.epochs, config.training.checkpointEvery], [150, 2]);
      const rest = await recvae("train", "--resume", run, "--quiet");
      assertEquals(rest.code, 0, rest.stderr);
      assertStringIncludes(rest.stdout, "150 of 150 epochs");
      // Every second epoch up to 150, the signal and the end; three are kept.
      const last = Number((await generations()).at(-1)!.slice(-6));
      assert(last >= 75 && last <= 77, `${last}`);
    }),
});

Deno.test("an end that was saved in part does not keep the run from going on", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const args = [...TINY, "--checkpoint-every", "2"];
    assertEquals((await recvae(...args, "--epochs", "4", "--out", run)).code, 0);
    const optimiser = await Deno.readFile(`${run}/optimiser.safetensors`);
    assertEquals((await recvae("train", "--resume", run, "--epochs", "6", "--quiet")).code, 0);
    // As if the program had been killed between two files of its end.
    await Deno.writeFile(`${run}/optimiser.safetensors`, optimiser);
    const rest = await recvae("train", "--resume", run, "--epochs", "8", "--quiet");
    assertEquals(rest.code, 0, rest.stderr);
    assertStringIncludes(rest.stderr, "Going on from the newest checkpoint");
    assertStringIncludes(rest.stdout, "8 of 8 epochs");
  }));

const KILLS = nightlyCount(6, 2);

Deno.test(`after ${KILLS} kills at random moments a run still ends in the bits of an unbroken one`, () =>
  inFolder(async (folder) => {
    const args = [...RESTLESS, "--epochs", "60", "--checkpoint-every", "4", "--patience", "60"];
    assertEquals((await recvae(...args, "--out", `${folder}/whole`)).code, 0);
    const run = `${folder}/run`;
    const moments = RandomStream.fromSeed(2022).split("moments of kills").uniforms64(KILLS);
    for (const [life, moment] of [...moments].entries()) {
      const resume = ["train", "--resume", run, "--quiet"];
      const child = life === 0 ? start(...args, "--out", run) : start(...resume);
      await appears(`${run}/config.json`);
      await new Promise((wait) => setTimeout(wait, 2000 * moment));
      try {
        child.kill("SIGKILL");
      } catch { /* it has finished */ }
      await ended(child);
    }
    const rest = await recvae("train", "--resume", run, "--quiet");
    assertEquals(rest.code, 0, rest.stderr);
    await assertSameTraining(run, `${folder}/whole`);
    assertEquals(await leftovers(run), []);
  }));

Deno.test("--keep-best and --patience end with the best epoch's weights and say which epoch that is", () =>
  inFolder(async (folder) => {
    const train = async (name: string, ...more: string[]) => {
      const { code, stdout, stderr } = await recvae(
        ...RESTLESS,
        ...more,
        "--out",
        `${folder}/${name}`,
      );
      assertEquals(code, 0, stderr);
      return stdout;
    };
    const weights = (name: string) => Deno.readFile(`${folder}/${name}/weights.safetensors`);
    const shown = await train("best", "--epochs", "11", "--keep-best");
    const history: { loss: number }[] = await readJson(`${folder}/best/history.json`);
    const losses = history.map(({ loss }) => loss);
    const best = losses.indexOf(Math.min(...losses)) + 1;
    assert(best < 11, "the last epoch must not be the best one here");
    assertStringIncludes(shown, `Weights   of epoch ${best} of 11, the best by mean training loss`);
    assertEquals((await readJson(`${folder}/best/summary.json`)).training.weightsOf, best);
    await train("short", "--epochs", String(best));
    const tensors = (bytes: Uint8Array) => bytes.slice(bytes.length - 1000);
    assertEquals(tensors(await weights("best")), tensors(await weights("short")));

    const stopped = await train("patient", "--epochs", "50", "--patience", "3");
    assertMatch(stopped, /Stopped {3}early: the training loss did not fall for 3 epochs/);
    const { training } = await readJson(`${folder}/patient/summary.json`);
    assertEquals(training.weightsOf, training.epochs - 3);
    const again = await recvae("train", "--resume", `${folder}/patient`);
    assertStringIncludes(again.stderr, "ended by --patience");
    const longer = ["--patience", "30", "--epochs", "22", "--quiet"];
    const resumed = await recvae("train", "--resume", `${folder}/patient`, ...longer);
    assertEquals(resumed.code, 0, resumed.stderr);
    await train("unbroken", "--epochs", "22", "--patience", "30");
    await assertSameTraining(`${folder}/patient`, `${folder}/unbroken`);
  }));

Deno.test("--force replaces what a run wrote, and nothing else", () =>
  inFolder(async (folder) => {
    const foreign = `${folder}/foreign`;
    await Deno.mkdir(`${foreign}/figures`, { recursive: true });
    await Deno.writeTextFile(`${foreign}/config.json`, '{"mine": 1}');
    await Deno.writeTextFile(`${foreign}/figures/loss.svg`, "mine");
    for (const force of [[], ["--force"]]) {
      const { code, stderr } = await recvae(...TINY, "--epochs", "1", "--out", foreign, ...force);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, "holds no run of recvae");
    }
    assertEquals(await Deno.readTextFile(`${foreign}/figures/loss.svg`), "mine");

    const run = `${folder}/run`;
    assertEquals((await recvae(...TINY, "--epochs", "2", "--out", run)).code, 0);
    await Deno.writeTextFile(`${run}/figures/own.svg`, "mine");
    await Deno.writeTextFile(`${run}/notes.txt`, "mine");
    await Deno.writeTextFile(`${run}/latents/old_latents.tsv`, "of scans that are gone");
    const replaced = await recvae(...TINY, "--epochs", "1", "--out", run, "--force");
    assertEquals(replaced.code, 0, replaced.stderr);
    assertEquals((await readJson(`${run}/history.json`)).length, 1);
    assertEquals(await Deno.readTextFile(`${run}/figures/own.svg`), "mine");
    assertEquals(await Deno.readTextFile(`${run}/notes.txt`), "mine");
    assert(!await exists(`${run}/latents/old_latents.tsv`));
  }));

Deno.test("a file is no folder for a run, and a folder without a run cannot be resumed", () =>
  inFolder(async (folder) => {
    const file = `${folder}/file`;
    await Deno.writeTextFile(file, "text");
    const out = await recvae(...TINY, "--epochs", "1", "--out", file);
    assertEquals(out.code, 2);
    assertStringIncludes(out.stderr, "is a file; --out needs a folder");
    await Deno.writeTextFile(`${folder}/config.json`, "hi");
    for (const run of [file, folder]) {
      const { code, stderr } = await recvae("train", "--resume", run);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, "--resume needs the folder of a run");
      assert(!stderr.includes("os error"), stderr);
    }
    assert(!await exists(`${folder}/run.lock`));
  }));

Deno.test("latents that collapsed are noted, and no time constants are given for them", () =>
  inFolder(async (folder) => {
    const flat = ["--epochs", "1", "--learning-rate", "1e-9", "--temporal-loss", "kl"];
    const run = `${folder}/run`;
    const { code, stdout, stderr } = await recvae(
      ...[...TINY, ...flat, "--sig-h", "500", "--kl-weight", "7", "--out", run],
    );
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /Note {6}.*held-out scans no better|Note {6}The latents collapsed/);
    assert(!/time constant \d/.test(stdout), stdout);
    assertNotEquals((await readJson(`${run}/summary.json`)).noDynamics, null);
  }));
