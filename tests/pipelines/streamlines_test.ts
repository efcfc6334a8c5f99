/** The family streamlines through the real program: from tractograms to a trained run, and everything that is done with it. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { readTractogram } from "../../src/data/streamlines/tractogram_files.ts";
import { streamlineLengths } from "../../src/data/streamlines/geometry.ts";
import { pickFromTractogram } from "../../src/data/streamlines/selection.ts";
import { streamlineCount } from "../../src/formats/tractogram.ts";
import { writeTrk } from "../../src/formats/trk_write.ts";
import * as streamlines from "../../src/pipelines/streamlines/public.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { tractPath } from "../support/streamline_fixtures.ts";

const ENGINE = ["--backend", "wasm", "--threads", "1"];
/** Small enough for a test, large enough to learn the phantom. */
const SMALL = ["--points", "32", "--width", "4", "--share", "0.1", "--latent-dim", "6"];

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await recvaeInProcess(args);
  assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function refused(code: number, ...args: string[]): Promise<string> {
  const finished = await recvaeInProcess(args);
  assertEquals(finished.code, code, `${args.join(" ")}: ${finished.stderr}`);
  return finished.stderr;
}

function train(out: string, ...args: string[]): Promise<string> {
  return done("train", "streamlines", "--out", out, "--quiet", ...ENGINE, ...args);
}

Deno.test("streamlines: an autoencoder is trained on files, scored, resumed, and used", async () => {
  await inFolder(async (folder) => {
    const [phantom, run] = [`${folder}/phantom`, `${folder}/run`];
    await done("synthesize", "streamlines", "--out", phantom, "--share", "0.1");
    const bundles = ["straight", "large-arc", "s-shape", "fan"].map((n) => `${phantom}/${n}.trk`);
    const sizes = ["--points", "32", "--width", "4", "--latent-dim", "6"];
    const asked = [...bundles, ...sizes, "--epochs", "2"];
    const text = await train(run, ...asked);
    assertStringIncludes(text, "6 principal components");
    assertStringIncludes(text, "Few streamlines, so that their Gaussians were shrunk");
    const { training, scores } = JSON.parse(await Deno.readTextFile(`${run}/summary.json`));
    assertEquals([training.epochs, training.ended], [2, "completed"]);
    const [model, , mean] = scores.reconstruction;
    assert(model.pointError < mean.pointError / 5, `${model.pointError}`);
    assertStringIncludes(await Deno.readTextFile(`${run}/report.html`), "<polyline");
    for (const name of ["held-out", "reconstructed", "generated"]) {
      const { space } = await readTractogram(`${run}/tractograms/${name}.trk`);
      assertEquals(space!.dimensions, [88, 88, 3]);
    }
    const again = JSON.parse(await done("evaluate", run, "--json", ...ENGINE));
    assertEquals(again.scores, scores);
    await done("train", "--resume", run, "--epochs", "3", "--quiet", ...ENGINE);
    const facts = JSON.parse(await done("inspect", run, "--json"));
    assertEquals([facts.kind, facts.epochs], ["run of streamlines (ae)", 3]);
    await useRun(folder, { phantom, run });
  });
});

