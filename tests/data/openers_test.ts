/** What stands behind a path: regular files are read however many there are, everything else is refused at once. */
import { FormatError } from "../../src/base/errors.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import { openRegularFile, readRegularText } from "../../src/data/openers/regular_file.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../src/deps/std.ts";
import { withDirectory } from "../support/images.ts";

const SHAPE = { spatialShape: [3, 2, 4], frames: 2 } as const;

/** An image in which voxel i of frame t is n + i / 100 + t. */
function image(n: number, gzip = false): Uint8Array {
  const values = Float32Array.from({ length: 48 }, (_, i) => n + (i % 24) / 100 + (i < 24 ? 0 : 1));
  return writeNifti(values, { ...SHAPE, gzip });
}

/** Runs a line of shell in a folder. */
function shell(cwd: string, line: string): void {
  const { code, stderr } = new Deno.Command("sh", { args: ["-c", line], cwd }).outputSync();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("pipes, sockets, devices and folders are refused before they are opened", async () => {
  await withDirectory(async (folder) => {
    shell(folder, "mkfifo pipe.nii && ln -s pipe.nii link.nii && mkdir folder.nii");
    const listen = `Deno.listen({ transport: "unix", path: "socket.nii" }); Deno.exit(0);`;
    shell(folder, `'${Deno.execPath()}' eval '${listen}'`);
    const cases = {
      [`${folder}/pipe.nii`]: "a pipe (FIFO)",
      [`${folder}/link.nii`]: "a pipe (FIFO)",
      [`${folder}/socket.nii`]: "a socket",
      [`${folder}/folder.nii`]: "a directory",
      "/dev/zero": "a device",
      "/dev/stdin": "a device",
    };
    for (const [path, found] of Object.entries(cases)) {
      const error = await assertRejects(() => openBoldRun(path), FormatError, found);
      assertEquals([error.rule, error.source], ["file.open", path]);
      assertStringIncludes(error.message, "needs a");
      assertThrows(() => readRegularText(path), FormatError, found);
    }
  });
});

Deno.test("links that lead nowhere or in a circle and odd names are explained", async () => {
  await withDirectory((folder) => {
    shell(
      folder,
      "ln -s a.nii b.nii; ln -s b.nii a.nii; ln -s ../gone.nii gone.nii; touch file; " +
        "ln -s ../.git/annex/objects/x/y.nii annex.nii; printf x > \"$(printf 'caf\\351.nii')\"",
    );
    const notUtf8 = [...Deno.readDirSync(folder)].map(({ name }) => name).find((name) =>
      name.startsWith("caf")
    )!;
    const cases = {
      "a.nii": "its symbolic links lead round in a circle",
      "gone.nii": 'it is a link to "../gone.nii", which is not there',
      "annex.nii": "`datalad get`",
      [notUtf8]: "its name is not UTF-8 text",
      "file/a.nii": "a part of its path is a file",
      ["x".repeat(300)]: "longer than the system allows",
      "nothing.nii": "there is no such file or folder; check the path",
    };
    for (const [name, found] of Object.entries(cases)) {
      const error = assertThrows(() => openRegularFile(`${folder}/${name}`), FormatError, found);
      assert(!error.message.includes("os error"), error.message);
    }
  });
});

Deno.test("many more runs are read in turn than the system lets be open at once", async () => {
  await withDirectory(async (folder) => {
    const count = 200;
    for (let n = 0; n < count; n++) {
      Deno.writeFileSync(`${folder}/${n}.nii`, image(n));
      Deno.writeFileSync(`${folder}/${n}.nii.gz`, image(n, true));
    }
    const module = new URL("../../src/data/bold_run.ts", import.meta.url).href;
    const program = `
      import { openBoldRun } from "${module}";
      const runs = [];
      for (let n = 0; n < ${count}; n++) {
        for (const end of ["nii", "nii.gz"]) {
          runs.push(await openBoldRun("${folder}/" + n + "." + end, { memoryBudget: 0 }));
        }
      }
      let wrong = 0;
      for (const t of [1, 0]) {
        runs.forEach((run, i) => {
          const expected = Math.fround(Math.floor(i / 2) + 0.05 + t);
          if (Math.abs(run.readFrame(t)[5] - expected) > 1e-4) wrong++;
        });
      }
      runs.forEach((run) => run.close());
      console.log(runs.length, wrong);
    `;
    Deno.writeTextFileSync(`${folder}/program.ts`, program);
    const line = 'ulimit -n 64 && exec "$0" run --quiet --no-check --no-prompt --allow-read ' +
      "--allow-write --allow-env program.ts";
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", line, Deno.execPath()],
      cwd: folder,
      env: { TMPDIR: folder },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(new TextDecoder().decode(stdout).trim(), `${2 * count} 0`);
    const left = [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("recvae_"));
    assertEquals(left.length, 0, "temporary files are gone");
  });
});

Deno.test("another file that has taken the name of a run in use is noticed", async () => {
  await withDirectory(async (folder) => {
    const open = async (n: number) => {
      Deno.writeFileSync(`${folder}/${n}.nii`, image(n));
      return await openBoldRun(`${folder}/${n}.nii`);
    };
    const first = await open(0);
    const others = await Promise.all(Array.from({ length: 40 }, (_, n) => open(n + 1)));
    assertEquals(first.readFrame(0)[0], 0, "a run that was put aside is opened again");
    others.forEach((run) => run.readFrame(0));
    Deno.writeFileSync(`${folder}/new`, image(7));
    Deno.renameSync(`${folder}/new`, `${folder}/0.nii`);
    const error = assertThrows(() => first.readFrame(0), FormatError, "changed while in use");
    assertEquals(error.rule, "file.changed");
    [first, ...others].forEach((run) => run.close());
  });
});

Deno.test("inflated runs that share a temporary file keep their own frames", async () => {
  await withDirectory(async (cacheDirectory) => {
    const options = { memoryBudget: 0, cacheDirectory };
    const runs = await Promise.all(
      Array.from({ length: 30 }, (_, n) => openBoldRun(image(n, true), options)),
    );
    runs.filter((_, n) => n % 3 === 0).forEach((run) => run.close());
    const more = await openBoldRun(image(30, true), options);
    runs.forEach((run, n) => {
      if (n % 3 !== 0) {
        assertEquals(
          run.readFrame(1),
          new Float32Array(24).map((_, i) => n + i / 100 + 1),
        );
      } else assertThrows(() => run.readFrame(1), FormatError, "was closed");
    });
    assertEquals(more.readFrame(0)[0], 30);
    [...runs, more].forEach((run) => run.close());
    assertEquals([...Deno.readDirSync(cacheDirectory)].length, 0);
  });
});
