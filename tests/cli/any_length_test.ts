import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { writeSmallScan } from "../support/small_scans.ts";
import { recvae } from "./run_recvae.ts";

const FRAMES = 6;

function table(path: string): number[][] {
  const [head, ...lines] = Deno.readTextFileSync(path).trimEnd().split("\n");
  return lines.map((line) => {
    const row = line.split("\t").map(Number);
    assertEquals(row.length, head.split("\t").length);
    return row;
  });
}

Deno.test("encode gives a row for every frame of scans of any length, and the deviation of each state", async () => {
  await inFolder(async (folder) => {
    for (const n of [1, 2, 3]) {
      writeSmallScan(`${folder}/scans/s${n}.nii`, { seed: n, frames: FRAMES });
    }
    const trained = await recvae(
      ...["train", "--data", `${folder}/scans`, "--out", `${folder}/run`, "--epochs", "2"],
      ...["--channels", "4,8", "--latent-dim", "3", "--scaling", "none", "--fit-offsets", "0"],
      ...["--preset", "original", "--quiet"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    const lengths = { one: 1, short: 4, same: FRAMES, long: 130 };
    for (const [name, frames] of Object.entries(lengths)) {
      writeSmallScan(`${folder}/new/${name}.nii`, { seed: 1, frames });
    }
    const out = `${folder}/out`;
    const encoded = await recvae(
      "encode",
      `${folder}/run`,
      "--data",
      `${folder}/new`,
      "--out",
      out,
    );
    assertEquals(encoded.code, 0, encoded.stderr);
    assertStringIncludes(encoded.stdout, "4 tables of 1 to 130 frames");
    for (const [name, frames] of Object.entries(lengths)) {
      const means = table(`${out}/${name}_latents.tsv`);
      const deviations = table(`${out}/${name}_latents_sd.tsv`);
      assertEquals([means.length, deviations.length], [frames, frames], name);
      for (const row of deviations) {
        assertEquals(row.length, 3);
        row.forEach((sd) => assert(sd > 0 && sd < 100, `${sd}`));
      }
    }
    // The state at a frame depends on that frame and those before it: the run's own table is the same scan.
    const own = table(`${folder}/run/latents/s1_latents.tsv`);
    const same = table(`${out}/same_latents.tsv`);
    same.flat().forEach((value, i) => assertAlmostEquals(value, own.flat()[i], 1e-5));
    const json = await recvae("encode", `${folder}/run`, `${folder}/new/short.nii`, "--json");
    assertEquals(json.code, 0, json.stderr);
    const [{ shape, h, sd }] = JSON.parse(json.stdout);
    assertEquals([shape, Object.keys(h).length, Object.keys(sd).length], [[4, 3], 12, 12]);
  });
});

Deno.test("the default model encodes scans of any length too, a single image among them", async () => {
  await inFolder(async (folder) => {
    for (const n of [1, 2]) {
      writeSmallScan(`${folder}/scans/s${n}.nii`, { seed: n, frames: FRAMES });
    }
    const trained = await recvae(
      ...["train", "--data", `${folder}/scans`, "--out", `${folder}/run`, "--epochs", "1"],
      ...["--latent-dim", "2", "--held-out", "0", "--quiet"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    const lengths = { single: 1, short: 4, long: 130 };
    for (const [name, frames] of Object.entries(lengths)) {
      writeSmallScan(`${folder}/new/${name}.nii`, { seed: 3, frames });
    }
    const out = `${folder}/out`;
    const { code, stdout, stderr } = await recvae(
      ...["encode", `${folder}/run`, "--data", `${folder}/new`, "--out", out],
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "3 tables of 1 to 130 frames");
    for (const [name, frames] of Object.entries(lengths)) {
      assertEquals(table(`${out}/${name}_latents.tsv`).length, frames);
      const deviations = table(`${out}/${name}_latents_sd.tsv`).flat();
      assertEquals(deviations.length, 2 * frames);
      // The bound on log-variances: e^-5 to e^2.
      deviations.forEach((sd) => assert(sd > 0.0067 && sd < 7.4, `${sd}`));
    }
  });
});