/** Encodes, reconstructs, samples and filters with a run of four bundles. */
async function useRun(
  folder: string,
  { phantom, run }: { readonly phantom: string; readonly run: string },
): Promise<void> {
  const fan = `${phantom}/fan.trk`;
  await done("encode", run, fan, "--out", `${folder}/codes.tsv`, ...ENGINE);
  const codes = (await Deno.readTextFile(`${folder}/codes.tsv`)).trim().split("\n");
  assertEquals([codes.length, codes[0]], [46, "z1\tz2\tz3\tz4\tz5\tz6"]);
  const made = `${folder}/again.tck`;
  const error = JSON.parse(await done("reconstruct", run, fan, "--out", made, "--json", ...ENGINE));
  assertEquals(streamlineCount(await readTractogram(made)), 45);
  assert(error.pointError < 6, `${error.pointError}`);
  const drawn = `${folder}/drawn.trk`;
  const sample = ["sample", run, "--out", drawn, "--count", "20", "--force", ...ENGINE];
  await done(...sample, "--bundle", "fan", "--seed", "3");
  const first = (await readTractogram(drawn)).points;
  await done(...sample, "--bundle", "4", "--seed", "3");
  assertEquals((await readTractogram(drawn)).points, first);
  const seeded = await done(...sample, "--seeds", fan, "--atlas", fan, "--ratio", "0.7,0.3");
  assertMatch(seeded, /Acceptance [\d.]+ %/);
  const [good, bad] = [`${folder}/good.trk`, `${folder}/bad.trk`];
  const outs = ["--out-plausible", good, "--out-implausible", bad, ...ENGINE];
  const filtered = JSON.parse(
    await done("filter", run, `${phantom}/implausible.trk`, ...outs, "--json"),
  );
  assertEquals(filtered.streamlines, 60);
  assert(filtered.accepted < 20, `${filtered.accepted} implausible streamlines were accepted`);
  const counts = [good, bad].map(async (path) => streamlineCount(await readTractogram(path)));
  assertEquals(await Promise.all(counts), [filtered.accepted, 60 - filtered.accepted]);
  const own = JSON.parse(await done("filter", run, fan, ...outs, "--force", "--json"));
  assert(own.accepted > 35, `${own.accepted} of 45 plausible streamlines were accepted`);
  const curve = `${folder}/curve.json`;
  const told = ["--implausible", `${phantom}/implausible.trk`, "--out-thresholds", curve];
  assertStringIncludes(
    await done("filter", run, fan, ...told, ...ENGINE, "--plausible", fan),
    "Area under the ROC curve",
  );
  assert(JSON.parse(await Deno.readTextFile(curve)).curve.area > 0.9);
}

for (const kind of ["vae", "conditional", "regression", "adversarial"]) {
  Deno.test(`streamlines: ${kind} goes through the program and gives new streamlines`, async () => {
    await inFolder(async (folder) => {
      const [run, drawn] = [`${folder}/run`, `${folder}/drawn.trk`];
      await train(run, "--kind", kind, ...SMALL, "--epochs", "2");
      const sample = ["sample", run, "--bundle", "fan", "--count", "10", "--out", drawn, ...ENGINE];
      const wanted = kind === "conditional" ? ["--attribute", "length=110:120"] : [];
      await done(...sample, ...wanted);
      assertEquals(streamlineCount(await readTractogram(drawn)), 10);
      const more = [...sample, "--force", "--attribute", "length=900"];
      assertStringIncludes(await done(...more), "more than 25 % beyond");
      const unknown = sample.map((word) => (word === "fan" ? "hook" : word));
      assertStringIncludes(
        await refused(2, ...unknown, "--force"),
        'the bundle "hook", needs one of straight',
      );
    });
  });
}

/** Kinds of one phase and of three; the former in the nightly run. */
const RESUMED = NIGHTLY ? ["vae", "regression", "adversarial"] : ["adversarial"];

Deno.test("streamlines: a run that is trained further is the run that was trained at once", async () => {
  await inFolder(async (folder) => {
    for (const kind of RESUMED) {
      const [whole, parts] = [`${folder}/${kind}-whole`, `${folder}/${kind}-parts`];
      // With the original's constant rate the schedule does not depend on the number of epochs.
      const asked = ["--kind", kind, ...SMALL, "--preset", "original", "--batch-size", "32"];
      await train(whole, ...asked, "--epochs", "2");
      await train(parts, ...asked, "--epochs", "1");
      await done("train", "--resume", parts, "--epochs", "2", "--quiet", ...ENGINE);
      const [a, b] = await Promise.all(
        [whole, parts].map((run) => Deno.readFile(`${run}/weights.safetensors`)),
      );
      assertEquals(a, b, kind);
    }
  });
});

Deno.test("streamlines: one and two threads give the same bits", async () => {
  await inFolder(async (folder) => {
    const weights: Uint8Array[] = [];
    for (const threads of ["1", "2"]) {
      const out = `${folder}/${threads}`;
      const asked = ["--kind", "conditional", ...SMALL, "--epochs", "1", "--quiet"];
      await done(
        ...["train", "streamlines", ...asked, "--out", out],
        ...["--backend", "wasm", "--threads", threads],
      );
      weights.push(await Deno.readFile(`${out}/weights.safetensors`));
    }
    assertEquals(weights[0], weights[1]);
  });
});

