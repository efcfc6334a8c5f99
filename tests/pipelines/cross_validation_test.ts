/** A cross-validation of a family that the program does not have: folds, groups, kills, and what is refused. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { withFamily } from "../../src/pipelines/families.ts";
import { inFolder } from "../support/folders.ts";
import { guardFamily } from "../support/guard_family.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";

const PROGRAM = new URL("../support/guard_program.ts", import.meta.url).pathname;
/** The same bits come from the same engine only. */
const ENGINE = ["--backend", "cpu"];

async function guard(code: number, ...args: string[]) {
  const found = await withFamily(guardFamily, () => recvaeInProcess(args));
  assertEquals(found.code, code, found.stderr);
  return found;
}

/** The command line of a cross-validation. */
function command(table: string, out: string, ...args: string[]): string[] {
  const epochs = args.includes("--epochs") ? [] : ["--epochs", "6"];
  return ["crossvalidate", "guard", table, "--out", out, ...ENGINE, ...epochs, ...args];
}

async function crossvalidate(table: string, out: string, ...args: string[]) {
  const { stdout } = await guard(0, ...command(table, out, "--json", ...args));
  return JSON.parse(stdout);
}

/** A folder with a table of forty rows, and a table of their groups: whether the first column is large. */
function withTable(
  body: (paths: { folder: string; table: string; labels: string }) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const [table, labels] = [`${folder}/rows.tsv`, `${folder}/labels.tsv`];
    await guard(0, "synthesize", "guard", "--out", table);
    const rows = (await Deno.readTextFile(table)).trim().split("\n").slice(1);
    const groups = rows.map((row) => Number(row.split("\t")[0]) > 1 ? "large" : "small");
    const line = (group: string, i: number) => `row ${i + 1}\t${i % 2}\t${group}`;
    await Deno.writeTextFile(
      labels,
      ["person\tparity\tgroup", ...groups.map(line)].join("\n") + "\n",
    );
    await body({ folder, table, labels });
  });
}

/** What the methods came to, without the folder's name. */
async function results(folder: string) {
  const { methods, verdicts, groups } = JSON.parse(
    await Deno.readTextFile(`${folder}/summary.json`),
  );
  return { methods, verdicts, groups };
}

Deno.test("folds of any family are scored together, and groups are told apart", async () => {
  await withTable(async ({ folder, table, labels }) => {
    const out = `${folder}/cv`;
    const asked = ["--folds", "4", "--repeat", "2", "--labels", labels, "--permutations", "49"];
    const summary = await crossvalidate(table, out, ...asked);
    assertEquals(summary.folds.length, 8);
    const names = summary.methods.map(({ method }: { method: string }) => method);
    assertEquals(names, ["model", "training mean", "2 principal components"]);
    const [model, , pca] = summary.methods;
    for (const { count, values, mean, least, most } of summary.methods) {
      assertEquals([count, values.length], [8, 8]);
      assert(least <= mean && mean <= most);
    }
    const [verdict] = summary.verdicts;
    assertEquals([verdict.rival, verdict.won], ["2 principal components", 0]);
    assert(Math.abs(verdict.advantage.mean - (pca.mean - model.mean)) < 1e-12);
    assertMatch(verdict.sentence, /lower is better: model loses by .* ahead in 0 of 8 folds/);

    const [codes, columns] = summary.groups.methods;
    assertEquals([codes.method, codes.own, columns.own], ["codes", true, false]);
    assert(columns.auc.value >= 0.9, `AUC ${columns.auc.value}`);
    assert(columns.auc.pValue <= 0.04 && columns.repeats.length === 2);
    // Every run is one that train knows.
    const fold = JSON.parse((await guard(0, "inspect", `${out}/repeat-2_fold-3`, "--json")).stdout);
    assertEquals([fold.kind, fold.data.heldOut], ["run of the guard", { fold: 3, folds: 4 }]);
    const text = await Deno.readTextFile(`${out}/summary.txt`);
    assertStringIncludes(text, "Do the groups differ?");
    assertEquals((await Deno.readTextFile(`${out}/scores.tsv`)).trim().split("\n").length, 4);
    assertEquals((await Deno.readTextFile(`${out}/groups.tsv`)).trim().split("\n").length, 3);

    // A kill between training and the last file of a fold.
    const before = await results(out);
    for (const name of ["fold.json", "summary.txt"]) {
      await Deno.remove(`${out}/repeat-1_fold-2/${name}`);
    }
    // Nothing is trained again.
    const written = `${out}/repeat-1_fold-1/weights.safetensors`;
    const { mtime } = await Deno.stat(written);
    const again = await guard(0, ...command(table, out, ...asked));
    assertStringIncludes(again.stdout, text.split("\n")[5]);
    assertEquals((await Deno.stat(written)).mtime, mtime);
    assertEquals(await results(out), before);

    // Groups that have nothing to do with the rows.
    const parity = ["--folds", "5", "--labels", labels, "--group-column", "parity"];
    const other = `${folder}/parity`;
    const none = await crossvalidate(table, other, ...parity, "--permutations", "49");
    for (const { auc } of none.groups.methods) assert(auc.pValue > 0.05, `p = ${auc.pValue}`);
  });
});

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  Deno.test({
    name: `a cross-validation goes on after ${signal} as if nothing had happened`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await withTable(async ({ folder, table, labels }) => {
        const groups = ["--labels", labels, "--permutations", "9"];
        const asked = ["--folds", "2", ...groups, "--epochs", "60", "--checkpoint-every", "4"];
        const line = (out: string) => command(table, out, ...asked);
        const [whole, stopped] = [`${folder}/whole`, `${folder}/stopped`];
        await guard(0, ...line(whole), "--quiet");
        const child = new Deno.Command(Deno.execPath(), {
          args: ["run", "--quiet", "--no-check", "-A", PROGRAM, ...line(stopped)],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
        await checkpointIn(`${stopped}/repeat-1_fold-2`);
        child.kill(signal);
        assertEquals((await child.status).code, signal === "SIGKILL" ? 137 : 130);
        const first = `${stopped}/repeat-1_fold-1/fold.json`;
        const { mtime } = await Deno.stat(first);
        await guard(0, ...line(stopped), "--quiet");
        assertEquals((await Deno.stat(first)).mtime, mtime, "a fold that is done is left alone");
        assertEquals(await results(stopped), await results(whole));
      });
    },
  });
}

