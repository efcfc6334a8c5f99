/** Convolution and its two gradients in the battery; transposed convolution is the input gradient. */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { conv3d, conv3dFilterGradient, conv3dInputGradient } from "../../src/ops/conv3d.ts";
import { normalArray } from "../support/random_arrays.ts";
import { type Case, type CaseInputs, type Family, upload } from "./battery.ts";
import {
  type ConvolutionSizes,
  convolutionSizes,
  describe,
  outputSize,
} from "./convolution_cases.ts";
import { fromSquares } from "./rounding.ts";

/** conv3d, with a bias in every second case. */
export const CONVOLUTION: Family = {
  name: "conv3d",
  cases: (count) =>
    convolutionSizes(count).map((sizes, i) => {
      const random = RandomStream.fromSeed(i).split("conv3d");
      const { samples, size, kernel, stride, padding, channels: [ci, co] } = sizes;
      const inputs: Record<string, NdArray<Float64Array>> = {
        x: maybeNaN(normalArray(random, [samples, ...size, ci]), i),
        filter: normalArray(random, [...kernel, ci, co]),
      };
      if (i % 2 === 1) inputs.bias = normalArray(random, [co]);
      return sumCase(sizes, inputs, {
        terms: volume(kernel) * ci + 1,
        run: ({ x, filter, bias }) => [conv3d(x, filter, { bias, stride, padding })],
      });
    }),
};

/** conv3dInputGradient. */
export const INPUT_GRADIENT: Family = {
  name: "conv3d input gradient",
  cases: (count) =>
    convolutionSizes(count).map((sizes, i) => {
      const random = RandomStream.fromSeed(i).split("input gradient");
      const { samples, size, kernel, stride, padding, channels: [ci, co] } = sizes;
      const inputs = {
        dy: maybeNaN(normalArray(random, [samples, ...outputSize(sizes), co]), i),
        filter: normalArray(random, [...kernel, ci, co]),
      };
      return sumCase(sizes, inputs, {
        terms: volume(kernel) * co,
        run: ({ dy, filter }) => [
          conv3dInputGradient(dy, filter, { inputSize: size, stride, padding }),
        ],
      });
    }),
};

/**
 * conv3dFilterGradient. A NaN must arrive in every tap that meets it; in taps that meet only padding there, an engine
 * that writes the zeros out makes NaN · 0 = NaN of it, which is left unchecked.
 */
export const FILTER_GRADIENT: Family = {
  name: "conv3d filter gradient",
  cases: (count) =>
    convolutionSizes(count).map((sizes, i) => {
      const random = RandomStream.fromSeed(i).split("filter gradient");
      const { samples, size, kernel, stride, padding, channels: [ci, co] } = sizes;
      const inputs = {
        x: normalArray(random, [samples, ...size, ci]),
        dy: maybeNaN(normalArray(random, [samples, ...outputSize(sizes), co]), i),
      };
      const one = sumCase(sizes, inputs, {
        terms: samples * volume(outputSize(sizes)),
        run: ({ x, dy }) => [conv3dFilterGradient(x, dy, { kernel, stride, padding })],
      });
      return carriesNaN(i) ? { ...one, tolerances: onlyNaN } : one;
    }),
};

/** A case whose results are sums of products: tolerance from the same sums of squared products. */
function sumCase(
  sizes: ConvolutionSizes,
  inputs: CaseInputs,
  { terms, run }: { terms: number; run: Case["run"] },
): Case {
  return {
    label: describe(sizes),
    inputs,
    run,
    tolerances() {
      const squares = mapValues(inputs, (v) => Number.isNaN(v) ? 0 : v * v);
      return [fromSquares(tf.tidy(() => run(upload(squares))[0].dataSync()), terms)];
    },
  };
}

function mapValues(inputs: CaseInputs, of: (value: number) => number): CaseInputs {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, { data: data.map(of), shape }]),
  );
}

/** Every 25th case carries a NaN, which must arrive where it belongs and nowhere else. */
function carriesNaN(i: number): boolean {
  return i % 25 === 24;
}

/** Checks the values that are NaN and no others. */
function onlyNaN(results: readonly Float64Array[]): Float64Array[] {
  return results.map((values) => values.map((v) => Number.isNaN(v) ? 0 : Infinity));
}

function maybeNaN(array: NdArray<Float64Array>, i: number): NdArray<Float64Array> {
  if (carriesNaN(i)) array.data[Math.floor(array.data.length / 2)] = NaN;
  return array;
}

function volume(size: readonly number[]): number {
  return size.reduce((product, n) => product * n, 1);
}
