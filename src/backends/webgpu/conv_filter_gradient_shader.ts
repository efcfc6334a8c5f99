/**
 * WGSL of the convolution's filter gradient, dw[k, ci, co] = Σ x[…, ci]·dy[…, co] over all output positions.
 *
 * The positions are cut into ranges of output rows (a row: all x of one sample, z, y). Each range gives
 * a partial gradient, and {@link sumRows} adds those in a fixed order, so results do not depend on how a GPU
 * schedules its work. Sums are nested (row, range, tree of ranges), which keeps float32 rounding small.
 *
 * Three shaders make partial gradients: a general one, one for kernel 4 stride 2 with channels in fours
 * (an invocation owns one of the 64 taps times 4×8 channels), and one for a single input channel (an
 * invocation owns 16 taps times 4 channels at every 16th position, because with one tap each its lone
 * input value would serve too few products).
 */
import { GENERAL_FIELDS, GEOMETRY_FIELDS } from "./geometry.ts";
import { makeShader, repeat } from "./shader.ts";

/** Invocations per workgroup, and the taps of a 4×4×4 kernel. */
export const WORKGROUP = 64;

/** Partial gradients that one invocation of {@link sumRows} adds. */
export const ROWS_PER_SUM = 64;

const RANGE_FIELDS = {
  xBase: "u32",
  dyBase: "u32",
  /** Output rows of this run: samples · outZ · outY. */
  rows: "u32",
  rowsPerRange: "u32",
  /** Number of ranges of this run, and of those before it. */
  ranges: "u32",
  firstRange: "u32",
} as const;

/** Walks the rows of a range; `inner` sees `oz`, `oy`, `n` and `row`. */
function forEachRow(inner: string): string {
  return `
  let end = min(u.rows, (range + 1u) * u.rowsPerRange);
  for (var row = range * u.rowsPerRange; row < end; row++) {
    let oy = row % u.outY;
    let oz = (row / u.outY) % u.outZ;
    let n = row / (u.outY * u.outZ);
${inner}
  }`;
}

/** Any geometry: one invocation per filter value and range. */
export function generalFilterGradient() {
  return makeShader({
    label: "conv3d filter gradient general",
    fields: { ...GENERAL_FIELDS, ...RANGE_FIELDS },
    workgroupSize: WORKGROUP,
    buffers: { x: ["f32", "read"], dy: ["f32", "read"], partial: ["f32", "write"] },
    body: () => `
  let size = u.kernelZ * u.kernelY * u.kernelX * u.inChannels * u.outChannels;
  let blocks = (size + ${WORKGROUP - 1}u) / ${WORKGROUP}u;
  let range = block / blocks;
  let id = (block % blocks) * ${WORKGROUP}u + lane;
  if (range >= u.ranges || id >= size) { return; }
  let co = id % u.outChannels;
  var rest = id / u.outChannels;
  let ci = rest % u.inChannels; rest /= u.inChannels;
  let kx = rest % u.kernelX; rest /= u.kernelX;
  let ky = rest % u.kernelY;
  let kz = rest / u.kernelY;
  var total = 0.0;
${
      forEachRow(`
    let iz = oz * u.strideZ + kz - u.padZ; // wraps below zero, which the comparison then refuses
    let iy = oy * u.strideY + ky - u.padY;
    if (iz >= u.inZ || iy >= u.inY) { continue; }
    var sum = 0.0;
    for (var ox = 0u; ox < u.outX; ox++) {
      let ix = ox * u.strideX + kx - u.padX;
      if (ix >= u.inX) { continue; }
      sum += x[u.xBase + (((n * u.inZ + iz) * u.inY + iy) * u.inX + ix) * u.inChannels + ci] *
        dy[u.dyBase + (row * u.outX + ox) * u.outChannels + co];
    }
    total += sum;`)
    }
  partial[(u.firstRange + range) * size + id] = total;`,
  });
}

/**
 * Output channels per invocation of {@link halvingFilterGradient}.
 *
 * @param outputChannels Multiple of 4.
 */
export function channelTile(outputChannels: number): number {
  return outputChannels % 8 === 0 ? 8 : 4;
}

/**
 * Kernel 4, stride 2: one invocation per tap.
 *
 * @param inputChannels Multiple of 4.
 * @param outputChannels Multiple of 4.
 */
