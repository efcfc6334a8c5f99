/**
 * WGSL of normalisation with LeakyReLU [recurrent-vae §3.3]. The variance is as exact as two passes make it: every
 * chunk of rows gives its own mean and Σ(x − mean)² (whose second pass hits the cache), and chunks are
 * joined by m = Σ nᵢ·mᵢ / n, M2 = Σ M2ᵢ + nᵢ·(mᵢ − m)². Nowhere are large squares subtracted.
 */
import { FIND_PLACE, sumSlots, UNIT_FIELDS, WORKGROUP } from "./row_units.ts";
import { floats, makeShader, repeat } from "./shader.ts";

/** Invocations per workgroup of the shaders that join chunks. */
export const JOIN_WORKGROUP = 64;

/**
 * WGSL of a sum over all lanes of a joining workgroup.
 *
 * @param value Each lane's part.
 */
export function sumLanes(value: string): string {
  return `
  lanes[lane] = ${value};
  workgroupBarrier();
  for (var half = ${JOIN_WORKGROUP / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
    workgroupBarrier();
  }`;
}

/**
 * Mean and sum of squared deviations of each chunk, `partial[unit][0 or 1][channel]`.
 *
 * @param width 4 or 1.
 */
export function chunkStatistics(width: number) {
  return makeShader({
    label: `norm chunk statistics x${width}`,
    fields: { ...UNIT_FIELDS, xBase: "u32" },
    workgroupSize: WORKGROUP,
    buffers: { x: [floats(width), "read"], partial: [floats(width), "write"] },
    declarations: `var<workgroup> slots: array<${floats(width)}, ${WORKGROUP}>;`,
    body: () => `
${FIND_PLACE}
  var sum = ${floats(width)}();
  if (inside) {
    for (var i = slot; i < chunkRows; i += step) {
      sum += x[u.xBase + (firstRow + i) * u.columns + column];
    }
  }
  slots[lane] = sum;
${sumSlots("slots")}
  let mean = slots[lane % u.blockColumns] / f32(chunkRows);
  workgroupBarrier();
  var squares = ${floats(width)}();
  if (inside) {
    for (var i = slot; i < chunkRows; i += step) {
      let deviation = x[u.xBase + (firstRow + i) * u.columns + column] - mean;
      squares += deviation * deviation;
    }
  }
  slots[lane] = squares;
${sumSlots("slots")}
  if (inside && slot == 0u) {
    partial[unit * 2u * u.columns + column] = mean;
    partial[(unit * 2u + 1u) * u.columns + column] = slots[lane];
  }`,
  });
}

/** Joins chunks and the channels of a group: mean and biased variance `[S, K]`, one workgroup each. */
export function joinStatistics() {
  return makeShader({
    label: "norm join statistics",
    fields: {
      blocks: "u32",
      channels: "u32",
      channelGroups: "u32",
      rowsPerGroup: "u32",
      rowsPerChunk: "u32",
      chunksPerGroup: "u32",
    },
    workgroupSize: JOIN_WORKGROUP,
    buffers: { partial: ["f32", "read"], mean: ["f32", "write"], variance: ["f32", "write"] },
    declarations: `var<workgroup> lanes: array<f32, ${JOIN_WORKGROUP}>;
fn rowsOf(chunk: u32) -> f32 {
  return f32(min(u.rowsPerChunk, u.rowsPerGroup - chunk * u.rowsPerChunk));
}`,
    body: () => `
  if (block >= u.blocks) { return; }
  let width = u.channels / u.channelGroups;
  let firstChannel = (block % u.channelGroups) * width;
  let firstUnit = (block / u.channelGroups) * u.chunksPerGroup;
  let count = f32(u.rowsPerGroup) * f32(width);
  var sum = 0.0;
  for (var i = lane; i < u.chunksPerGroup * width; i += ${JOIN_WORKGROUP}u) {
    let at = (firstUnit + i / width) * 2u * u.channels + firstChannel + i % width;
    sum += rowsOf(i / width) / count * partial[at];
  }
${sumLanes("sum")}
  let centre = lanes[0];
  workgroupBarrier();
  var squares = 0.0;
  for (var i = lane; i < u.chunksPerGroup * width; i += ${JOIN_WORKGROUP}u) {
    let at = (firstUnit + i / width) * 2u * u.channels + firstChannel + i % width;
    let offset = partial[at] - centre;
    squares += partial[at + u.channels] + rowsOf(i / width) * offset * offset;
  }
${sumLanes("squares")}
  if (lane == 0u) {
    mean[block] = centre;
    variance[block] = lanes[0] / count;
  }`,
  });
}

/** Uniforms of the shaders that apply statistics. */
export const APPLY_FIELDS = {
  ...UNIT_FIELDS,
  channelGroups: "u32",
  epsilon: "f32",
  slope: "f32",
} as const;

/** WGSL that reads an invocation's statistics into `centre`, `scale`, `factor` (gamma) and `shift` (beta). */
export function readStatistics(width: number): string {
  const type = floats(width);
  const part = (name: string, i: number) => width === 1 ? name : `${name}[${i}]`;
  return `
  let groupWidth = u.columns * ${width}u / u.channelGroups;
  var centre = ${type}();
  var scale = ${type}();
  var factor = ${type}();
  var shift = ${type}();
  if (inside) {
${
    repeat(width, (i) => `
    {
      let channel = column * ${width}u + ${i}u;
      let at = sampleGroup * u.channelGroups + channel / groupWidth;
      ${part("centre", i)} = mean[at];
      ${part("scale", i)} = 1.0 / sqrt(variance[at] + u.epsilon);
      ${part("factor", i)} = gamma[channel];
      ${part("shift", i)} = beta[channel];
    }`)
  }
  }`;
}

/**
 * y = leaky(gamma·(x − mean)/√(variance + epsilon) + beta).
 *
 * @param width 4 or 1.
 */
export function applyNorm(width: number) {
  const type = floats(width);
  return makeShader({
    label: `norm apply x${width}`,
    fields: { ...APPLY_FIELDS, xBase: "u32", yBase: "u32" },
    workgroupSize: WORKGROUP,
    buffers: {
      x: [type, "read"],
      gamma: ["f32", "read"],
      beta: ["f32", "read"],
      mean: ["f32", "read"],
      variance: ["f32", "read"],
      y: [type, "write"],
    },
    body: () => `
${FIND_PLACE}
${readStatistics(width)}
  if (!inside) { return; }
  for (var i = slot; i < chunkRows; i += step) {
    let at = (firstRow + i) * u.columns + column;
    let value = factor * ((x[u.xBase + at] - centre) * scale) + shift;
    y[u.yBase + at] = select(u.slope * value, value, value > ${type}());
  }`,
  });
}
