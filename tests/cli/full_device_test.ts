/** Devices that are really full or read-only, and folders that are gone: what the program says from outside. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, recvaeAllowed, recvaeCommand, startRecvae } from "./run_recvae.ts";

/** Small volumes: 2 × 40 frames of 8×9×8 voxels are 180 KiB. */
const SCANS = ["--spatial", "8,9,8", "--frames", "40", "--cn", "1", "--ad", "1"];

const TRAIN = [
  ...["train", "--synthetic", "--spatial", "8,9,8", "--subjects", "3", "--tol-time", "3"],
  ...[
    "--preset",
    "conv",
    "--channels",
    "2,2",
    "--latent-dim",
    "2",
    "--fit-offsets",
    "1",
    "--backend",
    "cpu",
  ],
];

/** Runs a shell line where a small file system may be mounted, unseen by everybody else. */
async function inNamespace(script: string): Promise<{ code: number; output: string }> {
  const args = ["-rm", "sh", "-c", `exec 2>&1; ${script}`];
  const { code, stdout } = await new Deno.Command("unshare", { args }).output();
  return { code, output: new TextDecoder().decode(stdout) };
}

/** Whether this machine lets an ordinary process mount something for itself. */
async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  return await inNamespace("mount -t tmpfs -o size=64k tmpfs /mnt").then(
    ({ code }) => code === 0,
    () => false,
  );
}

const MOUNTS = await canMount();

Deno.test({
  name: "a device that fills up: the file is named, those before are whole, nothing else is left",
  ignore: !MOUNTS,
  async fn() {
    await inFolder(async (folder) => {
      const command = recvaeCommand(["synthesize", ...SCANS, "--out", `${folder}/scans`]);
      const { output } = await inNamespace(
        `mount -t tmpfs -o size=128k tmpfs ${folder} && ${command}; echo code $?; ` +
          `find ${folder} -type f -printf '%P %s\\n'`,
      );
      assertMatch(output, /Cannot write ".*\/AD\/sub-AD01_task-rest_bold.nii": no space is left/);
      assertStringIncludes(output, "1 of 2 subjects are whole");
      const rest = output.slice(output.indexOf("code 3"));
      assertMatch(rest, /^code 3\nscans\/CN\/sub-CN01_task-rest_bold.nii \d+\n$/, output);
    });
  },
});

Deno.test({
  name: "training on a full device keeps what was saved, and goes on when there is space",
  ignore: !MOUNTS,
  async fn() {
    await inFolder(async (folder) => {
      const out = `${folder}/run`;
      const train = recvaeCommand([...TRAIN, "--epochs", "3", "--quiet", "--out", out]);
      const resume = recvaeCommand(["train", "--resume", out, "--backend", "cpu", "--quiet"]);
      // The ballast leaves too little for the weights; it goes before the run is resumed.
      const { output } = await inNamespace(
        `mount -t tmpfs -o size=4m tmpfs ${folder} && head -c 4030000 /dev/zero > ${folder}/ballast; ` +
          `${train} --checkpoint-every 1; echo code $?; find ${folder} -name '.writing*'; ` +
          `rm ${folder}/ballast; ${resume} || ${train} --force; echo then $?`,
      );
      assertMatch(output, /Cannot write "[^"]+": no space is left on the device; /);
      assertStringIncludes(output, "code 3");
      assert(!output.includes(".writing"), output);
      assertStringIncludes(output, "then 0");
    });
  },
});

Deno.test({
  name: "a read-only file system is called that",
  ignore: !MOUNTS,
  async fn() {
    await inFolder(async (folder) => {
      const command = recvaeCommand([...TRAIN, "--out", `${folder}/run`]);
      const { output } = await inNamespace(
        `mount -t tmpfs -o ro,size=64k tmpfs ${folder} && ${command}; echo code $?`,
      );
      assertMatch(output, /Cannot write ".*\/run": the file system is read-only; .*\ncode 3/);
    });
  },
});

