/**
 * The conformance battery: one table of cases per family of operations, the same for every engine, compared
 * with the float64 reference engine at tolerances that follow from float32 arithmetic (rounding.ts).
 *
 * `conformance_test.ts` runs it for every engine that starts on this machine; `runConformance` (families.ts) is for
 * whoever wants the figures.
 */
import type { NdArray } from "../../src/base/arrays.ts";
import type { BackendName } from "../../src/backends/engine.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";

/** Inputs of a case: values exact in float32, stored as float64. */
export type CaseInputs = Readonly<Record<string, NdArray<Float64Array>>>;

/** The same as tensors of the engine under test. */
export type CaseTensors = Readonly<Record<string, tf.Tensor>>;

/** One call of one operation. */
export interface Case {
  /** Sizes and options, enough to find the case again. */
  readonly label: string;
  readonly inputs: CaseInputs;
  /** Calls the operation; only the returned tensors survive. */
  run(tensors: CaseTensors): tf.Tensor[];
  /**
   * Largest permitted |difference| per value of each result; Infinity leaves a value unchecked. Called
   * while the reference engine is current.
   */
  tolerances(results: readonly Float64Array[]): readonly ArrayLike<number>[];
}

/** Cases of related operations. */
export interface Family {
  readonly name: string;
  /** The first `count` cases of a fixed, seeded sequence. */
  cases(count: number): Case[];
}

/** What a comparison found. */
export interface Comparison {
  readonly cases: number;
  readonly values: number;
  /** Largest |difference| divided by its tolerance, and the case it occurred in. */
  readonly worst: { readonly ratio: number; readonly label: string };
  /** One line per case that failed. */
  readonly failures: readonly string[];
}

interface Expectation {
  readonly shapes: readonly (readonly number[])[];
  readonly values: readonly Float64Array[];
  readonly tolerances: readonly ArrayLike<number>[];
}

/** Reference results are computed once, whatever the number of engines compared with them. */
const expectations = new Map<string, Promise<Expectation[]>>();

/**
 * Runs the first `count` cases of a family on an engine and compares. Leaves that engine current.
 *
 * @param engine Name of the engine under test.
 * @param family The cases.
 * @param count How many.
 */
export async function compareFamily(
  engine: BackendName,
  family: Family,
  count: number,
): Promise<Comparison> {
  const cases = family.cases(count);
  const key = `${family.name} ${count}`;
  if (!expectations.has(key)) expectations.set(key, expect(cases));
  const expected = await expectations.get(key)!;
  await selectBackend(engine);
  const tensorsBefore = tf.memory().numTensors;
  const failures: string[] = [];
  const worst = { ratio: 0, label: "none" };
  let values = 0;
  for (const [i, one] of cases.entries()) {
    const found = await attempt(one, expected[i]);
    values += found.values;
    if (found.ratio > worst.ratio) Object.assign(worst, { ratio: found.ratio, label: one.label });
    if (found.problem) failures.push(`${one.label}: ${found.problem}`);
  }
  const leaked = tf.memory().numTensors - tensorsBefore;
  if (leaked !== 0) failures.push(`${leaked} tensors were left behind`);
  return { cases: cases.length, values, worst, failures };
}

/** Runs and judges a case; an exception is a finding like any other. */
async function attempt(one: Case, expected: Expectation): Promise<Finding> {
  try {
    return judge(await evaluate(one), expected);
  } catch (error) {
    return { ratio: Infinity, values: 0, problem: `throws ${error}` };
  }
}

/** The largest ratio of difference to tolerance, the number of values compared, the first problem. */
interface Finding {
  readonly ratio: number;
  readonly values: number;
  readonly problem: string | null;
}

interface Evaluation {
  readonly shapes: readonly (readonly number[])[];
  readonly values: readonly ArrayLike<number>[];
}

/** Runs a case on the current engine. */
async function evaluate(one: Case): Promise<Evaluation> {
  const results = tf.tidy(() => one.run(upload(one.inputs)));
  const values = await Promise.all(results.map(toHost));
  const shapes = results.map((tensor) => tensor.shape);
  tf.dispose(results);
  return { shapes, values };
}

/** The reference engine's results of all cases. */
async function expect(cases: readonly Case[]): Promise<Expectation[]> {
  await selectBackend("reference");
  const result: Expectation[] = [];
  for (const one of cases) {
    const { shapes, values } = await evaluate(one);
    const exact = values.map((array) => Float64Array.from(array));
    result.push({ shapes, values: exact, tolerances: one.tolerances(exact) });
  }
  return result;
}

/** Tensors of a case's inputs on the current engine. */
export function upload(inputs: CaseInputs): CaseTensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, toTensor(data, shape)]),
  );
}

/**
 * Compares results with what was expected: equal shapes, NaN exactly where NaN is expected, and differences
 * within tolerance.
 *
 * @param found Results of the engine under test.
 * @param expected Those of the reference engine.
 */
export function judge(
  found: Evaluation,
  expected: Expectation,
): Finding {
  let ratio = 0, values = 0;
  let problem: string | null = null;
  for (const [r, target] of expected.values.entries()) {
    const actual = found.values[r];
    if (`${found.shapes[r]}` !== `${expected.shapes[r]}` || actual.length !== target.length) {
      problem ??= `result ${r} has shape [${found.shapes[r]}], needs [${expected.shapes[r]}]`;
      continue;
    }
    values += target.length;
    for (let i = 0; i < target.length; i++) {
      const tolerance = expected.tolerances[r][i];
      if (tolerance === Infinity) continue;
      const here = excess(actual[i], target[i], tolerance);
      if (here > ratio) ratio = here;
      if (here > 1) {
        problem ??= `result ${r}[${i}] is ${actual[i]}, needs ${target[i]} within ${tolerance}`;
      }
    }
  }
  return { ratio, values, problem };
}

/** |actual − expected| / tolerance; 0 when equal or both NaN, Infinity when only one is NaN. */
function excess(actual: number, expected: number, tolerance: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  const difference = Math.abs(actual - expected);
  return Number.isNaN(difference) ? Infinity : difference / tolerance;
}
