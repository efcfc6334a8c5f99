/**
 * Every write of every command on a disk that fails: the n-th making of a folder, open, write, sync and rename. The program
 * says which file it cannot write and what is safe, ends with 3, leaves nothing unfinished, and what it advises works.
 * By default a sample of the operations is tried; with RECVAE_NIGHTLY=1 all of them, on disks that fail once and for good.
 */
import { SYSTEM_DISK, useDisk } from "../../src/files/disk.ts";
import { CheckpointStore } from "../../src/training/checkpoint_store.ts";
import { readRunLog } from "../../src/training/run_log.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { type Fault, FaultyDisk, OPERATIONS, systemError } from "../support/faulty_disk.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";
import { filesBelow } from "../training/temporary_folder.ts";

const NIGHTLY = Deno.env.get("RECVAE_NIGHTLY") === "1";

/** How many of each operation are tried otherwise, spread over all. */
const SAMPLE = 3;

/** A command, and where it writes. */
interface Case {
  readonly name: string;
  /** The command line. `out`: folder to write to; `run`: a finished run. */
  args(out: string, run: string): string[];
  /** Starts from a finished run of fewer epochs. */
  readonly longer?: boolean;
}

/** Files of a run that do not say the same each time: they hold how long it took. */
const VOLATILE = /^(summary\.(json|txt)|report\.html)$/;

const SYNTHETIC = ["--synthetic", "--spatial", "8,9,8", "--subjects", "3", "--tol-time", "3"];

const TRAIN = [
  ...[
    "train",
    ...SYNTHETIC,
    "--preset",
    "conv",
    "--channels",
    "2,2",
    "--latent-dim",
    "2",
    "--fit-offsets",
    "1",
  ],
  ...["--epochs", "2", "--backend", "cpu", "--quiet"],
];

const CASES: readonly Case[] = [
  {
    name: "train",
    args: (out) => [...TRAIN, "--checkpoint-every", "1", "--out", out],
  },
  {
    name: "train, ended before the first checkpoint is due",
    args: (out) => [...TRAIN, "--out", out],
  },
  {
    name: "train --resume, with more epochs",
    args: (out) => ["train", "--resume", out, "--epochs", "3", "--backend", "cpu", "--quiet"],
    longer: true,
  },
  {
    name: "encode",
    args: (out, run) => ["encode", run, ...scans(run), "--backend", "cpu", "--out", out],
  },
  {
    name: "reconstruct",
    args: (out, run) => ["reconstruct", run, ...scans(run), "--backend", "cpu", "--out", out],
  },
  {
    name: "synthesize",
    args: (out) => [
      ...["synthesize", "--spatial", "4,4,4", "--frames", "2", "--cn", "1", "--ad", "1"],
      ...["--out", out],
    ],
  },
  {
    name: "convert",
    args: (out, run) => ["convert", `${run}/weights.safetensors`, `${out}.safetensors`, "--force"],
  },
];

/** Scans that fit the run: copies of its own reconstruction. */
function scans(run: string): string[] {
  return ["a", "b"].map((name) => `${run}/../scans/${name}.nii`);
}

/** Runs a body with a finished run of two scans beside it. */
async function withRun(body: (folder: string, run: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    using _ = useDisk(new FaultyDisk());
    const run = `${folder}/run`;
    const { code, stderr } = await recvaeInProcess([...TRAIN, "--out", run]);
    assertEquals(code, 0, stderr);
    await Deno.mkdir(`${folder}/scans`);
    const [made] = [...Deno.readDirSync(`${run}/reconstructions`)];
    for (const scan of scans(run)) await Deno.copyFile(`${run}/reconstructions/${made.name}`, scan);
    await body(folder, run);
  });
}

/** Content of all files below a folder, and of a file beside it that begins with its name. */
async function contents(out: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const below = await filesBelow(out).catch(() => []);
  for (const path of below) found.set(path, await Deno.readFile(`${out}/${path}`));
  const single = `${out}.safetensors`;
  await Deno.readFile(single).then((bytes) => found.set("", bytes), () => {});
  return found;
}

/** The faults to try, out of all that can happen to a command. */
function faults(counts: FaultyDisk["counts"]): Fault[] {
  return OPERATIONS.flatMap((operation) => {
    const count = counts[operation];
    const all = Array.from({ length: count }, (_, i) => i + 1);
    const tried = NIGHTLY || count <= SAMPLE
      ? all
      : Array.from({ length: SAMPLE }, (_, i) => 1 + Math.round(i * (count - 1) / (SAMPLE - 1)));
    return tried.flatMap((at, i): Fault[] => {
      const codes = ["ENOSPC", "EROFS", "ENOENT"];
      const code = codes[i % codes.length];
      return NIGHTLY
        ? [{ operation, at, code: "ENOSPC" }, { operation, at, code, lasting: true }]
        : [{ operation, at, code, lasting: i % 2 === 1 }];
    });
  });
}

