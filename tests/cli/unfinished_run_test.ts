/** What the program says of runs that stopped, diverged, are at work, were copied or hold a foreign file. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { useDisk } from "../../src/files/disk.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";
import { recvae, startRecvae } from "./run_recvae.ts";

const TINY = [
  ...["train", "--synthetic", "--spatial", "8,8,8", "--subjects", "4", "--tol-time", "3"],
  ...["--preset", "conv", "--channels", "2,3", "--fit-offsets", "1", "--quiet"],
];
const ORIGINAL = TINY.map((word) => word === "conv" ? "original" : word);

Deno.test({
  name: "a run at work and a stopped one are called so, with how far they are and how to go on",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const run = `${folder}/run`;
      const more = ["--epochs", "50000", "--checkpoint-every", "1", "--out", run];
      const child = startRecvae([...TINY, ...more]);
      const checkpoint = `${run}/checkpoints/generation-000001/manifest.json`;
      while (!await Deno.stat(checkpoint).then(() => true, () => false)) {
        await new Promise((wait) => setTimeout(wait, 20));
      }
      const working = await recvae("inspect", run);
      child.kill("SIGINT");
      await child.output();
      assertEquals(working.code, 0, working.stderr);
      assertStringIncludes(working.stdout, `at work in it (process ${child.pid}`);
      const stopped = await recvae("inspect", run, "--json");
      assertEquals(stopped.code, 0, stopped.stderr);
      const { epochs, state } = JSON.parse(stopped.stdout);
      assertMatch(epochs, /^[1-9]\d* of 50000$/);
      assertEquals(state, `stopped; go on with: recvae train --resume ${run}`);
      for (const args of [["evaluate", run], ["encode", run, "--out", `${folder}/x`]]) {
        const { code, stderr } = await recvae(...args);
        assertEquals(code, 3, stderr);
        assertStringIncludes(stderr, `not finished, ${epochs} epochs are saved`);
        assertStringIncludes(stderr, `recvae train --resume ${run}`);
      }
    }),
});

Deno.test("a foreign config.json is refused by its field, or as one of another run", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    assertEquals((await recvae(...TINY, "--epochs", "1", "--out", run)).code, 0);
    const config = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    const put = (changes: object) =>
      Deno.writeTextFileSync(`${run}/config.json`, JSON.stringify({ ...config, ...changes }));
    put({ __epoch__: 60, channels: 0 });
    for (const command of ["inspect", "evaluate"]) {
      const { code, stderr } = await recvae(command, run);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, "channels");
    }
    put({ __epoch__: 60 });
    const { stderr } = await recvae("inspect", run);
    assertStringIncludes(stderr, "or a file is of another run");
    await Deno.writeTextFile(`${run}/config.json`, "no JSON");
    const torn = await recvae("evaluate", run);
    assertStringIncludes(torn.stderr, "it is no JSON; evaluate needs the folder of a run");
  }));

Deno.test("a copied run shows its own folder when it is resumed", () =>
  inFolder(async (folder) => {
    const [run, copy] = [`${folder}/run`, `${folder}/copy`];
    assertEquals((await recvae(...TINY, "--epochs", "1", "--out", run)).code, 0);
    await Deno.rename(run, copy);
    const text = await recvae("train", "--resume", copy, "--quiet");
    assertStringIncludes(text.stdout, `Run       ${copy}\n`);
    assertStringIncludes(text.stdout, `Open ${copy}/report.html`);
    assert(!text.stdout.includes(run), text.stdout);
    const json = await recvae("train", "--resume", copy, "--json");
    assertEquals(JSON.parse(json.stdout).folder, copy);
  }));

Deno.test("a divergence that takes the epoch before it along says so, and advises a rate in reason", () =>
  inFolder(async (folder) => {
    const settings = ["--optimiser", "sgd", "--epochs", "40"];
    const messages: string[] = [];
    for (const rate of ["0.3", "3", "30", "300", "1e30"]) {
      const more = [...settings, "--learning-rate", rate, "--out", `${folder}/${rate}`];
      const { code, stderr } = await recvae(...ORIGINAL, ...more);
      if (code === 4 && stderr.includes("--resume")) messages.push(stderr);
    }
    const beyond = ["--learning-rate", "1e30", "--epochs", "3", "--out", `${folder}/beyond`];
    messages.push((await recvae(...TINY, ...beyond)).stderr);
    for (const message of messages) {
      const epoch = Number(/in epoch (\d+)/.exec(message)![1]);
      const kept = Number(/The last good epoch, (\d+)/.exec(message)?.[1] ?? 0);
      assertEquals(/Epoch \d+ was finished, but/.test(message), kept < epoch - 1, message);
      assertEquals(message.includes("No epoch was finished"), epoch === 1, message);
      const advised = /--resume \S+ --learning-rate (\S+)/.exec(message)?.[1] ?? "0";
      assert(Number(advised) <= 0.1, message);
    }
    assert(messages.some((message) => / was finished, but/.test(message)), messages.join("\n"));
    assert(messages.some((message) => message.includes("--learning-rate 0.1")), messages.join());
  }));

Deno.test("a disk that is full at the end of training is not said to have trained nothing", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const args = [...TINY, "--epochs", "2", "--backend", "cpu", "--out", run];
    const counting = new FaultyDisk();
    {
      using _ = useDisk(counting);
      assertEquals((await recvaeInProcess([...args.slice(0, -1), `${folder}/whole`])).code, 0);
    }
    let said = "";
    for (let at = 1; at <= counting.counts.write && !said.includes("optimiser"); at++) {
      using _ = useDisk(new FaultyDisk({ operation: "write", at, code: "ENOSPC", lasting: true }));
      const { code, stderr } = await recvaeInProcess([...args, "--force"]);
      assertEquals(code, 3, stderr);
      said = stderr;
    }
    assertStringIncludes(said, "Nothing of the training is saved; start again");
    assert(await Deno.stat(`${run}/checkpoints`).then(() => false, () => true));
  }));