/** Waits until a run has saved a checkpoint. */
async function checkpointIn(run: string): Promise<void> {
  for (;;) {
    try {
      const names = [...Deno.readDirSync(`${run}/checkpoints`)].map(({ name }) => name);
      if (names.some((name) => /^generation-\d+$/.test(name))) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((wait) => setTimeout(wait, 5));
  }
}

Deno.test("what is not the same cross-validation is refused, and more repeats go on", async () => {
  await withTable(async ({ folder, table, labels }) => {
    const out = `${folder}/cv`;
    const refused = async (code: number, ...args: string[]) => (await guard(code, ...args)).stderr;
    assertStringIncludes(
      await refused(2, "crossvalidate", "guard", table),
      "crossvalidate needs --out DIR",
    );
    assertStringIncludes(
      await refused(2, ...command(table, out, "--group-column", "parity")),
      "--group-column names a column of --labels FILE",
    );
    assertStringIncludes(
      await refused(3, ...command(table, out, "--labels", labels, "--group-column", "partiy")),
      "did you mean --group-column parity",
    );
    assertStringIncludes(await refused(2, ...command(table, folder)), "holds no cross-validation");
    assertStringIncludes(
      await refused(2, "crossvalidate", "guard", table, "--resume", out),
      "Unknown option --resume",
    );

    const unable = { ...guardFamily, family: "unable", crossValidation: undefined };
    const { code, stderr } = await withFamily(
      unable,
      () => recvaeInProcess(["crossvalidate", "unable", table, "--out", out]),
    );
    assertEquals(code, 2);
    assertStringIncludes(stderr, "crossvalidate does not know unable");

    await crossvalidate(table, out, "--folds", "2");
    const other = await refused(2, ...command(table, out, "--folds", "3", "--latent-dim", "1"));
    assertStringIncludes(other, "other settings: --folds, --latent-dim differ");
    const labelled = await refused(2, ...command(table, out, "--folds", "2", "--labels", labels));
    assertStringIncludes(labelled, "the groups of --labels differs");
    const more = await crossvalidate(table, out, "--folds", "2", "--repeat", "2");
    assertEquals(more.folds.length, 4);
    assertEquals(more.groups, null);
    const fewer = await refused(2, ...command(table, out, "--folds", "2"));
    assertStringIncludes(fewer, "--repeat differs");

    const file = `${out}/repeat-1_fold-2/fold.json`;
    const fold = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(
      file,
      JSON.stringify({ ...fold, common: { ...fold.common, model: { latentDim: 7 } } }),
    );
    const repeated = command(table, out, "--folds", "2", "--repeat", "2");
    assertStringIncludes(await refused(3, ...repeated), "(model.latentDim)");
    await Deno.writeTextFile(file, "{");
    assertStringIncludes(await refused(3, ...repeated), "is damaged");
  });
});

Deno.test("a model that has seen whom it is tested on is refused", async () => {
  await withTable(async ({ folder, table, labels }) => {
    const out = `${folder}/cv`;
    const asked = ["--folds", "2", "--labels", labels, "--permutations", "9"];
    await crossvalidate(table, out, ...asked);
    const file = `${out}/repeat-1_fold-2/fold.json`;
    const fold = JSON.parse(await Deno.readTextFile(file));
    const leak = async (change: (rows: { person: string; heldOut: boolean }[]) => void) => {
      const changed = structuredClone(fold);
      change(changed.features.rows);
      await Deno.writeTextFile(file, JSON.stringify(changed));
      return (await guard(3, ...command(table, out, ...asked))).stderr;
    };
    const seen = await leak((rows) => rows[1].person = rows[0].person);
    assertMatch(seen, /"row 1" is trained on and held out|is in the groups/);
    const twice = await leak((rows) => rows[0].heldOut = true);
    assertMatch(twice, /"row 1" is held out in ".*fold-1" and in ".*fold-2"/);
  });
});