export function halvingFilterGradient(inputChannels: number, outputChannels: number) {
  const tile = channelTile(outputChannels) / 4;
  const inVectors = inputChannels / 4;
  const outVectors = outputChannels / 4;
  const tiles = outVectors / tile;
  const each = (line: (i: number, j: number) => string) =>
    repeat(4, (i) => repeat(tile, (j) => line(i, j)));
  return makeShader({
    label: `conv3d filter gradient k4s2 ${inputChannels}x${outputChannels}`,
    fields: { ...GEOMETRY_FIELDS, ...RANGE_FIELDS },
    workgroupSize: WORKGROUP,
    buffers: {
      x: ["vec4<f32>", "read"],
      dy: ["vec4<f32>", "read"],
      partial: ["vec4<f32>", "write"],
    },
    body: () => `
  let kz = lane / 16u;
  let ky = (lane / 4u) % 4u;
  let kx = lane % 4u;
  let co = (block % ${tiles}u) * ${tile}u;
  let ci = (block / ${tiles}u) % ${inVectors}u;
  let range = block / ${tiles * inVectors}u;
  if (range >= u.ranges) { return; }
${each((i, j) => `  var acc${i}_${j} = vec4<f32>();`)}
${
      forEachRow(`
    let iz = oz * 2u + kz - u.padZ; // wraps below zero, which the comparison then refuses
    let iy = oy * 2u + ky - u.padY;
    if (iz >= u.inZ || iy >= u.inY) { continue; }
    let xRow = u.xBase + ((n * u.inZ + iz) * u.inY + iy) * u.inX * ${inVectors}u + ci;
    let dyRow = u.dyBase + row * u.outX * ${outVectors}u + co;
${each((i, j) => `    var sum${i}_${j} = vec4<f32>();`)}
    for (var ox = 0u; ox < u.outX; ox++) {
      let ix = ox * 2u + kx - u.padX;
      if (ix >= u.inX) { continue; }
      let v = x[xRow + ix * ${inVectors}u];
${
        repeat(tile, (j) =>
          `      let d${j} = dy[dyRow + ox * ${outVectors}u + ${j}u];\n` +
          repeat(4, (i) => `      sum${i}_${j} += v.${"xyzw"[i]} * d${j};`))
      }
    }
${each((i, j) => `    acc${i}_${j} += sum${i}_${j};`)}`)
    }
  let to = ((u.firstRange + range) * 64u + lane) * ${inputChannels * outVectors}u +
    ci * ${4 * outVectors}u + co;
${each((i, j) => `  partial[to + ${i * outVectors + j}u] = acc${i}_${j};`)}`,
  });
}

/**
 * Kernel 4, stride 2, one input channel: an invocation owns the 16 taps (kz, ky) of one kx at every 16th
 * output position of a row.
 *
 * @param outputChannels Multiple of 4.
 */
export function halvingFilterGradientOneChannel(outputChannels: number) {
  const outVectors = outputChannels / 4;
  return makeShader({
    label: `conv3d filter gradient k4s2 1x${outputChannels}`,
    fields: { ...GEOMETRY_FIELDS, ...RANGE_FIELDS },
    workgroupSize: WORKGROUP,
    buffers: { x: ["f32", "read"], dy: ["vec4<f32>", "read"], partial: ["vec4<f32>", "write"] },
    declarations: `var<workgroup> sums: array<vec4<f32>, ${16 * WORKGROUP}>;`,
    body: () => `
  let co = block % ${outVectors}u;
  let range = block / ${outVectors}u;
  if (range >= u.ranges) { return; }
  let kx = lane % 4u;
${repeat(16, (tap) => `  var acc${tap} = vec4<f32>();`)}
${
      forEachRow(`
    let iz = oz * 2u - u.padZ; // below zero it wraps, which the comparisons then refuse
    let iy = oy * 2u - u.padY;
    for (var ox = lane / 4u; ox < u.outX; ox += ${WORKGROUP / 4}u) {
      let ix = ox * 2u + kx - u.padX;
      if (ix >= u.inX) { continue; }
      let d = dy[u.dyBase + (row * u.outX + ox) * ${outVectors}u + co];
${
        repeat(16, (tap) => `
      if (iz + ${tap >> 2}u < u.inZ && iy + ${tap & 3}u < u.inY) {
        acc${tap} += x[u.xBase + ((n * u.inZ + iz + ${tap >> 2}u) * u.inY + iy + ${
          tap & 3
        }u) * u.inX + ix] * d;
      }`)
      }
    }`)
    }
${repeat(16, (tap) => `  sums[${tap * WORKGROUP}u + lane] = acc${tap};`)}
  workgroupBarrier();
  var total = vec4<f32>();
  for (var position = 0u; position < 16u; position++) {
    total += sums[(lane / 4u) * ${WORKGROUP}u + position * 4u + kx];
  }
  partial[((u.firstRange + range) * 64u + lane) * ${outVectors}u + co] = total;`,
  });
}

/** Adds up to {@link ROWS_PER_SUM} consecutive rows of `[rows, size]`, giving `[⌈rows / 64⌉, size]`. */
export function sumRows() {
  return makeShader({
    label: "sum rows",
    fields: { rows: "u32", size: "u32" },
    workgroupSize: WORKGROUP,
    buffers: { partial: ["f32", "read"], sum: ["f32", "write"] },
    body: () => `
  let blocks = (u.size + ${WORKGROUP - 1}u) / ${WORKGROUP}u;
  let to = block / blocks;
  let id = (block % blocks) * ${WORKGROUP}u + lane;
  if (to * ${ROWS_PER_SUM}u >= u.rows || id >= u.size) { return; }
  let end = min(u.rows, (to + 1u) * ${ROWS_PER_SUM}u);
  var total = 0.0;
  for (var row = to * ${ROWS_PER_SUM}u; row < end; row++) { total += partial[row * u.size + id]; }
  sum[to * u.size + id] = total;`,
  });
}
