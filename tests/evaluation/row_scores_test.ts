/** Scores of reconstructed rows, beside the mean row and principal components. */
import { scoreLines, scoreRows } from "../../src/evaluation/row_scores.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../../src/deps/std.ts";

const array = (shape: number[], ...values: number[]) => ({
  data: Float64Array.from(values),
  shape,
});
/** On the line (1, 1, 1) + t·(1, 0, −1). */
const training = array([3, 3], 0, 1, 2, 1, 1, 1, 2, 1, 0);
const rows = array([2, 3], 3, 1, -1, 4, 3, -2);

Deno.test("rows are scored beside the training mean and the components, by hand", async () => {
  const reconstruction = array([2, 3], 3, 1, 0, 4, 3, -2);
  const [model, mean, pca] = await scoreRows(rows, { training, reconstruction, components: 2 });
  assertAlmostEquals(model.mse, 1 / 6, 1e-12);
  assertEquals(mean.name, "training mean");
  assertAlmostEquals(mean.mse, (4 + 0 + 4 + 9 + 4 + 9) / 6, 1e-12);
  assertEquals(mean.correlation, NaN, "a constant row has no correlation");
  assertEquals(pca.name, "1 principal components", "no more than the rows have");
  assertAlmostEquals(pca.mse, 4 / 6, 1e-12);
});

Deno.test("rows that do not fit are refused", async () => {
  const short = { training, reconstruction: array([1, 3], 1, 2, 3), components: 1 };
  await assertRejects(() => scoreRows(rows, short), ShapeError, "reconstruction has shape [1,3]");
  const narrow = { training: array([2, 2], 1, 2, 3, 4), reconstruction: rows, components: 1 };
  await assertRejects(() => scoreRows(rows, narrow), ShapeError, "training has shape [2,2]");
});

Deno.test("the table has a line a score under the names of its columns", () => {
  const score = { mse: 0.12345, correlation: NaN, contrast: 1, frames: 2 };
  assertEquals(scoreLines([{ name: "model", ...score }]), [
    "       mean sq. err correlation    contrast",
    "model         0.123         NaN           1",
  ]);
});
