/**
 * A family that the program does not have goes through the real program: if adding a family ever needs a line in a
 * shared room, it shows here.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { withFamily } from "../../src/pipelines/families.ts";
import { checkpointIn } from "../support/checkpoints.ts";
import { inFolder } from "../support/folders.ts";
import { guardFamily } from "../support/guard_family.ts";
import { type Caught, recvaeInProcess } from "../support/recvae_in_process.ts";

const PROGRAM = new URL("../support/guard_program.ts", import.meta.url).pathname;
/** The same bits come from the same engine only. */
const ENGINE = ["--backend", "cpu"];
/** Files that are functions of the training alone. */
const TRAINED = ["weights.safetensors", "optimiser.safetensors", "history.json"];

function guard(...args: string[]): Promise<Caught> {
  return withFamily(guardFamily, () => recvaeInProcess(args));
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await guard(...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

async function refused(code: number, ...args: string[]): Promise<string> {
  const finished = await guard(...args);
  assertEquals(finished.code, code, finished.stderr);
  return finished.stderr;
}

/** A folder with a table of forty rows. */
function withTable(body: (folder: string, table: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    await done("synthesize", "guard", "--out", `${folder}/rows.tsv`);
    await body(folder, `${folder}/rows.tsv`);
  });
}

function train(table: string, out: string, ...args: string[]): Promise<string> {
  return done("train", "guard", table, "--out", out, "--quiet", ...ENGINE, ...args);
}

/** Starts the program in a process of its own. */
function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", PROGRAM, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function assertSameTraining(folder: string, expected: string): Promise<void> {
  for (const name of TRAINED) {
    const [found, wanted] = [`${folder}/${name}`, `${expected}/${name}`];
    assertEquals(await Deno.readFile(found), await Deno.readFile(wanted), name);
  }
}

Deno.test("a family goes from a table to a run, its scores beside mean and PCA, its codes and facts", async () => {
  await withTable(async (folder, table) => {
    const run = `${folder}/run`;
    const summary = JSON.parse(await train(table, run, "--epochs", "60", "--json"));
    assertEquals(summary.training, { epochs: 60, ended: "completed" });
    const [model, mean, pca] = summary.scores;
    assertEquals([mean.name, pca.name], ["training mean", "2 principal components"]);
    assert(model.mse < mean.mse / 2 && pca.mse < model.mse, "PCA is the best linear autoencoder");

    const config = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assertEquals([config.family, config.model], ["guard", { latentDim: 2 }]);
    const again = JSON.parse(await done("evaluate", run, "--json", ...ENGINE));
    assertEquals(again.scores, summary.scores);
    assertStringIncludes(await done("evaluate", run, ...ENGINE), "2 principal components");

    await done("encode", run, table, "--out", `${folder}/codes.tsv`, ...ENGINE);
    const codes = (await Deno.readTextFile(`${folder}/codes.tsv`)).trim().split("\n");
    assertEquals([codes.length, codes[0]], [41, "c1\tc2"]);
    const facts = JSON.parse(await done("inspect", run, "--json"));
    assertEquals([facts.kind, facts.epochs], ["run of the guard", 60]);
  });
});

Deno.test("a family's run that is trained further is the run that was trained at once", async () => {
  await withTable(async (folder, table) => {
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    await train(table, whole, "--epochs", "9");
    await train(table, parts, "--epochs", "4");
    await done("train", "--resume", parts, "--epochs", "9", "--quiet", ...ENGINE);
    await assertSameTraining(parts, whole);
    assertStringIncludes(
      await done("train", "guard", "--resume", parts, ...ENGINE),
      "training mean",
    );
  });
});

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  Deno.test({
    name: `a family's run goes on after ${signal} as if nothing had happened`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await withTable(async (folder, table) => {
        const [whole, stopped] = [`${folder}/whole`, `${folder}/stopped`];
        const asked = ["--epochs", "150", "--checkpoint-every", "1"];
        await train(table, whole, ...asked);
        const child = start("train", "guard", table, "--out", stopped, ...ENGINE, ...asked);
        await checkpointIn(stopped);
        child.kill(signal);
        assertEquals((await child.status).code, signal === "SIGKILL" ? 137 : 130);
        const log = await Deno.readTextFile(`${stopped}/log.jsonl`);
        assert(log.trim().split("\n").length < 150, "it was stopped in the middle");
        await done("train", "--resume", stopped, "--quiet", ...ENGINE);
        await assertSameTraining(stopped, whole);
      });
    },
  });
}

Deno.test("a run is resumed with an option of its own family, which need not be named", async () => {
  await withTable(async (folder, table) => {
    const run = `${folder}/run`;
    await train(table, run, "--epochs", "2");
    const more = ["--epochs", "3", "--rate-factor", "0.5", "--quiet", ...ENGINE];
    await done("train", "--resume", run, ...more);
    await done("train", `--resume=${run}`, "--rate-factor", "0.5", "--epochs", "4", ...ENGINE);
    const { training } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assertEquals([training.epochs, training.learningRate], [4, 0.005]);
    assertStringIncludes(
      await refused(2, "train", "--rate-factor", "0.5"),
      "Unknown option --rate-factor; it is an option of train guard",
    );
  });
});

