/** What docs/science.md promises of the default model, on runs of the program: all of it at night, a part of it always. */
import { COMPARISON_COLUMNS, comparisonRow, FOLDS } from "../../bench/science_tables.ts";
import { writeTwoGroups } from "../../bench/science_data.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { recvae } from "./run_recvae.ts";

/** The figures of a run, by the titles of the table. */
async function train(folder: string, ...args: string[]): Promise<Record<string, number>> {
  const { code, stderr } = await recvae(
    "train",
    "--out",
    folder,
    "--backend",
    "wasm",
    "--quiet",
    ...args,
  );
  assertEquals(code, 0, stderr);
  const summary = JSON.parse(await Deno.readTextFile(`${folder}/summary.json`));
  const { values } = comparisonRow("", summary);
  return Object.fromEntries(
    COMPARISON_COLUMNS.slice(2).map((title, i) => [`${i}: ${title}`, values[i]]),
  );
}

Deno.test("on every fold of the shipped runs the default is at or above PCA with a lag path, and predicts best", async () => {
  const cases = NIGHTLY
    ? [0, 1].flatMap((seed) =>
      Array.from({ length: FOLDS }, (_, fold) => ({ seed, fold: fold + 1 }))
    )
    : [{ seed: 0, fold: 1 }];
  await inFolder(async (folder) => {
    for (const { seed, fold } of cases) {
      const found = await train(
        `${folder}/${seed}-${fold}`,
        ...["--fold", `${fold}/${FOLDS}`, "--seed", String(seed)],
      );
      const [, lag, model, , voxels, scores, scoresAhead, , ahead] = Object.values(found);
      const told = JSON.stringify(found);
      assert(model >= lag, told);
      assert(ahead > voxels && ahead > scores && ahead > scoresAhead, told);
    }
  });
});

Deno.test("two groups of unlike anatomy are trained on without diverging, at most a point below PCA", async () => {
  const seeds = NIGHTLY ? [0, 1, 2] : [0];
  await inFolder(async (folder) => {
    await writeTwoGroups(`${folder}/scans`);
    for (const seed of seeds) {
      const found = await train(
        `${folder}/${seed}`,
        ...["--cn", `${folder}/scans/CN`, "--ad", `${folder}/scans/AD`, "--seed", String(seed)],
        ...["--epochs", NIGHTLY ? "200" : "3"],
      );
      const [pca, , model] = Object.values(found);
      assert(model >= pca - 1, JSON.stringify(found));
    }
  });
});
