/** Input as people have it: what is no scan is refused before training, what is odd is said, by the program itself. */
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import { type Finished, recvae, startRecvae } from "./run_recvae.ts";

const TRAINING = ["--preset", "conv", "--epochs", "1", "--fit-offsets", "0", "--quiet"];

function image(frames: number | undefined, value: (i: number) => number): Uint8Array {
  const values = Float32Array.from({ length: 600 * (frames ?? 1) }, (_, i) => value(i));
  return writeNifti(values, { spatialShape: [6, 10, 10], frames, repetitionTime: 2 });
}

/** Writes good scans `sub-1_bold.nii`, … with changes to their headers. */
function writeScans(folder: string, count: number, change = (_: DataView) => {}): string[] {
  return Array.from({ length: count }, (_, n) => {
    const bytes = image(4, (i) => Math.sin(i * (n + 1)));
    change(new DataView(bytes.buffer));
    Deno.writeFileSync(`${folder}/sub-${n + 1}_bold.nii`, bytes);
    return `${folder}/sub-${n + 1}_bold.nii`;
  });
}

/** One line on standard error, the exit code of a bad input, nothing of the system's or the library's own words. */
function assertRefused({ code, stderr }: Finished, ...parts: string[]): void {
  assertEquals(code, 3, stderr);
  const line = stderr.trim().split("\n").at(-1)!;
  assert(line.startsWith("recvae: "), stderr);
  for (const part of parts) assertStringIncludes(line, part);
  assert(!/os error|unexpected|\b(stat|readdir|open|readfile) '/.test(line), line);
}

Deno.test("a pipe is refused at once by every command and in every place", async () => {
  await inFolder(async (folder) => {
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe.nii`] }).output();
    const [scan] = writeScans(folder, 1);
    const pipe = `${folder}/pipe.nii`;
    const run = `${folder}/run`;
    const commands = [
      ["train", scan, pipe, "--out", run],
      ["train", "--data", pipe, "--out", run],
      ["train", scan, "--mask", pipe, "--out", run],
      ["train", scan, "--config", pipe, "--out", run],
      ["convert", pipe, `${folder}/weights.safetensors`],
      ["inspect", pipe],
    ];
    for (const args of commands) {
      const process = startRecvae(args);
      const timer = setTimeout(() => process.kill("SIGKILL"), 60_000);
      const output = await process.output();
      clearTimeout(timer);
      const stderr = new TextDecoder().decode(output.stderr);
      assertRefused({ code: output.code, stdout: "", stderr }, `"${pipe}"`, "a pipe (FIFO)");
    }
    await new Deno.Command("mkfifo", { args: [`${folder}/weights.safetensors`] }).output();
    assertRefused(await recvae("encode", folder, scan, "--json"), "no regular file");
  });
});

Deno.test("masks, single images and constant scans are refused before the run's folder is made", async () => {
  await inFolder(async (folder) => {
    const scans = writeScans(folder, 2);
    const write = (name: string, bytes: Uint8Array) => {
      Deno.writeFileSync(`${folder}/${name}`, bytes);
      return `${folder}/${name}`;
    };
    const mask = write("mask.nii", image(undefined, (i) => i % 2));
    const labels = write("labels.nii", image(undefined, (i) => Math.floor(i / 60)));
    const flat = ["flat1.nii", "flat2.nii"].map((name) => write(name, image(4, () => 7)));
    const out = ["--out", `${folder}/run`, ...TRAINING];
    assertRefused(await recvae("train", ...scans, mask, ...out), `"${mask}" is a single image`);
    assertRefused(
      await recvae("train", mask, mask.replace("/mask", "//mask"), ...out),
      "like a mask",
    );
    assertRefused(await recvae("train", labels, ...out), "a label image");
    assertRefused(await recvae("train", ...flat, ...out), "one value everywhere (7");
    assertRefused(
      await recvae("train", ...scans, "--mask", labels, ...out),
      `mask "${labels}"`,
      "the values 2, 3, 4, 5, 6 and 3 more beside 0 and 1",
    );
    assert(
      ![...Deno.readDirSync(folder)].some(({ name }) => name === "run"),
      "nothing was written",
    );
  });
});

Deno.test("NaN outside the mask is harmless in training and after, inside it is refused", async () => {
  await inFolder(async (folder) => {
    const bytes = (voxel: number) => image(4, (i) => i === 600 + voxel ? NaN : Math.sin(i));
    const write = (name: string, content: Uint8Array) => {
      Deno.writeFileSync(`${folder}/${name}`, content);
      return `${folder}/${name}`;
    };
    const outside = write("sub-1_bold.nii", bytes(30));
    const inside = write("sub-2_bold.nii", bytes(31));
    const mask = ["--mask", write("mask.nii", image(undefined, (i) => i % 2))];
    const run = `${folder}/run`;
    const trained = await recvae("train", outside, ...mask, "--out", run, ...TRAINING);
    assertEquals(trained.code, 0, trained.stderr);
    assertStringIncludes(trained.stderr, "taken for 0");
    const found = 'sub-2_bold.nii": found NaN in frame 1, voxel (1, 5, 0)';
    const refused = ["train", inside, ...mask, "--out", `${folder}/no`, ...TRAINING];
    assertRefused(await recvae(...refused), found, "a mask (--mask) that leaves the voxel out");
    assertEquals((await recvae("encode", run, "--json")).code, 0, "its own scans");
    assertEquals((await recvae("evaluate", run, outside, "--fit-offsets", "0")).code, 0);
    assertRefused(await recvae("encode", run, inside, "--json"), found);
  });
});

Deno.test("what is odd in the files is said once, in training and for other scans", async () => {
  await inFolder(async (folder) => {
    writeScans(folder, 4, (view) => {
      view.setInt16(254, 0, true); // no sform
      view.setInt16(252, 1, true); // a qform
    });
    Deno.writeFileSync(
      `${folder}/sub-4_bold.nii`,
      Uint8Array.from([...Deno.readFileSync(`${folder}/sub-4_bold.nii`), 1, 2, 3]),
    );
    Deno.writeFileSync(`${folder}/._sub-1_bold.nii`, Uint8Array.of(0, 5, 0x16, 7));
    const run = `${folder}/run`;
    const train = await recvae("train", "--data", folder, "--out", run, ...TRAINING);
    assertEquals(train.code, 0, train.stderr);
    const said = train.stderr;
    assertEquals(said.match(/no sform: its qform is used/g)?.length, 1, said);
    assertStringIncludes(said, "All 4 scans");
    assertStringIncludes(said, 'sub-4_bold.nii": Behind the last voxel are 3 further bytes');
    assertStringIncludes(said, "left out 1 companion file of macOS");
    const scans = [1, 4].map((n) => `${folder}/sub-${n}_bold.nii`);
    for (const command of ["encode", "reconstruct", "evaluate"]) {
      const out = command === "evaluate" ? [] : ["--out", `${folder}/${command}`];
      const { code, stderr } = await recvae(command, run, ...scans, ...out);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, "All 2 scans");
      assertStringIncludes(stderr, "Behind the last voxel are 3 further bytes");
    }
    const inspected = await recvae("inspect", scans[1]);
    assertStringIncludes(inspected.stdout, "its qform is used");
    assertStringIncludes(inspected.stdout, "3 further bytes");
    const { remarks } = JSON.parse((await recvae("inspect", scans[1], "--json")).stdout);
    assertEquals(remarks.length, 2);
  });
});

Deno.test("inspect shows a compressed scan whose later part is damaged", async () => {
  await inFolder(async (folder) => {
    const packed = new Uint8Array(gzipSync(image(200, (i) => Math.sin(i * i))));
    const path = `${folder}/scan.nii.gz`;
    Deno.writeFileSync(path, packed.subarray(0, packed.length / 2));
    const { code, stdout } = await recvae("inspect", path);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "frames             200");
    assertRefused(await recvae("train", path, "--out", `${folder}/run`), "ends too early");
  });
});

Deno.test("files of other kinds are called what they are, once", async () => {
  await inFolder(async (folder) => {
    const noise = Uint8Array.from({ length: 2000 }, (_, i) => (i * 7919) >>> 3);
    const kinds = {
      "a.trk": "TrackVis",
      "a.tck": "MRtrix",
      "a.trx": "TRX",
      "a.mat": "MATLAB",
      "a.h5": "HDF5",
      "a.mgz": "FreeSurfer",
      "a+orig.BRIK": "AFNI data set",
    };
    for (const [name, kind] of Object.entries(kinds)) {
      const path = `${folder}/${name}`;
      Deno.writeFileSync(path, name.endsWith("z") ? gzipSync(noise) : noise);
      for (const args of [["inspect", path], ["train", path, "--out", `${folder}/run`]]) {
        const result = await recvae(...args);
        assertRefused(result, path, kind);
        assertEquals(result.stderr.split(kind).length, 2, result.stderr);
        assert(!result.stderr.includes("(this is"), result.stderr);
      }
    }
  });
});

Deno.test("a run and a scan that are swapped are recognised", async () => {
  await inFolder(async (folder) => {
    const [scan] = writeScans(folder, 1);
    Deno.mkdirSync(`${folder}/run`);
    Deno.writeTextFileSync(`${folder}/run/weights.safetensors`, "");
    for (const command of ["encode", "reconstruct", "evaluate"]) {
      const out = command === "evaluate" ? [] : ["--out", `${folder}/out`];
      const swapped = await recvae(command, scan, `${folder}/run`, ...out);
      assertEquals(swapped.code, 2);
      assertStringIncludes(
        swapped.stderr,
        `the run comes first: recvae ${command} ${folder}/run ${scan}`,
      );
      const alone = await recvae(command, scan, ...out);
      assertEquals(alone.code, 2);
      assertStringIncludes(alone.stderr, "is a file, needs the folder of a run");
    }
  });
});

Deno.test("somebody who asks for a GPU is told which engines use one", async () => {
  const { code, stderr } = await recvae("train", "--backend", "gpu");
  assertEquals(code, 2);
  for (const part of ["needs one of auto, cuda", '"webgpu"', '"cuda" (NVIDIA', "recvae backends"]) {
    assertStringIncludes(stderr, part);
  }
  assertStringIncludes((await recvae("train", "--backend", "wsam")).stderr, 'did you mean "wasm"');
  await inFolder(async (folder) => {
    writeScans(folder, 2);
    const output = await startRecvae([
      "train",
      "--data",
      folder,
      "--out",
      `${folder}/run`,
      ...TRAINING,
    ], {
      RECVAE_BACKEND: "metal",
    }).output();
    assertStringIncludes(new TextDecoder().decode(output.stderr), 'RECVAE_BACKEND is "metal"');
    assertStringIncludes(new TextDecoder().decode(output.stderr), '"webgpu"');
  });
});

Deno.test("names in any script are kept in the names of what is written", async () => {
  await inFolder(async (folder) => {
    const names = ["被験者01", "сканирование", "Jos\u0065\u0301_scan 1", "النوم"];
    names.forEach((name, n) =>
      Deno.writeFileSync(`${folder}/${name}_bold.nii`, image(4, (i) => Math.sin(i * (n + 1))))
    );
    const run = `${folder}/run`;
    const { code, stderr } = await recvae("train", "--data", folder, "--out", run, ...TRAINING);
    assertEquals(code, 0, stderr);
    const written = [...Deno.readDirSync(`${run}/latents`)].map(({ name }) => name).sort();
    const expected = names.flatMap((name) =>
      ["latents", "latents_sd"].map((what) => `${name.replace(" ", "-")}_${what}.tsv`)
    ).sort();
    assertEquals(written, expected);
  });
});

Deno.test("more scans are trained on than the system lets be open at once", async () => {
  await inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/scans`);
    const count = 100;
    for (let n = 0; n < count; n++) {
      const bytes = image(8, (i) => Math.sin(i + n));
      Deno.writeFileSync(
        `${folder}/scans/${n}.nii${n % 2 ? ".gz" : ""}`,
        n % 2 ? gzipSync(bytes) : bytes,
      );
    }
    const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
    const line =
      `ulimit -n 64 && exec "$0" run --quiet --no-check --no-prompt --allow-read --allow-write ` +
      `--allow-env '${main}' train --data scans --memory 1 --out run ${TRAINING.join(" ")}`;
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", line, Deno.execPath()],
      cwd: folder,
      env: { RECVAE_BACKEND: "cpu", TMPDIR: folder },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertStringIncludes(new TextDecoder().decode(stdout), `${count} runs`);
  });
});

Deno.test("refusals of many files list a few of them and count the rest", async () => {
  await inFolder(async (folder) => {
    const scans = writeScans(folder, 12);
    const many = await recvae("inspect", ...scans);
    assertEquals(many.code, 2);
    assertStringIncludes(many.stderr, "found 12: ");
    assertStringIncludes(many.stderr, "sub-3_bold.nii and 9 more");
    const resumed = await recvae("train", "--resume", folder, ...scans);
    assertStringIncludes(resumed.stderr, "sub-6_bold.nii and 6 more");
    const short = await recvae("train", ...scans, "--tol-time", "9", "--out", `${folder}/run`);
    assertRefused(
      short,
      'sub-1_bold.nii": found 4 timepoints, needs 9 (11 more files are too short)',
    );
    assertStringIncludes(short.stderr, "use fewer frames (--tol-time)");
  });
});

Deno.test("one scan alone is trained on, and the missing held-out one is said", async () => {
  await inFolder(async (folder) => {
    const [scan] = writeScans(folder, 1);
    const { code, stdout, stderr } = await recvae(
      "train",
      scan,
      "--out",
      `${folder}/run`,
      ...TRAINING,
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "One scan only: nothing is held out");
  });
});
