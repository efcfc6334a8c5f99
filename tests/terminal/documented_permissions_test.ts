/**
 * Permissions are enough as documented: to train, reading the scans and writing the run's folder; nothing else is
 * asked for, and what a message advises is what works.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { inFolder } from "../support/folders.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { atTerminal, runInTerminal } from "../support/pseudo_terminal.ts";
import { runDeno } from "../support/run_deno.ts";
import { writeSmallScan } from "../support/small_scans.ts";

const MAIN = `${ROOT}src/cli/main.ts`;
const SHORT = ["--epochs", "2", "--checkpoint-every", "1", "--fit-offsets", "1", "--channels", "4"];

/** A folder of a user's own with four scans in `scans`. */
async function withScans(body: (folder: string) => Promise<void>, extension = "nii.gz") {
  await inFolder(async (created) => {
    const folder = await Deno.realPath(created);
    for (const seed of [1, 2, 3, 4]) {
      writeSmallScan(`${folder}/scans/sub-${seed}_bold.${extension}`, { seed });
    }
    await body(folder);
  });
}

/** Runs `recvae` at a terminal with these permissions and fails when a question comes. */
async function recvaeAtTerminal(flags: readonly string[], args: readonly string[], cwd: string) {
  const command = [Deno.execPath(), "run", "--quiet", "--no-check", ...flags, MAIN, ...args];
  const session = await runInTerminal(command, { cwd });
  assertEquals(session.question, null, session.text);
  return session;
}

/** Names of all files below a folder. */
function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  ).sort();
}

const NARROW = ["--allow-read=scans", "--allow-write=runs/new"];

Deno.test("reading the scans and writing the run's folder suffice to train, and give the same run", async () => {
  await withScans(async (folder) => {
    const train = (out: string) => [MAIN, "train", "scans", ...SHORT, "--quiet", "--out", out];
    const narrow = await runDeno([...NARROW, ...train("runs/new")], folder);
    assertEquals(narrow.code, 0, narrow.stderr);
    const wide = await runDeno(["--allow-read", "--allow-write", ...train("runs/wide")], folder);
    assertEquals(wide.code, 0, wide.stderr);
    const namesIn = (run: string) =>
      filesBelow(`${folder}/runs/${run}`).map((path) => path.replace(`/${run}/`, "/"));
    assertEquals(namesIn("new"), namesIn("wide"));
    assertEquals(
      Deno.readFileSync(`${folder}/runs/new/weights.safetensors`),
      Deno.readFileSync(`${folder}/runs/wide/weights.safetensors`),
    );
    const more = ["--resume", "runs/new", "--epochs", "3", "--quiet"];
    const both = ["--allow-read=scans,runs/new", "--allow-write=runs/new"];
    const resumed = await runDeno([...both, MAIN, "train", ...more], folder);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertStringIncludes(resumed.stdout, "3 of 3 epochs");
  });
});

