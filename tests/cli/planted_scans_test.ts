import { openBoldRun } from "../../src/data/bold_run.ts";
import { plantedCohort } from "../../src/data/planted.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { plantedFigures } from "../../bench/science_tables.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const SMALL = ["--frames", "5", "--spatial", "4,5,3", "--seed", "2"];

Deno.test("synthesize --planted writes the scans of the generator and what was planted in them", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/planted`;
    const made = await recvae(
      "synthesize",
      "--planted",
      "--out",
      out,
      "--runs",
      "2",
      "--snr",
      "4",
      ...SMALL,
    );
    assertEquals(made.code, 0, made.stderr);
    const names = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
    const scans = ["sub-01_task-rest_bold.nii", "sub-02_task-rest_bold.nii"];
    assertEquals(names, ["planted.json", ...scans]);
    const cohort = plantedCohort({ runs: 2, snr: 4, frames: 5, spatialShape: [4, 5, 3], seed: 2 });
    for (const [n, name] of scans.entries()) {
      using run = await openBoldRun(`${out}/${name}`);
      assertEquals(run.readFrame(4), (await cohort.subjects[n].open()).readFrame(4));
    }
    const { groups: [{ F, eigenvalues }], states } = JSON.parse(
      Deno.readTextFileSync(`${out}/planted.json`),
    );
    assertEquals(F.flat(), [...cohort.transitions[0]]);
    assertAlmostEquals(eigenvalues[0].modulus, 0.95, 1e-12);
    assertEquals([...states["sub-01"], ...states["sub-02"]].flat(), [...cohort.latents.data]);
    const again = await recvae("synthesize", "--planted", "--out", out, "--runs", "2", ...SMALL);
    assertEquals(again.code, 2, "nothing is replaced unasked");
  });
});

Deno.test("synthesize --planted makes two groups, and refuses options of the other kind of data", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/groups`;
    const made = await recvae(
      "synthesize",
      "--planted",
      "--out",
      out,
      "--cn",
      "1",
      "--ad",
      "2",
      ...SMALL,
    );
    assertEquals(made.code, 0, made.stderr);
    const { groups } = JSON.parse(Deno.readTextFileSync(`${out}/planted.json`));
    assertEquals(groups.map(({ label }: { label: string }) => label), ["CN", "AD"]);
    assertEquals([...Deno.readDirSync(`${out}/AD`)].length, 2);
    const refusals: [string[], string][] = [
      [["--planted", "--noise", "1"], "--noise does not go with --planted"],
      [["--snr", "1"], "--snr goes with --planted"],
      [["--planted", "--runs", "2", "--cn", "2"], "--runs is of one group"],
    ];
    for (const [args, message] of refusals) {
      const { code, stderr } = await recvae(
        "synthesize",
        "--out",
        `${folder}/none`,
        ...args,
        ...SMALL,
      );
      assertEquals(code, 2);
      assertStringIncludes(stderr, message);
    }
    const huge = await recvae(
      "synthesize",
      "--planted",
      "--out",
      `${folder}/none`,
      "--spatial",
      "91,109,91",
    );
    assertEquals(huge.code, 2, huge.stderr);
    assertStringIncludes(huge.stderr, "ask for smaller volumes");
  });
});

Deno.test("train finds planted states and dynamics again, through files, and reports them with intervals", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/planted`;
    const made = await recvae("synthesize", "--planted", "--out", scans, "--repetition-time", "2");
    assertEquals(made.code, 0, made.stderr);
    const run = `${folder}/run`;
    // The start is close already; forty epochs, the default, are for the night.
    const epochs = NIGHTLY ? [] : ["--epochs", "3"];
    const trained = await recvae(
      ...["train", "--data", scans, "--latent-dim", "4", "--held-out", "0", "--out", run],
      ...["--backend", "wasm", "--quiet", ...epochs],
    );
    assertEquals(trained.code, 0, trained.stderr);
    const { recovery, reported } = plantedFigures(scans, run);
    recovery.forEach((r2) => assert(r2 >= 0.945, `R² of the states: ${recovery}`));
    reported!.forEach((error) => assert(error <= 0.05, `errors of the eigenvalues: ${reported}`));
    const { leastSquares, repetitionTime } = JSON.parse(
      Deno.readTextFileSync(`${run}/transition.json`),
    );
    assertEquals([repetitionTime, leastSquares.pairs], [2, 8 * 119]);
    const { modulus, modulusInterval: [low, high], timeConstant } = leastSquares.modes[0];
    assert(
      low < 0.95 && 0.95 < high && low < modulus && modulus < high,
      `${low} ${modulus} ${high}`,
    );
    assertAlmostEquals(timeConstant, -1 / Math.log(modulus), 1e-9);
    assertStringIncludes(trained.stdout, "of the 952 pairs of frames trained on");
    assertStringIncludes(trained.stdout, `modulus ${modulus.toFixed(3)} (${low.toFixed(3)} to `);
  });
});
