/** Every cleaned matrix of the fixtures: nilearn's numbers, alone and in all combinations of steps. */
import type { NdArray } from "../../src/base/arrays.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import {
  type CleaningOptions,
  cleanSignals,
} from "../../src/data/preprocessing/signal_cleaning.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import {
  MANIFEST,
  preprocessingArray,
  type PreprocessingCase,
} from "../support/preprocessing_fixtures.ts";

const CASES = MANIFEST.clean as PreprocessingCase[];
const arrayOf = (key: string) => preprocessingArray("clean.safetensors", key) as NdArray;

function optionsOf({ parameters: p, inputs = {} }: PreprocessingCase): CleaningOptions {
  const padtype = p.butterworth__padtype;
  const padding = padtype === undefined && p.butterworth__padlen === undefined ? undefined : {
    kind: padtype === null ? "none" : padtype ?? "odd",
    ...(p.butterworth__padlen === undefined ? {} : { length: p.butterworth__padlen }),
  };
  const options = {
    detrend: p.detrend,
    standardize: p.standardize ?? undefined,
    filter: p.filter || undefined,
    lowPass: p.low_pass,
    highPass: p.high_pass,
    repetitionTime: p.t_r,
    order: p.butterworth__order,
    padding,
    confounds: inputs.confounds ? arrayOf(inputs.confounds) : undefined,
    standardizeConfounds: p.standardize_confounds,
    keptFrames: inputs.sample_mask
      ? Array.from(arrayOf(inputs.sample_mask).data, Number)
      : undefined,
    extrapolate: p.extrapolate,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function rowsOf({ data, shape: [, columns] }: NdArray, rows: readonly number[]): NdArray {
  const values = rows.flatMap((t) => Array.from(data.slice(t * columns, (t + 1) * columns)));
  return { data: Float64Array.from(values), shape: [rows.length, columns] };
}

function cleaned(one: PreprocessingCase): ArrayLike<number> {
  const signals = arrayOf(one.inputs!.signals);
  const options = optionsOf(one);
  if (!one.inputs!.runs) return cleanSignals(signals, options).data;
  const runs = Array.from(arrayOf(one.inputs!.runs).data, Number);
  return [...new Set(runs)].sort().flatMap((run) => {
    const rows = [...runs.keys()].filter((t) => runs[t] === run);
    const confounds = rowsOf(options.confounds!, rows);
    return [...cleanSignals(rowsOf(signals, rows), { ...options, confounds }).data];
  });
}

Deno.test("signals are cleaned to nilearn's numbers", () => {
  assertEquals(CASES.length, 59);
  for (const one of CASES) {
    const { key } = one.outputs.find(({ key }) => key.startsWith("out_intended")) ?? one.outputs[0];
    const expected = arrayOf(key).data;
    const found = cleaned(one);
    assertEquals(found.length, expected.length, one.name);
    let [difference, scale] = [0, 1];
    for (let i = 0; i < expected.length; i++) {
      difference = Math.max(difference, Math.abs(found[i] - expected[i]));
      scale = Math.max(scale, Math.abs(expected[i]));
    }
    const tolerance = Number(/<= (\S+) \* max/.exec(one.tolerance)![1]);
    assert(difference <= tolerance * scale, `${one.name}: ${difference} of ${scale}`);
  }
});

Deno.test("what cannot be cleaned so is refused in the words of the options", () => {
  const signals = { data: new Float64Array(20), shape: [10, 2] };
  const cases: [CleaningOptions, string][] = [
    [{ filter: "butterworth", lowPass: 0.1 }, "--tr"],
    [{ filter: "butterworth", repetitionTime: 2 }, "--low-pass"],
    [{ filter: "butterworth", repetitionTime: 2, lowPass: 0.1 }, "10 frames, needs more than 18"],
    [{ filter: "butterworth", repetitionTime: 2, lowPass: 0.01, highPass: 0.1 }, "--high-pass 0.1"],
    [{ keptFrames: [] }, "no frame that is kept"],
    [{ keptFrames: [3, 3] }, "frame 3"],
    [{ keptFrames: [10] }, "frame 10"],
  ];
  for (const [options, part] of cases) {
    assertThrows(() => cleanSignals(signals, options), ConfigError, part);
  }
  const confounds = { data: new Float64Array(9), shape: [9, 1] };
  assertThrows(() => cleanSignals(signals, { confounds }), ShapeError, "9 frames");
});