Deno.test("help lists the families, and each has a page of its own", async () => {
  const program = await done("--help");
  assertMatch(program, /^ {2}recurrent-vae +fMRI volumes/m);
  assertMatch(program, /^ {2}guard +rows of a table: a linear autoencoder$/m);
  assertMatch(program, /^ {2}join-tables +Put the rows of several tables into one$/m);
  const general = await done("train", "--help");
  assertStringIncludes(general, "recvae train [FAMILY] [options] [FILE…]");
  assertMatch(general, /^ {2}guard +rows of a table: a linear autoencoder$/m);
  for (
    const page of [await done("train", "guard", "--help"), await done("help", "train", "guard")]
  ) {
    assertStringIncludes(page, "recvae train guard [options] [FILE…]");
    assertStringIncludes(page, "--latent-dim");
    assert(!page.includes("--spatial"), "options of another family are not in it");
  }
  assertStringIncludes(await done("synthesize", "guard", "--help"), "synthesize guard --out FILE");
  assertStringIncludes(await done("synthesize", "--help"), "synthesize [FAMILY] --out DIR");
  assertStringIncludes(await done("encode", "--help"), "For a run of guard: Write the codes");
});

Deno.test("what does not go with a family is refused by name", async () => {
  await withTable(async (folder, table) => {
    const run = `${folder}/run`;
    await train(table, run, "--epochs", "2");
    const wrong = await refused(2, "train", "guard", table, "--spatial", "8,8,8");
    assertStringIncludes(wrong, "Unknown option --spatial; it is an option of train recurrent-vae");
    assertStringIncludes(wrong, "See recvae train guard --help");
    const verb = await refused(2, "reconstruct", run);
    assertStringIncludes(
      verb,
      "A run of guard cannot be given to reconstruct; it has evaluate, encode",
    );
    const option = await refused(2, "evaluate", run, "--fit-offsets", "3");
    assertStringIncludes(option, "--fit-offsets does not go with evaluate of a run of guard");
    assertStringIncludes(
      await refused(2, "encode", run, table, "-o", `${folder}/x`),
      "did you mean --out",
    );
    const other = await refused(2, "train", "recurrent-vae", "--resume", run);
    assertStringIncludes(other, `is a run of guard, found recurrent-vae`);
    const patience = await refused(2, "train", "--resume", run, "--patience", "3");
    assertStringIncludes(patience, "--patience; it is an option of train recurrent-vae");
    const size = await refused(2, "train", "--resume", run, "--latent-dim", "3");
    assertStringIncludes(size, "leave out --latent-dim");

    const unknown = { family: "gaurd", model: {}, training: {}, data: {} };
    await Deno.writeTextFile(`${run}/config.json`, JSON.stringify(unknown));
    for (const words of [["evaluate", run], ["inspect", run], ["train", "--resume", run]]) {
      const stderr = await refused(3, ...words);
      assertMatch(stderr, /says family "gaurd", needs one of recurrent-vae, .*guard/);
      assertStringIncludes(stderr, 'did you mean "guard"');
    }
  });
});

Deno.test("a divergence of any family names its rows and offers what the family has", async () => {
  await withTable(async (folder, table) => {
    const run = `${folder}/run`;
    const child = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "-A", PROGRAM, "train", "guard", table, "--out", run],
        ...[...ENGINE, "--learning-rate", "1e19", "--epochs", "3"],
      ],
    }).output();
    const stderr = new TextDecoder().decode(child.stderr);
    assertEquals(child.code, 4, stderr);
    assertMatch(stderr, /The rows of that batch: row \d+ of 40 in .*rows\.tsv/);
    assertStringIncludes(
      stderr,
      `recvae train --resume ${run} --learning-rate 0.1\n`,
    );
  });
});

Deno.test("--force removes what the earlier run of a family wrote, and nothing else", async () => {
  await withTable(async (folder, table) => {
    const run = `${folder}/run`;
    await train(table, run, "--epochs", "1");
    assert(Deno.statSync(`${run}/codes/held-out.tsv`).isFile);
    await Deno.writeTextFile(`${run}/codes/own.tsv`, "mine");
    await Deno.writeTextFile(`${run}/codes/held-out-2.tsv`, "of rows that are gone");
    assertMatch(
      await refused(2, "train", "guard", table, "--out", run, ...ENGINE),
      /holds a run; --resume .* --force replaces it/,
    );
    await train(table, run, "--epochs", "1", "--force");
    assertEquals(await Deno.readTextFile(`${run}/codes/own.tsv`), "mine");
    const left = [...Deno.readDirSync(`${run}/codes`)].map(({ name }) => name).sort();
    assertEquals(left, ["held-out.tsv", "own.tsv"]);
  });
});

Deno.test("a family brings its own files to inspect and convert, and commands that prepare data", async () => {
  await withTable(async (folder, table) => {
    const both = `${folder}/both.tsv`;
    await done("join-tables", table, table, "--out", both);
    const facts = JSON.parse(await done("inspect", both, "--json"));
    assertEquals(facts, { kind: "table", rows: 80, columns: 6 });
    const out = `${folder}/rows.safetensors`;
    assertStringIncludes(await done("convert", both, out), "rows.safetensors: 80 rows, ");
    assertEquals(readSafetensors(await Deno.readFile(out)).tensors.get("rows")!.shape, [80, 6]);
    assertStringIncludes(await refused(2, "convert", both, out), "--force replaces it");
    assertStringIncludes(
      await refused(2, "convert", both, out, "--state", "x", "--force"),
      "--state",
    );
    await Deno.writeTextFile(`${folder}/words.txt`, "words");
    assertMatch(
      await refused(3, "inspect", `${folder}/words.txt`),
      /needs a NIfTI, safetensors or PyTorch file, (.+, )?a table of rows \(\.tsv\), or the folder of a run/,
    );
  });
});
