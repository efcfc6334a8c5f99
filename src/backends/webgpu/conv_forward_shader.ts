/**
 * WGSL of the convolution [recurrent-vae §3.2]: a general shader for any geometry, one output value per invocation,
 * and one for kernel 4, stride 2 with channels in vectors of four.
 *
 * The tuned shader: an invocation owns a column of `COLUMN` outputs along y times up to 8 output channels.
 * Neighbours along y share two of their four input rows, so 2·COLUMN + 2 input vectors serve 4·COLUMN taps,
 * and every filter vector serves COLUMN outputs. Invocations next to each other differ in x, so they read
 * neighbouring inputs and the same filter values (which the caches then deliver once for all).
 */
import { GENERAL_FIELDS, GEOMETRY_FIELDS } from "./geometry.ts";
import { floats, makeShader, repeat } from "./shader.ts";

/** Outputs along y per invocation. */
export const COLUMN = 4;

/** Invocations per workgroup. */
export const WORKGROUP = 64;

/** Uniforms of both shaders: beginnings in the bound ranges (in vectors for the tuned one) and the work. */
const OFFSETS = { xBase: "u32", yBase: "u32", work: "u32", hasBias: "u32" } as const;

/**
 * Output channels one invocation of the tuned shader computes.
 *
 * @param outputChannels Multiple of 4.
 */
export function channelTile(outputChannels: number): number {
  return outputChannels % 8 === 0 ? 8 : 4;
}

/** Any geometry: one invocation per output value. */
export function generalForward() {
  return makeShader({
    label: "conv3d general",
    fields: { ...GENERAL_FIELDS, ...OFFSETS },
    workgroupSize: WORKGROUP,
    buffers: {
      x: ["f32", "read"],
      w: ["f32", "read"],
      bias: ["f32", "read"],
      y: ["f32", "write"],
    },
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let co = id % u.outChannels;
  var rest = id / u.outChannels;
  let ox = rest % u.outX; rest /= u.outX;
  let oy = rest % u.outY; rest /= u.outY;
  let oz = rest % u.outZ;
  let n = rest / u.outZ;
  var total = 0.0;
  if (u.hasBias == 1u) { total = bias[co]; }
  for (var kz = 0u; kz < u.kernelZ; kz++) {
    let iz = oz * u.strideZ + kz - u.padZ; // wraps below zero, which the comparison then refuses
    if (iz >= u.inZ) { continue; }
    var plane = 0.0;
    for (var ky = 0u; ky < u.kernelY; ky++) {
      let iy = oy * u.strideY + ky - u.padY;
      if (iy >= u.inY) { continue; }
      for (var kx = 0u; kx < u.kernelX; kx++) {
        let ix = ox * u.strideX + kx - u.padX;
        if (ix >= u.inX) { continue; }
        let at = u.xBase + (((n * u.inZ + iz) * u.inY + iy) * u.inX + ix) * u.inChannels;
        let tap = ((kz * u.kernelY + ky) * u.kernelX + kx) * u.inChannels;
        var sum = 0.0;
        for (var c = 0u; c < u.inChannels; c++) {
          sum += x[at + c] * w[(tap + c) * u.outChannels + co];
        }
        plane += sum;
      }
    }
    total += plane;
  }
  y[u.yBase + id] = total;`,
  });
}

/**
 * Kernel 4, stride 2: a column of outputs per invocation.
 *
 * @param inputChannels 1 or a multiple of 4.
 * @param outputChannels Multiple of 4.
 */
export function halvingForward(inputChannels: number, outputChannels: number) {
  const width = inputChannels % 4 === 0 ? 4 : 1;
  const tile = channelTile(outputChannels) / 4;
  const outVectors = outputChannels / 4;
  const inVectors = inputChannels / width;
  const rows = 2 * COLUMN + 2;
  const each = (line: (p: number, j: number) => string) =>
    repeat(COLUMN, (p) => repeat(tile, (j) => line(p, j)));
  return makeShader({
    label: `conv3d k4s2 ${inputChannels}>${outputChannels}`,
    fields: { ...GEOMETRY_FIELDS, ...OFFSETS },
    workgroupSize: WORKGROUP,
    buffers: {
      x: [floats(width), "read"],
      w: ["vec4<f32>", "read"],
      bias: ["vec4<f32>", "read"],
      y: ["vec4<f32>", "write"],
    },
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let columns = (u.outY + ${COLUMN - 1}u) / ${COLUMN}u;
  let ox = id % u.outX;
  var rest = id / u.outX;
  let oy = (rest % columns) * ${COLUMN}u; rest /= columns;
  let oz = rest % u.outZ; rest /= u.outZ;
  let n = rest % u.samples;
  let co = (rest / u.samples) * ${tile}u;
${
      repeat(tile, (j) => `
  var start${j} = vec4<f32>();
  if (u.hasBias == 1u) { start${j} = bias[co + ${j}u]; }`)
    }
${each((p, j) => `  var acc${p}_${j} = start${j};`)}
  let iy = oy * 2u - u.padY; // below zero it wraps, which the comparisons then refuse
  for (var kz = 0u; kz < 4u; kz++) {
    let iz = oz * 2u + kz - u.padZ;
    if (iz >= u.inZ) { continue; }
    for (var kx = 0u; kx < 4u; kx++) {
      let ix = ox * 2u + kx - u.padX;
      if (ix >= u.inX) { continue; }
      let plane = (n * u.inZ + iz) * u.inY;
      for (var c = 0u; c < ${inVectors}u; c++) {
${
      repeat(rows, (r) => `
        var v${r} = ${floats(width)}();
        if (iy + ${r}u < u.inY) {
          v${r} = x[u.xBase + ((plane + iy + ${r}u) * u.inX + ix) * ${inVectors}u + c];
        }`)
    }
${
      repeat(4, (ky) => `
        {
          let tap = (((kz * 4u + ${ky}u) * 4u + kx) * ${inputChannels}u + c * ${width}u) * ${outVectors}u + co;
${
        repeat(width, (i) =>
          repeat(tile, (j) => {
            const lane = width === 1 ? "" : `.${"xyzw"[i]}`;
            return `          let w${i}_${j} = w[tap + ${i * outVectors + j}u];\n` +
              repeat(
                COLUMN,
                (p) => `          acc${p}_${j} += v${2 * p + ky}${lane} * w${i}_${j};`,
              );
          }))
      }
        }`)
    }
      }
    }
  }
  let to = u.yBase + (((n * u.outZ + oz) * u.outY + oy) * u.outX + ox) * ${outVectors}u + co;
${
      repeat(COLUMN, (p) => `
  if (oy + ${p}u < u.outY) {
${repeat(tile, (j) => `    y[to + ${p}u * u.outX * ${outVectors}u + ${j}u] = acc${p}_${j};`)}
  }`)
    }`,
  });
}
