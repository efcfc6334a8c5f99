/** The reconstruction error behind tanh, with its derivative, in the battery. */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { tanhSquaredErrorWithGradient } from "../../src/ops/tanh_squared_error.ts";
import { between, normalArray, pick, uniformArray } from "../support/random_arrays.ts";
import type { Case, Family } from "./battery.ts";
import { UNIT_ROUNDOFF as u } from "./rounding.ts";

/** Permitted absolute error of a float32 tanh: four units in the last place of values near 1. */
const TANH_ERROR = 8 * u;

/** tanhSquaredErrorWithGradient, with and without a mask. */
export const TANH_ERROR_FAMILY: Family = {
  name: "squared error behind tanh",
  cases: (count) => Array.from({ length: count }, (_, i) => errorCase(i)),
};

const EDGES = [
  { shape: [1, 1, 1, 1, 1], sampleGroups: 1 },
  { shape: [0, 2, 3, 4, 1], sampleGroups: 1 },
  { shape: [4, 3], sampleGroups: 2 },
  { shape: [2, 13, 20, 31, 1], sampleGroups: 2 },
];

function errorCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("tanh error");
  const sampleGroups = pick(random, [1, 1, 2, 3, 4]);
  const drawn = {
    sampleGroups,
    shape: [
      sampleGroups * between(random, 1, 3),
      between(random, 1, 7),
      between(random, 1, 7),
      between(random, 1, 19),
      pick(random, [1, 1, 2]),
    ],
  };
  const sizes = EDGES[i] ?? drawn;
  // A wide range of a: most values bend, some saturate, some stay linear.
  const a = normalArray(random, sizes.shape, pick(random, [0.1, 1, 8]));
  const target = uniformArray(random, sizes.shape, [-1, 1]);
  const weight = i % 3 === 0 ? uniformArray(random, sizes.shape.slice(1), [0, 1]) : null;
  const derivativeScale = Math.fround(pick(random, [1, 0.5, 1 / 240]));
  return {
    label: `shape [${sizes.shape}] groups ${sizes.sampleGroups}${weight ? " masked" : ""}`,
    inputs: weight ? { a, target, weight } : { a, target },
    run({ a, target, weight }) {
      const { sums, derivative } = tanhSquaredErrorWithGradient(a, target, {
        weight: weight ?? null,
        sampleGroups: sizes.sampleGroups,
        derivativeScale,
      });
      return [sums, derivative];
    },
    tolerances: ([sums]) => tolerances({ a, target, weight }, sums, derivativeScale),
  };
}

/**
 * With d = target − r and δr the error of tanh: a term w·d² errs by w·(2|d|(δr + u|d|) + 3u·d²); sums are
 * accumulated wider than float32 and err by 16u of themselves. The derivative −2c·w·d·(1 − r²) errs by
 * 2c·w·(δr(1 − r²) + |d|(2|r|δr + 2u) + 6u|d|(1 − r²)), where 2u is the rounding of 1 − r².
 */
function tolerances(
  { a, target, weight }: {
    a: NdArray<Float64Array>;
    target: NdArray<Float64Array>;
    weight: NdArray<Float64Array> | null;
  },
  sums: Float64Array,
  scale: number,
): Float64Array[] {
  const perSample = a.data.length / a.shape[0];
  const perGroup = a.data.length / sums.length;
  const errors = sums.map((sum) => 16 * u * sum + 1e-37);
  const derivative = a.data.map((value, i) => {
    const r = Math.tanh(value);
    const d = Math.abs(target.data[i] - r);
    const w = weight ? weight.data[i % perSample] : 1;
    const slope = 1 - r * r;
    errors[Math.floor(i / perGroup)] += w * (2 * d * (TANH_ERROR + u * d) + 3 * u * d * d);
    return 2 * scale * w *
        (TANH_ERROR * slope + d * (2 * Math.abs(r) * TANH_ERROR + 2 * u) + 6 * u * d * slope) +
      1e-37;
  });
  return [errors, derivative];
}
