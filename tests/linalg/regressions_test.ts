/** Regressions against closed forms and scikit-learn 1.2.1 (`LogisticRegression(C=1/penalty)`, `Ridge(alpha=penalty)`). */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { ConfigError, ShapeError, SingularMatrixError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { fitLogistic, logisticProbabilities } from "../../src/linalg/logistic_regression.ts";
import { solvePositiveDefinite } from "../../src/linalg/positive_definite.ts";
import { fitRidge } from "../../src/linalg/ridge_regression.ts";
import { rowSpace } from "../../src/linalg/row_space.ts";
import { assertClose } from "../support/closeness.ts";

const ROWS = Float64Array.from({ length: 36 }, (_, index) => {
  const [i, j] = [Math.floor(index / 3), index % 3];
  return ((7 * i + 3 * j * j + i * j) % 11) / 5 - 1;
});
const TWO = [0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0];
const THREE = [0, 1, 2, 0, 1, 2, 2, 1, 0, 1, 2, 0];

Deno.test("a binary logistic regression has the weights of scikit-learn", () => {
  const expected = [
    [0.5, [-0.3573180154620122, -0.5612380852260263, 0.7986915607394417], 0.0074768157637930535],
    [4, [-0.10022351410863249, -0.2119795893983123, 0.2584292689069072], 0.0019802233792488746],
  ] as const;
  for (const [penalty, weights, intercept] of expected) {
    const fit = fitLogistic(ROWS, { columns: 3, classes: TWO, classCount: 2, penalty });
    assertClose(fit.weights, weights, { tolerance: 1e-11 });
    assertAlmostEquals(fit.intercepts[0], intercept, 1e-11);
  }
});

Deno.test("a multinomial logistic regression has the weights and probabilities of scikit-learn", () => {
  const fit = fitLogistic(ROWS, { columns: 3, classes: THREE, classCount: 3, penalty: 0.5 });
  // deno-fmt-ignore
  const weights = [
    -0.4863731524025708, -0.8765155309909997, -0.3630592677775798,
    0.7121760173078783, -0.39984976348234996, 0.818554248440879,
    -0.2258028649053076, 1.27636529447335, -0.45549498066329935,
  ];
  assertClose(fit.weights, weights, { tolerance: 1e-7 });
  const intercepts = [-0.013586272662232226, 0.08860573471199175, -0.07501946204975952];
  assertClose(fit.intercepts, intercepts, { tolerance: 1e-6 });
  const probabilities = logisticProbabilities(fit, ROWS.subarray(0, 3));
  assertClose(probabilities, [0.6958457068211148, 0.0746502346892967, 0.22950405848958846], {
    tolerance: 1e-7,
  });
});

Deno.test("two classes as a multinomial regression are the binary one at half the penalty", () => {
  // With W = (−w/2, w/2) the length is ‖w‖²/2. A third class nobody belongs to is no multinomial of two.
  const binary = fitLogistic(ROWS, { columns: 3, classes: TWO, classCount: 2, penalty: 1 });
  const start = fitLogistic(ROWS, { columns: 3, classes: TWO, classCount: 2, penalty: 9 });
  const warm = fitLogistic(ROWS, { columns: 3, classes: TWO, classCount: 2, penalty: 1, start });
  assertClose(warm.weights, binary.weights, { tolerance: 1e-9 });
  assert(warm.iterations < binary.iterations + 1);
  // One column of −1 and 1, a weak penalty: the log odds of the table.
  const rows = Float64Array.of(-1, -1, -1, -1, 1, 1, 1, 1);
  const classes = [0, 0, 0, 1, 0, 1, 1, 1];
  const { weights } = fitLogistic(rows, { columns: 1, classes, classCount: 2, penalty: 1e-9 });
  assertAlmostEquals(weights[0], Math.log(3), 1e-6);
});

Deno.test("rows in their own space give the same predictions, with fewer columns", () => {
  const stream = RandomStream.fromSeed(3);
  const [rows, others] = [stream.normals64(12 * 40), stream.normals64(5 * 40)];
  const space = rowSpace(rows, 40);
  assertEquals(space.rank, 12);
  const problem = { classes: TWO, classCount: 2, penalty: 2 };
  const narrow = fitLogistic(space.coordinates, { ...problem, columns: 12 });
  const wide = fitLogistic(rows, { ...problem, columns: 40 });
  assertClose(
    logisticProbabilities(narrow, space.project(others)),
    logisticProbabilities(wide, others),
    { tolerance: 1e-9 },
  );
  assertEquals(rowSpace(others.slice(0, 30), 3).project(others.slice(0, 3)), others.slice(0, 3));
});

Deno.test("ridge regression has the weights of scikit-learn", () => {
  const targets = Float64Array.from({ length: 24 }, (_, index) => {
    const i = Math.floor(index / 2);
    return index % 2 === 0 ? i % 5 : (i * i) % 7;
  });
  const { weights, intercept } = fitRidge(ROWS, { columns: 3, targets, penalty: 2 });
  // deno-fmt-ignore
  const expected = [
    0.6109036544452305, -0.13137241838069585, 0.4995983060819527,
    -0.062197517781874, 1.175581839275195, 0.19043393871197775,
  ];
  assertClose(weights, expected, { tolerance: 1e-12 });
  assertClose(intercept, [1.8298361109965429, 1.963365197408149], { tolerance: 1e-12 });
});

Deno.test("positive definite systems are solved, others refused", () => {
  const solved = solvePositiveDefinite(Float64Array.of(4, 0, 2, 3), Float64Array.of(2, 5, 1, 1), 2);
  // [[4, 2], [2, 3]]·X = [[2, 5], [1, 1]]
  assertClose(solved, [0.5, 13 / 8, 0, -0.75], { tolerance: 1e-14 });
  const one = Float64Array.of(1, 1);
  assertThrows(
    () => solvePositiveDefinite(Float64Array.of(1, 0, 1, 1), one, 2),
    SingularMatrixError,
    "penalty above 0",
  );
});

Deno.test("regressions that cannot be are refused by name", () => {
  const fit = (over: object) =>
    fitLogistic(ROWS, { columns: 3, classes: TWO, classCount: 2, penalty: 1, ...over });
  assertThrows(() => fit({ penalty: 0 }), ConfigError, "penalty is 0");
  assertThrows(() => fit({ classes: TWO.slice(1) }), ShapeError, "a class for each row");
  assertThrows(() => fit({ classes: THREE }), ConfigError, "found class 2");
  assertThrows(() => fit({ classes: TWO.map(() => 1) }), ConfigError, "one class");
  const rows = ROWS.with(4, NaN);
  assertThrows(
    () => fitLogistic(rows, { columns: 3, classes: TWO, classCount: 2, penalty: 1 }),
    ConfigError,
    "NaN",
  );
  const ridge = { columns: 3, targets: new Float64Array(12), penalty: 0 };
  assertThrows(() => fitRidge(ROWS, { ...ridge, penalty: -1 }), ConfigError, "penalty is -1");
  assertThrows(() => fitRidge(ROWS.subarray(1), ridge), ShapeError, "as many targets as rows");
  assertThrows(() => fitRidge(new Float64Array(36), ridge), SingularMatrixError);
});
