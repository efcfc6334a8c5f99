/** Normalisation with LeakyReLU and its gradient on the GPU; statistics never leave it. */
import type { tf } from "../../deps/tfjs.ts";
import type { NormAttributes } from "../kernel_contract.ts";
import type { DeviceBackend } from "./device_backend.ts";
import {
  applyNormGradient,
  chunkGradientSums,
  parameterGradients,
  sumRuns,
} from "./norm_gradient_shader.ts";
import { applyNorm, chunkStatistics, joinStatistics } from "./norm_shader.ts";
import { bindValues } from "./parts.ts";
import { type RowUnits, rowUnits, unitRanges } from "./row_units.ts";

/** Inputs of {@link normActivation}; mean and variance are given in evaluation mode only. */
export interface NormInputs {
  readonly x: tf.TensorInfo;
  readonly gamma: tf.TensorInfo;
  readonly beta: tf.TensorInfo;
  readonly mean?: tf.TensorInfo;
  readonly variance?: tf.TensorInfo;
}

/**
 * y, mean and variance (kernel contract, `runNormActivation` and `runNormActivationFixed`).
 *
 * @param backend Of the device.
 * @param inputs See {@link NormInputs}.
 * @param attributes Blocks, epsilon, slope.
 */
export function normActivation(
  backend: DeviceBackend,
  inputs: NormInputs,
  attributes: NormAttributes,
): [y: tf.TensorInfo, mean: tf.TensorInfo, variance: tf.TensorInfo] {
  const { x, gamma, beta } = inputs;
  const units = unitsOf(x, attributes);
  const [mean, variance] = inputs.mean && inputs.variance
    ? [share(backend, inputs.mean), share(backend, inputs.variance)]
    : statistics(backend, x, units, attributes.channelGroups);
  const y = backend.allocate(x.shape);
  for (const range of unitRanges(units, backend.bindingLimits)) {
    const from = bindRows(backend, x, units, range.rows);
    const to = bindRows(backend, y, units, range.rows);
    backend.dispatch({
      shader: applyNorm(units.width),
      buffers: [from, ...[gamma, beta, mean, variance].map((tensor) => ({ tensor })), to],
      uniforms: {
        ...range.uniforms,
        ...applyValues(attributes),
        xBase: from.base / units.width,
        yBase: to.base / units.width,
      },
      workgroups: range.workgroups,
    });
  }
  return [y, mean, variance];
}

/** Inputs of {@link normActivationGradient}. */
export interface NormGradientInputs extends Required<NormInputs> {
  readonly dy: tf.TensorInfo;
}

/**
 * dx, dGamma and dBeta (kernel contract, `runNormActivationGradient`).
 *
 * @param backend Of the device.
 * @param inputs See above.
 * @param attributes Blocks, epsilon, slope, mode.
 */
export function normActivationGradient(
  backend: DeviceBackend,
  inputs: NormGradientInputs,
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
): [dx: tf.TensorInfo, dGamma: tf.TensorInfo, dBeta: tf.TensorInfo] {
  const { dy, x, gamma, beta, mean, variance } = inputs;
  const units = unitsOf(x, attributes);
  const sums = groupSums(backend, inputs, attributes, units);
  const dx = backend.allocate(x.shape);
  for (const range of unitRanges(units, backend.bindingLimits)) {
    const parts = [dy, x, dx].map((tensor) => bindRows(backend, tensor, units, range.rows));
    const whole = [gamma, beta, mean, variance, sums].map((tensor) => ({ tensor }));
    backend.dispatch({
      shader: applyNormGradient(units.width),
      buffers: [parts[0], parts[1], ...whole, parts[2]],
      uniforms: {
        ...range.uniforms,
        ...applyValues(attributes),
        fixedStatistics: attributes.fixedStatistics ? 1 : 0,
        dyBase: parts[0].base / units.width,
        xBase: parts[1].base / units.width,
        dxBase: parts[2].base / units.width,
      },
      workgroups: range.workgroups,
    });
  }
  const channels = units.columns;
  const dGamma = backend.allocate(gamma.shape);
  const dBeta = backend.allocate(beta.shape);
  backend.dispatch({
    shader: parameterGradients(),
    buffers: [sums, dGamma, dBeta].map((tensor) => ({ tensor })),
    uniforms: { groups: units.groups, channels },
    workgroups: 2 * channels,
  });
  backend.disposeData(sums.dataId);
  return [dx, dGamma, dBeta];
}

