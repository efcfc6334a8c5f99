/**
 * Gradient of a convolution in its filter, scalar, float64 sums:
 * dw[k, ci, co] = Σ_{n,o} x[n, stride·o − padding + k, ci] · dy[n, o, co].
 *
 * Loop order: sample, output row (z, y), tap, input channel, four output channels (four sums in
 * registers), x along the row. Both arrays are copied to float64 once per sample, see gather_convolution.ts.
 */
import type { FloatArray } from "../../base/arrays.ts";
import type { AxisGeometry } from "./axis_taps.ts";

/** Sizes of a filter gradient; axes in tensor order z, y, x. */
export interface FilterGradientPlan {
  readonly samples: number;
  readonly axes: readonly [AxisGeometry, AxisGeometry, AxisGeometry];
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/**
 * Computes the filter gradient `[kz, ky, kx, Ci, Co]`.
 *
 * @param x `[samples, Z, Y, X, Ci]`.
 * @param dy `[samples, Z', Y', X', Co]`.
 * @param plan Sizes.
 */
export function filterGradient(
  x: FloatArray,
  dy: FloatArray,
  plan: FilterGradientPlan,
): Float64Array {
  const { axes: [z, y, x1], inputChannels, outputChannels } = plan;
  const inputLength = z.input * y.input * x1.input * inputChannels;
  const outputLength = z.output * y.output * x1.output * outputChannels;
  const input = new Float64Array(inputLength);
  const output = new Float64Array(outputLength);
  const sums = new Float64Array(z.kernel * y.kernel * x1.kernel * inputChannels * outputChannels);
  for (let n = 0; n < plan.samples; n++) {
    input.set(x.subarray(n * inputLength, (n + 1) * inputLength));
    output.set(dy.subarray(n * outputLength, (n + 1) * outputLength));
    for (let oz = 0; oz < z.output; oz++) {
      for (let oy = 0; oy < y.output; oy++) addRow(sums, { plan, input, output, oz, oy });
    }
  }
  return sums;
}

interface RowTask {
  readonly plan: FilterGradientPlan;
  readonly input: Float64Array;
  readonly output: Float64Array;
  readonly oz: number;
  readonly oy: number;
}

/** Adds what one row of dy contributes, for every tap that stays inside the volume. */
function addRow(sums: Float64Array, task: RowTask): void {
  const { plan: { axes: [z, y, x], inputChannels, outputChannels }, oz, oy } = task;
  const outputRow = (oz * y.output + oy) * x.output * outputChannels;
  for (let kz = 0; kz < z.kernel; kz++) {
    const iz = z.stride * oz - z.padding + kz;
    if (iz < 0 || iz >= z.input) continue;
    for (let ky = 0; ky < y.kernel; ky++) {
      const iy = y.stride * oy - y.padding + ky;
      if (iy < 0 || iy >= y.input) continue;
      const inputRow = (iz * y.input + iy) * x.input;
      for (let kx = 0; kx < x.kernel; kx++) {
        const from = Math.max(0, Math.ceil((x.padding - kx) / x.stride));
        const to = Math.min(x.output, Math.floor((x.input - 1 + x.padding - kx) / x.stride) + 1);
        const inputStart = (inputRow + x.stride * from - x.padding + kx) * inputChannels;
        addRun(sums, task, {
          sum: ((kz * y.kernel + ky) * x.kernel + kx) * inputChannels * outputChannels,
          inputStart,
          inputStep: x.stride * inputChannels,
          outputStart: outputRow + from * outputChannels,
          count: to - from,
        });
      }
    }
  }
}

interface Run {
  /** Position of this tap's `[Ci, Co]` block of sums. */
  readonly sum: number;
  readonly inputStart: number;
  readonly inputStep: number;
  readonly outputStart: number;
  /** Voxels along x. */
  readonly count: number;
}

/** sums[ci, co] += Σ over the run of input[·, ci] · output[·, co]. */
function addRun(sums: Float64Array, task: RowTask, run: Run): void {
  const { input, output, plan: { inputChannels, outputChannels } } = task;
  const { inputStart, inputStep, outputStart, count } = run;
  for (let ci = 0, at = run.sum; ci < inputChannels; ci++, at += outputChannels) {
    let co = 0;
    for (; co + 4 <= outputChannels; co += 4) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      let i = inputStart + ci;
      let o = outputStart + co;
      for (let step = 0; step < count; step++, i += inputStep, o += outputChannels) {
        const value = input[i];
        s0 += value * output[o];
        s1 += value * output[o + 1];
        s2 += value * output[o + 2];
        s3 += value * output[o + 3];
      }
      sums[at + co] += s0;
      sums[at + co + 1] += s1;
      sums[at + co + 2] += s2;
      sums[at + co + 3] += s3;
    }
    for (; co < outputChannels; co++) {
      let sum = 0;
      let i = inputStart + ci;
      let o = outputStart + co;
      for (let step = 0; step < count; step++, i += inputStep, o += outputChannels) {
        sum += input[i] * output[o];
      }
      sums[at + co] += sum;
    }
  }
}