Deno.test("streamlines: what cannot be used is refused with what helps", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/run`;
    const trained = (...args: string[]) => ["train", "streamlines", "--out", out, ...args];
    const simple = tractPath("nibabel_simple.trk");
    assertStringIncludes(
      await refused(3, ...trained(simple)),
      "1 streamlines that cannot be used (1 of fewer than two points",
    );
    assertStringIncludes(await refused(2, ...trained(simple, "--share", "0.5")), "leave them out");
    assertStringIncludes(await refused(2, ...trained("--segment", "kmeans")), "quickbundles:10");
    assertStringIncludes(
      await refused(2, ...trained("--points", "100")),
      "32, 64, 128, 256 or 512",
    );
    assertStringIncludes(
      await refused(3, ...trained(tractPath("nibabel_no_header_end.tck"))),
      "needs a header",
    );
    assertStringIncludes(await refused(3, ...trained(tractPath("SOURCES.md"))), "ends with .trk");
    const standard = tractPath("nibabel_standard.trk");
    const image = (name: string) => new URL(`../data/nifti/${name}`, import.meta.url).pathname;
    assertStringIncludes(
      await refused(3, ...trained(standard, "--reference", image("niftirs_27_int8.nii"))),
      "its dimensions are 4 5 7, needs 3 3 3",
    );
    assertStringIncludes(
      await refused(
        2,
        ...trained(standard, "--reference", image("nibabel_standard.nii.gz"), "--points", "100"),
      ),
      "32, 64, 128",
    );
    const whole = await readTractogram(standard);
    const cut = `${folder}/cut.trk`;
    await Deno.writeFile(cut, writeTrk(whole).slice(0, 2001));
    assertStringIncludes(await refused(3, ...trained(cut)), "streamline 25");
    const few = `${folder}/few.trk`;
    await Deno.writeFile(few, writeTrk(pickFromTractogram(whole, [3, 1, 2])));
    assertEquals((await readTractogram(few)).points.length, 27);
    assertStringIncludes(
      await refused(2, "convert", tractPath("nibabel_simple.tck"), `${folder}/x.trk`),
      "write .tck",
    );
  });
});

Deno.test("streamlines: inspect says what is odd, convert keeps values beside points", async () => {
  await inFolder(async (folder) => {
    const facts = JSON.parse(await done("inspect", tractPath("nibabel_complex.trk"), "--json"));
    assertEquals([facts.streamlines, facts.points], [3, 8]);
    assertEquals(facts.perStreamline, ["mean_colors", "mean_curvature", "mean_torsion"]);
    assertStringIncludes(facts.remarks.join(), "1 streamlines of fewer than two points");
    const [trx, trk] = [`${folder}/a.trx`, `${folder}/a.trk.gz`];
    await done("convert", tractPath("nibabel_complex.trk"), trx);
    await done("convert", trx, trk);
    const [before, after] = [
      await readTractogram(tractPath("nibabel_complex.trk")),
      await readTractogram(trk),
    ];
    assertEquals(after.points, before.points);
    assertEquals(after.perPoint!.get("fa"), before.perPoint!.get("fa"));
    assertEquals(after.perStreamline, before.perStreamline);
    const group = JSON.parse(
      await done("inspect", tractPath("trx/meta_f32_u32_stored.trx"), "--json"),
    );
    assertEquals(group.groups.sort(), ["AF_L (2)", "CC (3)", "CST_R (1)"]);
    assertAlmostEquals(Math.max(...streamlineLengths(before)), facts.lengths.most, 1e-3);
  });
});

Deno.test("./streamlines gives exactly the public names", () => {
  assertEquals(Object.keys(streamlines).sort(), [
    ...["AdversarialAutoencoder", "ConditionalStreamlineVae", "RegressionVae", "STREAMLINE_KINDS"],
    ...["StreamlineAutoencoder", "StreamlineVae", "chooseThreshold", "fibercup"],
    ...["filterStreamlines", "fitBundleDensities", "flipStreamline", "implausibleFibercup"],
    ...["lengthsOf", "meanDirectFlipDistance", "nearestDistances", "orientStreamlines"],
    ...["pickFromTractogram", "quickBundles", "readTractogram", "resampleStreamlines", "rocCurve"],
    ...["sampleFromSeeds", "sampleStreamlines", "sevenArcs", "streamTractogram"],
    ...["streamlineLength", "streamlineLengths", "tractogramOf", "tsne", "writeTractogram"],
  ]);
});
