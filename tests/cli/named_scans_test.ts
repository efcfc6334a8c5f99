/** Whatever is named and holds no scan is refused, by every command, before anything is written. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, recvaeIn } from "./run_recvae.ts";

const SHORT = ["--preset", "conv", "--epochs", "1", "--fit-offsets", "0", "--quiet"];

function writeScan(path: string, seed: number, frames = 3): void {
  const voxels = Float32Array.from({ length: frames * 600 }, (_, i) => Math.sin(i * seed));
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeFileSync(path, writeNifti(voxels, { spatialShape: [6, 10, 10], frames }));
}

Deno.test("train refuses every path that names no scan, says why, and never takes the shipped runs", async () => {
  await inFolder(async (folder) => {
    writeScan(`${folder}/good/a.nii`, 1);
    writeScan(`${folder}/prefixed/norm_a.nii`, 3);
    Deno.mkdirSync(`${folder}/empty`);
    Deno.mkdirSync(`${folder}/texts`);
    Deno.writeTextFileSync(`${folder}/texts/notes.txt`, "");
    const refused: [string[], string[]][] = [
      [["empty"], ['"empty"', "it is empty"]],
      [["texts"], ['"texts"', "none of its 1 entries"]],
      [["--data", "empty"], ['--data "empty"', "it is empty"]],
      [["--cn", "empty"], ['--cn "empty"', "it is empty"]],
      [["--cn", "good", "--ad", "empty"], ['--ad "empty"', "it is empty"]],
      [["good", "empty"], ['"empty"', "it is empty"]],
      [["--group", "TD=good", "--group", "ASD=empty"], ['--group "empty"', "it is empty"]],
      [["prefixed"], ['"norm_a.nii"', "--skip-prefix"]],
      [["none/*.nii"], ["no file matches the pattern"]],
      [["none.nii"], ["there is no such file or folder"]],
      [["texts/notes.txt/a.nii"], ["a part of the path is a file"]],
      [["--cn", "good/a.nii"], ["it is a file", "needs the folder"]],
    ];
    for (const [args, texts] of refused) {
      const { code, stderr, stdout } = await recvaeIn(
        folder,
        "train",
        ...args,
        "--out",
        "run",
        ...SHORT,
      );
      assertEquals(code, 3, `${args}: ${stdout}${stderr}`);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      for (const text of texts) assertStringIncludes(stderr, text);
    }
    assert(!Array.from(Deno.readDirSync(folder), ({ name }) => name).includes("run"));
  });
});

Deno.test("evaluate, encode and reconstruct refuse them too; without scans they take the run's own", async () => {
  await inFolder(async (folder) => {
    for (const [i, name] of ["a", "b", "c"].entries()) {
      writeScan(`${folder}/scans/${name}.nii`, i + 1);
    }
    Deno.mkdirSync(`${folder}/empty`);
    const trained = await recvaeIn(folder, "train", "scans", "--out", "run", ...SHORT);
    assertEquals(trained.code, 0, trained.stderr);
    for (const command of ["evaluate", "encode", "reconstruct"]) {
      const out = command === "evaluate" ? [] : ["--out", `${command}d`];
      for (const args of [["empty"], ["--cn", "empty"], ["none/*.nii"]]) {
        const { code, stderr } = await recvaeIn(folder, command, "run", ...args, ...out);
        assertEquals(code, 3, `${command} ${args}: ${stderr}`);
        assertStringIncludes(stderr, "Cannot read scans from");
      }
      const lonely = await recvaeIn(folder, command, "run", "--subjects", "3", ...out);
      assertEquals(lonely.code, 2, "an option of scans, and no scans");
      const own = await recvaeIn(folder, command, "run", ...out);
      assertEquals(own.code, 0, own.stderr);
    }
    const names = (at: string) =>
      Array.from(Deno.readDirSync(`${folder}/${at}`), ({ name }) => name[0]).sort().join("");
    // Means and deviations of each scan.
    assertEquals([names("encoded"), names("reconstructd")], ["aabbcc", "abc"]);
  });
});

Deno.test("what should be known about the data is said before training starts", async () => {
  await inFolder(async (folder) => {
    const train = async (...args: string[]) => {
      const preset = args.includes("--preset") ? [] : ["--preset", "conv"];
      const { code, stderr } = await recvae(
        "train",
        ...args,
        ...preset,
        ...["--epochs", "1", "--fit-offsets", "0"],
      );
      assertEquals(code, 0, stderr);
      return stderr;
    };
    const before = (stderr: string, note: string) => {
      assertStringIncludes(stderr, note);
      assert(stderr.indexOf(note) < stderr.indexOf("[epoch 1"), stderr);
    };
    writeScan(`${folder}/one/a.nii`, 1);
    before(await train(`${folder}/one`, "--out", `${folder}/1`), "Note: One scan only");

    writeScan(`${folder}/cut/a.nii`, 1, 3);
    writeScan(`${folder}/cut/b.nii`, 2, 2);
    Deno.copyFileSync(`${folder}/cut/a.nii`, `${folder}/cut/c.nii`);
    const cut = await train(`${folder}/cut`, "--out", `${folder}/2`);
    before(cut, `Note: 2 of 3 frames are used of 2 of the 3 scans, such as "${folder}/cut/a.nii"`);
    before(cut, `as many as "${folder}/cut/b.nii" has`);
    before(cut, `"${folder}/cut/a.nii" and "${folder}/cut/c.nii" are the same scan`);
    const chosen = await train(`${folder}/cut`, "--tol-time", "2", "--out", `${folder}/3`);
    assert(!chosen.includes("frames are used"), "what was chosen is no news");

    writeScan(`${folder}/long/a.nii`, 1, 150);
    writeScan(`${folder}/long/b.nii`, 2, 150);
    const long = await train(`${folder}/long`, "--preset", "original", "--out", `${folder}/4`);
    before(long, "Note: 120 of 150 frames are used of every scan; --tol-time 150 uses more.");
    const { stderr } = await recvae("evaluate", `${folder}/3`, `${folder}/long`);
    assertStringIncludes(stderr, "2 of 150 frames are used of every scan, as many as in training.");
  });
});