Deno.test({
  name: "a folder that this user may not write is refused before training",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  async fn() {
    await inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/locked`, { mode: 0o555 });
      const { code, stderr } = await recvae(...TRAIN, "--out", `${folder}/locked/run`);
      assertEquals(code, 3);
      assertStringIncludes(stderr, "may not be written by this user");
    });
  },
});

Deno.test({
  name: "a run folder that is removed during training stops it, and does not come back half filled",
  ignore: Deno.build.os === "windows",
  async fn() {
    await inFolder(async (folder) => {
      const out = `${folder}/run`;
      const child = startRecvae([...TRAIN, "--epochs", "100000", "--quiet", "--out", out]);
      const trains = async () =>
        await Deno.stat(`${out}/log.jsonl`).then(({ size }) => size > 0, () => false);
      while (!await trains()) await new Promise((wait) => setTimeout(wait, 20));
      await Deno.rename(out, `${folder}/moved`);
      const { code, stderr } = await child.output();
      const message = new TextDecoder().decode(stderr);
      assertEquals(code, 3, message);
      assertStringIncludes(message, `Cannot write "${out}/log.jsonl": its folder is not there`);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["moved"]);
    });
  },
});

Deno.test("an output that is a file, or below one, is refused in words", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    for (const out of [`${folder}/file`, `${folder}/file/deeper`]) {
      for (const args of [TRAIN, ["synthesize", ...SCANS]]) {
        const { code, stderr } = await recvae(...args, "--out", out);
        const named = args === TRAIN && !out.endsWith("deeper");
        assertEquals(code, named ? 2 : 3, stderr);
        const words = named ? "is a file; --out needs a folder" : "a file stands where a folder";
        assertStringIncludes(stderr, words);
        assert(!stderr.includes("os error"), stderr);
      }
    }
  });
});

Deno.test({
  name: "a full standard output is named, and the files are whole all the same",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await inFolder(async (folder) => {
      const out = `${folder}/run`;
      const command = recvaeCommand([...TRAIN, "--epochs", "1", "--out", out]);
      const shell = new Deno.Command("sh", { args: ["-c", `${command} > /dev/full`] });
      const { code, stderr } = await shell.output();
      const message = new TextDecoder().decode(stderr);
      assertEquals(code, 3, message);
      assertStringIncludes(message, "Cannot write standard output: no space is left");
      assertStringIncludes(message, `The training is safe in ${out}`);
      assert((await Deno.stat(`${out}/summary.txt`)).size > 0);
      const silent = new Deno.Command("sh", { args: ["-c", `${command} --force 2> /dev/full`] });
      assertEquals((await silent.output()).code, 0, "progress that cannot be shown stops nothing");
    });
  },
});

Deno.test("writing one file needs permission for that file alone", async () => {
  await inFolder(async (folder) => {
    const [from, to] = [`${folder}/a.safetensors`, `${folder}/b.safetensors`];
    const tensor = { data: Float32Array.of(1, 2), shape: [2] };
    await Deno.writeFile(from, writeSafetensors(new Map([["a", tensor]])));
    const { code, stderr } = await recvaeAllowed(
      [`--allow-read=${folder}`, `--allow-write=${to}`],
      ...["convert", from, to],
    );
    assertEquals(code, 0, stderr);
    assertEquals(readSafetensors(await Deno.readFile(to)).tensors.get("a")?.data, tensor.data);
  });
});

Deno.test("writing needs no read permission for the folder it writes to", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/scans`;
    const flags = [`--allow-write=${out}`, `--allow-env=RECVAE_BACKEND`];
    const { code, stderr } = await recvaeAllowed(flags, "synthesize", ...SCANS, "--out", out);
    assertEquals(code, 0, stderr);
    assertEquals([...Deno.readDirSync(`${out}/CN`)].map(({ name }) => name), [
      "sub-CN01_task-rest_bold.nii",
    ]);
  });
});