/** Mean and biased variance `[S, K]`. */
function statistics(
  backend: DeviceBackend,
  x: tf.TensorInfo,
  units: RowUnits,
  channelGroups: number,
): [mean: tf.TensorInfo, variance: tf.TensorInfo] {
  const mean = backend.allocate([units.groups, channelGroups]);
  const variance = backend.allocate([units.groups, channelGroups]);
  if (units.units === 0) {
    backend.clear(mean);
    backend.clear(variance);
    return [mean, variance];
  }
  const partial = backend.allocate([units.units, 2, units.columns]);
  for (const range of unitRanges(units, backend.bindingLimits)) {
    const from = bindRows(backend, x, units, range.rows);
    backend.dispatch({
      shader: chunkStatistics(units.width),
      buffers: [from, { tensor: partial }],
      uniforms: { ...range.uniforms, xBase: from.base / units.width },
      workgroups: range.workgroups,
    });
  }
  const blocks = units.groups * channelGroups;
  backend.dispatch({
    shader: joinStatistics(),
    buffers: [partial, mean, variance].map((tensor) => ({ tensor })),
    uniforms: {
      blocks,
      channels: units.columns,
      channelGroups,
      rowsPerGroup: units.rowsPerGroup,
      rowsPerChunk: units.rowsPerChunk,
      chunksPerGroup: units.chunksPerGroup,
    },
    workgroups: blocks,
  });
  backend.disposeData(partial.dataId);
  return [mean, variance];
}

/** Σ g and Σ g·x̂ per sample group and channel, `[S, 2, C]`. */
function groupSums(
  backend: DeviceBackend,
  inputs: NormGradientInputs,
  attributes: NormAttributes,
  units: RowUnits,
): tf.TensorInfo {
  const { dy, x, gamma, beta, mean, variance } = inputs;
  const sums = backend.allocate([Math.max(1, units.groups), 2, units.columns]);
  if (units.units === 0) {
    backend.clear(sums);
    return sums;
  }
  const partial = backend.allocate([units.units, 2, units.columns]);
  for (const range of unitRanges(units, backend.bindingLimits)) {
    const parts = [dy, x].map((tensor) => bindRows(backend, tensor, units, range.rows));
    backend.dispatch({
      shader: chunkGradientSums(units.width),
      buffers: [
        ...parts,
        ...[gamma, beta, mean, variance, partial].map((tensor) => ({ tensor })),
      ],
      uniforms: {
        ...range.uniforms,
        ...applyValues(attributes),
        dyBase: parts[0].base / units.width,
        xBase: parts[1].base / units.width,
      },
      workgroups: range.workgroups,
    });
  }
  const columns = 2 * units.columns;
  backend.dispatch({
    shader: sumRuns(),
    buffers: [{ tensor: partial }, { tensor: sums }],
    uniforms: { runs: units.groups, length: units.chunksPerGroup, columns },
    workgroups: units.groups * columns,
  });
  backend.disposeData(partial.dataId);
  return sums;
}

function applyValues({ channelGroups, epsilon, slope }: NormAttributes) {
  return { channelGroups, epsilon, slope };
}

function unitsOf(x: tf.TensorInfo, { sampleGroups }: NormAttributes): RowUnits {
  const channels = x.shape[x.shape.length - 1];
  const rows = x.shape.slice(0, -1).reduce((product, n) => product * n, 1);
  return rowUnits(sampleGroups, sampleGroups === 0 ? 0 : rows / sampleGroups, channels);
}

function bindRows(
  backend: DeviceBackend,
  tensor: tf.TensorInfo,
  units: RowUnits,
  [first, end]: readonly [first: number, end: number],
) {
  const range = [first * units.columns, end * units.columns] as const;
  return bindValues(tensor, range, backend.bindingLimits);
}

/** A further reference to a tensor that is given back as a result. */
function share(backend: DeviceBackend, tensor: tf.TensorInfo): tf.TensorInfo {
  backend.incRef(tensor.dataId);
  return { dataId: tensor.dataId, shape: [...tensor.shape], dtype: tensor.dtype };
}