for (const { name, args, longer } of CASES) {
  Deno.test(`${name}: whatever the disk refuses, it is said, nothing is half written, and the advice works`, async () => {
    await withRun(async (folder, run) => {
      const whole = `${folder}/whole`;
      const counting = new FaultyDisk();
      const earlier = longer ? await contents(run) : new Map();
      if (longer) copyFolder(run, whole);
      {
        using _ = useDisk(counting);
        const { code, stderr } = await recvaeInProcess(args(whole, run));
        assertEquals(code, 0, stderr);
      }
      const expected = await contents(whole);
      assert(counting.counts.open > 0 && counting.counts.sync > 0 && counting.counts.rename > 0);
      for (const [i, fault] of faults(counting.counts).entries()) {
        const out = `${folder}/out-${i}`;
        const where = `${name}, ${JSON.stringify(fault)}`;
        let message: string;
        if (longer) copyFolder(run, out);
        {
          using _ = useDisk(new FaultyDisk(fault));
          const { code, stderr } = await recvaeInProcess(args(out, run));
          assertEquals(code, 3, `${where}: ${stderr}`);
          message = stderr;
        }
        assertMatch(message, /^recvae: Cannot write "[^"]+": [^;]+; [^.]+\. [A-Z0-9]/, where);
        assert(!/os error|unexpected|\.writing-/.test(message), `${where}: ${message}`);
        await assertWhole(out, { expected, earlier, where });
        await followAdvice(message, { args: args(out, run), out, where });
        const after = await contents(out);
        for (const [path, content] of expected) {
          if (VOLATILE.test(path) || path.startsWith("checkpoints/")) continue;
          assertEquals(after.get(path), content, `${where}: ${path} afterwards`);
        }
        await Deno.remove(out, { recursive: true }).catch(() => {});
      }
    });
  });
}

/** Copies a folder, without waiting for the device. */
function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Nothing temporary, and every file as it was before or is without a fault; a log may lack its last lines, a configuration the epoch. */
async function assertWhole(
  out: string,
  { expected, earlier, where }: {
    readonly expected: ReadonlyMap<string, Uint8Array>;
    readonly earlier: ReadonlyMap<string, Uint8Array>;
    readonly where: string;
  },
): Promise<void> {
  for (const [path, content] of await contents(out)) {
    assert(!path.includes(".writing-"), `${where}: ${path} is left`);
    if (path.startsWith("checkpoints/") || path === "config.json") continue;
    if (VOLATILE.test(path)) continue;
    const whole = expected.get(path)!;
    const same = path === "log.jsonl" ? whole.subarray(0, content.length) : whole;
    if (String(content) === String(earlier.get(path))) continue;
    assertEquals(content, same, `${where}: ${path}`);
    if (path === "log.jsonl") assert(content.length === 0 || content.at(-1) === 10, where);
  }
  const checkpoints = await new CheckpointStore(`${out}/checkpoints`).loadNewest();
  assertEquals(checkpoints?.rejected ?? [], [], where);
}

/** Does what the message says: resume, or run the same command again. */
async function followAdvice(
  message: string,
  { args, out, where }: { readonly args: string[]; readonly out: string; readonly where: string },
): Promise<void> {
  const resume = message.includes("--resume");
  if (resume) assertStringIncludes(message, `recvae train --resume ${out}`);
  const epochs = args.includes("--resume") ? ["--epochs", "3"] : [];
  const force = message.includes("--force") ? ["--force"] : [];
  const again = resume
    ? ["train", "--resume", out, ...epochs, "--backend", "cpu", "--quiet"]
    : [...args, ...force];
  using _ = useDisk(new FaultyDisk());
  const { code, stderr } = await recvaeInProcess(again);
  assertEquals(code, 0, `${where}: after "${message}": ${stderr}`);
}

Deno.test("an epoch that cannot be logged is saved as a checkpoint instead", () =>
  inFolder(async (folder) => {
    const out = `${folder}/run`;
    let appended = 0;
    {
      using _ = useDisk({
        ...SYSTEM_DISK,
        open(path, mode) {
          if (mode === "append" && ++appended === 1) throw systemError("EIO");
          return SYSTEM_DISK.open(path, mode);
        },
      });
      const { code, stderr } = await recvaeInProcess([...TRAIN, "--out", out]);
      assertEquals(code, 3);
      assertMatch(
        stderr,
        /log\.jsonl": the device reports an error; .* up to epoch 1 of 2: recvae/,
      );
    }
    const resumed = await recvaeInProcess([
      "train",
      "--resume",
      out,
      "--backend",
      "cpu",
      "--quiet",
    ]);
    assertEquals(resumed.code, 0, resumed.stderr);
    const { rows } = await readRunLog(`${out}/log.jsonl`);
    assertEquals(rows.map(({ epoch }) => epoch), [0, 1]);
  }));

Deno.test("a disk that breaks between two files of a resumed run's end loses nothing", () =>
  inFolder(async (folder) => {
    const out = `${folder}/run`;
    const longer = ["--epochs", "3", "--backend", "cpu", "--quiet"];
    const whole = `${folder}/whole`;
    assertEquals((await recvaeInProcess([...TRAIN, "--out", out])).code, 0);
    copyFolder(out, whole);
    assertEquals((await recvaeInProcess(["train", "--resume", whole, ...longer])).code, 0);
    {
      let broken = false;
      using _ = useDisk({
        ...SYSTEM_DISK,
        rename(from, to) {
          broken ||= to.endsWith("optimiser.safetensors");
          if (broken) throw systemError("EIO");
          SYSTEM_DISK.rename(from, to);
        },
      });
      const { code, stderr } = await recvaeInProcess(["train", "--resume", out, ...longer]);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, `The training is safe in ${out}: recvae train --resume ${out}`);
    }
    const resumed = await recvaeInProcess(["train", "--resume", out, ...longer]);
    assertEquals(resumed.code, 0, resumed.stderr);
    for (const name of ["weights.safetensors", "optimiser.safetensors", "history.json"]) {
      const expected = await Deno.readFile(`${whole}/${name}`);
      assertEquals(await Deno.readFile(`${out}/${name}`), expected, name);
    }
  }));