Deno.test("a folder that may not be read must be a new one", async () => {
  await withScans(async (folder) => {
    Deno.mkdirSync(`${folder}/runs/new`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/runs/new/notes.txt`, "mine");
    for (const force of [[], ["--force"]]) {
      const args = ["train", "scans", ...SHORT, ...force, "--out", "runs/new"];
      const { code, stderr } = await runDeno([...NARROW, MAIN, ...args], folder);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, "--allow-read=runs/new");
    }
    assertEquals(filesBelow(`${folder}/runs`), [`${folder}/runs/new/notes.txt`]);
  });
});

Deno.test({
  ...atTerminal(
    "training with the permissions documented asks nothing, scans named by folder or file",
  ),
  async fn() {
    await withScans(async (folder) => {
      const byFolder = await recvaeAtTerminal(
        NARROW,
        ["train", "scans", ...SHORT, "--out", "runs/new"],
        folder,
      );
      assertEquals(byFolder.code, 0, byFolder.text);
      const files = [1, 2, 3, 4].map((i) => `scans/sub-${i}_bold.nii.gz`);
      const byFile = await recvaeAtTerminal(
        [`--allow-read=${files.join(",")}`, "--allow-write=runs/files"],
        ["train", ...files, ...SHORT, "--out", "runs/files"],
        folder,
      );
      assertEquals(byFile.code, 0, byFile.text);
    });
  },
});

Deno.test({
  ...atTerminal("compressed scans beyond the memory are inflated where the program may write"),
  async fn() {
    await inFolder(async (created) => {
      const folder = await Deno.realPath(created);
      const spatialShape = [20, 20, 20] as const;
      for (const seed of [1, 2]) {
        const path = `${folder}/scans/sub-${seed}_bold.nii.gz`;
        writeSmallScan(path, { seed, spatialShape, frames: 40 });
      }
      const args = ["train", "scans", "--memory", "1", ...SHORT];
      const flags = ["--allow-read", "--allow-write=runs"];
      const session = await recvaeAtTerminal(flags, [...args, "--out", "runs/new"], folder);
      assertEquals(session.code, 0, session.text);
      const left = filesBelow(folder).filter((path) => /\/recvae_[^/]*$/.test(path));
      assertEquals(left, []);

      const refused = await recvaeAtTerminal(
        ["--allow-read=scans", "--allow-write=runs/other"],
        [...args, "--out", "runs/other"],
        folder,
      );
      assertEquals(refused.code, 3, refused.text);
      assertStringIncludes(refused.text, "--memory");
    });
  },
});

Deno.test({
  ...atTerminal("the library refuses temporary files without a question where it may not write"),
  async fn() {
    await withScans(async (folder) => {
      const program = `
import { buildDataLoader, cohortFromDirectories } from "${ROOT}mod.ts";
const cohort = await cohortFromDirectories({ CN: "scans" });
await buildDataLoader(cohort, { memoryBudget: 0 }).catch(({ message }) => console.log(message));
`;
      Deno.writeTextFileSync(`${folder}/program.ts`, program);
      const flags = ["--quiet", "--no-check", "--no-lock", "--allow-read=scans"];
      const command = [Deno.execPath(), "run", ...flags, "program.ts"];
      const { question, code, text } = await runInTerminal(command, { cwd: folder });
      assertEquals([question, code], [null, 0], text);
      assertStringIncludes(text, "cacheDirectory");
    });
  },
});

/** The flags that a message advises. */
function advisedIn(message: string): string[] {
  return Array.from(message.matchAll(/deno run (--allow-\w+=\S+)/g), ([, flag]) => flag);
}

/** Runs a command with nothing granted, then with what each message advises, until it ends well. */
async function followAdvice(args: readonly string[], folder: string): Promise<string[]> {
  const flags: string[] = [];
  for (;;) {
    const { code, stderr } = await runDeno([...flags, MAIN, ...args], folder);
    if (code === 0) return flags;
    const advised = advisedIn(stderr);
    assertEquals([code, advised.length], [3, 1], stderr);
    assertStringIncludes(stderr, '"deno task"');
    assert(!flags.includes(advised[0]), `the same advice twice: ${stderr}`);
    flags.push(advised[0]);
  }
}

Deno.test("what messages advise works, and names folders that stay the same", async () => {
  await withScans(async (folder) => {
    const train = ["train", ...SHORT, "--quiet"];
    assertEquals(
      await followAdvice([...train, "scans", "--out", "runs/deep/first"], folder),
      ["--allow-read=scans", "--allow-write=runs"],
    );
    assertEquals(
      await followAdvice([...train, "scans"], folder),
      ["--allow-read=scans", "--allow-write=runs"],
      "the default folder has the time of day in its name",
    );
    const scan = "scans/sub-1_bold.nii.gz";
    assertEquals(await followAdvice(["inspect", scan], folder), ["--allow-read=scans"]);
    const encode = ["encode", "runs/deep/first", scan, "--out", "latents"];
    assertEquals(
      await followAdvice(encode, folder),
      ["--allow-read=runs", "--allow-read=scans", "--allow-write=latents"],
    );
    if (!NIGHTLY) return;
    assertEquals(
      await followAdvice(["train", "--resume", "runs/deep/first", "--epochs", "3"], folder),
      ["--allow-read=runs", "--allow-read=scans", "--allow-write=runs"],
    );
    const weights = "runs/deep/first/weights.safetensors";
    assertEquals(
      await followAdvice(["convert", weights, "copy.safetensors"], folder),
      ["--allow-read=.", "--allow-write=."],
    );
  });
});

Deno.test("advice quotes what a shell would take apart", async () => {
  await inFolder(async (created) => {
    const folder = await Deno.realPath(created);
    writeSmallScan(`${folder}/my scans, all/a_bold.nii`);
    const { stderr } = await runDeno([MAIN, "inspect", "my scans, all/a_bold.nii"], folder);
    assertMatch(stderr, /deno run --allow-read='my scans,, all' …/);
  });
});
