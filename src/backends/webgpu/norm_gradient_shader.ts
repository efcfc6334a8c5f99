/**
 * WGSL of the gradient of normalisation with LeakyReLU [recurrent-vae §3.3]. With g = dy·leaky′ and x̂ the normalised
 * value: sums of g and g·x̂ per chunk and channel, then per group of samples, then over all groups
 * (dBeta and dGamma); at last dx = (γ·g − mean(γ·g) − x̂·mean(γ·g·x̂)) / √(variance + epsilon).
 */
import { APPLY_FIELDS, JOIN_WORKGROUP, readStatistics, sumLanes } from "./norm_shader.ts";
import { FIND_PLACE, sumSlots, WORKGROUP } from "./row_units.ts";
import { floats, makeShader, repeat } from "./shader.ts";

/** `normal` (x̂) and `g` of the value at `at`. */
function slopeOfValue(type: string): string {
  return `
    let at = (firstRow + i) * u.columns + column;
    let normal = (x[u.xBase + at] - centre) * scale;
    let value = factor * normal + shift;
    let dyAt = dy[u.dyBase + at];
    let g = select(u.slope * dyAt, dyAt, value > ${type}());`;
}

/**
 * Σ g and Σ g·x̂ of each chunk, `partial[unit][0 or 1][channel]`.
 *
 * @param width 4 or 1.
 */
export function chunkGradientSums(width: number) {
  const type = floats(width);
  return makeShader({
    label: `norm gradient chunk sums x${width}`,
    fields: { ...APPLY_FIELDS, dyBase: "u32", xBase: "u32" },
    workgroupSize: WORKGROUP,
    buffers: {
      dy: [type, "read"],
      x: [type, "read"],
      gamma: ["f32", "read"],
      beta: ["f32", "read"],
      mean: ["f32", "read"],
      variance: ["f32", "read"],
      partial: [type, "write"],
    },
    declarations: `var<workgroup> slots: array<${type}, ${WORKGROUP}>;`,
    body: () => `
${FIND_PLACE}
${readStatistics(width)}
  var sumG = ${type}();
  var sumGx = ${type}();
  if (inside) {
    for (var i = slot; i < chunkRows; i += step) {
${slopeOfValue(type)}
      sumG += g;
      sumGx += g * normal;
    }
  }
  slots[lane] = sumG;
${sumSlots("slots")}
  if (inside && slot == 0u) { partial[unit * 2u * u.columns + column] = slots[lane]; }
  workgroupBarrier();
  slots[lane] = sumGx;
${sumSlots("slots")}
  if (inside && slot == 0u) { partial[(unit * 2u + 1u) * u.columns + column] = slots[lane]; }`,
  });
}

/** Adds runs of `length` consecutive rows: `[runs·length, columns]` → `[runs, columns]`, one workgroup each. */
export function sumRuns() {
  return makeShader({
    label: "sum runs",
    fields: { runs: "u32", length: "u32", columns: "u32" },
    workgroupSize: JOIN_WORKGROUP,
    buffers: { partial: ["f32", "read"], sums: ["f32", "write"] },
    declarations: `var<workgroup> lanes: array<f32, ${JOIN_WORKGROUP}>;`,
    body: () => `
  if (block >= u.runs * u.columns) { return; }
  let first = (block / u.columns) * u.length;
  let column = block % u.columns;
  var sum = 0.0;
  for (var i = lane; i < u.length; i += ${JOIN_WORKGROUP}u) {
    sum += partial[(first + i) * u.columns + column];
  }
${sumLanes("sum")}
  if (lane == 0u) { sums[block] = lanes[0]; }`,
  });
}

/** dBeta and dGamma from the sums of all groups, `[S, 2, C]`; one workgroup per channel and sum. */
export function parameterGradients() {
  return makeShader({
    label: "norm parameter gradients",
    fields: { groups: "u32", channels: "u32" },
    workgroupSize: JOIN_WORKGROUP,
    buffers: { sums: ["f32", "read"], dGamma: ["f32", "write"], dBeta: ["f32", "write"] },
    declarations: `var<workgroup> lanes: array<f32, ${JOIN_WORKGROUP}>;`,
    body: () => `
  if (block >= 2u * u.channels) { return; }
  var sum = 0.0;
  for (var s = lane; s < u.groups; s += ${JOIN_WORKGROUP}u) {
    sum += sums[s * 2u * u.channels + block];
  }
${sumLanes("sum")}
  if (lane == 0u) {
    if (block < u.channels) { dBeta[block] = lanes[0]; }
    else { dGamma[block - u.channels] = lanes[0]; }
  }`,
  });
}

/**
 * dx from the sums of each group, `[S, 2, C]`; without the means when `fixedStatistics` is 1.
 *
 * @param width 4 or 1.
 */
export function applyNormGradient(width: number) {
  const type = floats(width);
  const part = (name: string, i: number) => width === 1 ? name : `${name}[${i}]`;
  return makeShader({
    label: `norm gradient apply x${width}`,
    fields: { ...APPLY_FIELDS, fixedStatistics: "u32", dyBase: "u32", xBase: "u32", dxBase: "u32" },
    workgroupSize: WORKGROUP,
    buffers: {
      dy: [type, "read"],
      x: [type, "read"],
      gamma: ["f32", "read"],
      beta: ["f32", "read"],
      mean: ["f32", "read"],
      variance: ["f32", "read"],
      sums: ["f32", "read"],
      dx: [type, "write"],
    },
    body: () => `
${FIND_PLACE}
${readStatistics(width)}
  if (!inside) { return; }
  var meanG = ${type}();
  var meanGx = ${type}();
  if (u.fixedStatistics == 0u) {
    let count = f32(u.rowsPerGroup) * f32(groupWidth);
    let channels = u.columns * ${width}u;
${
      repeat(width, (i) => `
    {
      let first = (column * ${width}u + ${i}u) / groupWidth * groupWidth;
      for (var c = first; c < first + groupWidth; c++) {
        ${part("meanG", i)} += gamma[c] * sums[sampleGroup * 2u * channels + c];
        ${part("meanGx", i)} += gamma[c] * sums[(sampleGroup * 2u + 1u) * channels + c];
      }
    }`)
    }
    meanG /= count;
    meanGx /= count;
  }
  for (var i = slot; i < chunkRows; i += step) {
${slopeOfValue(type)}
    dx[u.dxBase + at] = scale * (factor * g - meanG - normal * meanGx);
  }`,
  });
}
