/** tanh, and the squared error behind it with its derivative, on the GPU. */
import type { tf } from "../../deps/tfjs.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { sumRuns } from "./norm_gradient_shader.ts";
import { bindValues, splitItems } from "./parts.ts";
import { rowUnits, unitRanges, WORKGROUP } from "./row_units.ts";
import { tanhErrorChunks, tanhValues } from "./tanh_error_shader.ts";

/**
 * sums and derivative (kernel contract, `runTanhSquaredError`). Sums are trees of float32 (leaves of 16
 * values), whose rounding stays near that of a single float32 operation.
 *
 * @param backend Of the device.
 * @param inputs a, target and perhaps weight.
 * @param attributes Groups, scale.
 */
export function tanhSquaredError(
  backend: DeviceBackend,
  inputs: { a: tf.TensorInfo; target: tf.TensorInfo; weight?: tf.TensorInfo },
  attributes: { readonly sampleGroups: number; readonly derivativeScale: number },
): [sums: tf.TensorInfo, derivative: tf.TensorInfo] {
  const { a, target, weight } = inputs;
  const { sampleGroups, derivativeScale } = attributes;
  const sampleValues = a.shape.slice(1).reduce((product, n) => product * n, 1);
  const perGroup = sampleGroups === 0 ? 0 : a.shape[0] / sampleGroups * sampleValues;
  const units = rowUnits(sampleGroups, perGroup, 1);
  const derivative = backend.allocate(a.shape);
  const sums = backend.allocate([sampleGroups]);
  if (units.units === 0) {
    backend.clear(sums);
    return [sums, derivative];
  }
  const partial = backend.allocate([units.units]);
  const limits = backend.bindingLimits;
  for (const range of unitRanges(units, limits)) {
    const [from, goal, to] = [a, target, derivative].map((t) => bindValues(t, range.rows, limits));
    const mask = weight ? [{ tensor: weight }] : [];
    backend.dispatch({
      shader: tanhErrorChunks(weight != null),
      buffers: [from, goal, ...mask, to, { tensor: partial }],
      uniforms: {
        ...range.uniforms,
        aBase: from.base,
        targetBase: goal.base,
        derivativeBase: to.base,
        sampleValues,
        phase: range.rows[0] % sampleValues,
        scale: -2 * derivativeScale,
      },
      workgroups: range.workgroups,
    });
  }
  backend.dispatch({
    shader: sumRuns(),
    buffers: [{ tensor: partial }, { tensor: sums }],
    uniforms: { runs: sampleGroups, length: units.chunksPerGroup, columns: 1 },
    workgroups: sampleGroups,
  });
  backend.disposeData(partial.dataId);
  return [sums, derivative];
}

/**
 * The stock operation "Tanh" to full float32 precision; the stock shader computes 1 − e^{−2|a|}, which near 0
 * keeps few digits.
 *
 * @param backend Of the device.
 * @param inputs `x`, float32.
 */
export function tanh(backend: DeviceBackend, { x }: { x: tf.TensorInfo }): tf.TensorInfo {
  const result = backend.allocate(x.shape);
  const values = x.shape.reduce((product, n) => product * n, 1);
  const limits = backend.bindingLimits;
  for (const [first, end] of splitItems(values, [1], limits)) {
    const [from, to] = [x, result].map((tensor) => bindValues(tensor, [first, end], limits));
    backend.dispatch({
      shader: tanhValues(),
      buffers: [from, to],
      uniforms: { aBase: from.base, rBase: to.base, work: end - first },
      workgroups: Math.ceil((end - first) / WORKGROUP),
    });
  }
  return result;
}
