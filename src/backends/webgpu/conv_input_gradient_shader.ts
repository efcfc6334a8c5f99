/**
 * WGSL of the convolution's input gradient, which is the transposed convolution [recurrent-vae §3.2]: a general
 * shader, and one for kernel 4, stride 2.
 *
 * The tuned shader uses that output i of an axis takes only the taps k with (i + padding − k) even: with
 * j = i + padding, outputs j = 2q and j = 2q + 1 both read the two gradients q (taps 0, 1) and q − 1 (taps
 * 2, 3). So a cell of 2×2×2 outputs, one of each of the eight phases, reads 2×2×2 gradients and uses each of
 * the 64 taps exactly once. An invocation owns `CELLS` cells along y times up to 4 input channels.
 */
import { GENERAL_FIELDS, GEOMETRY_FIELDS } from "./geometry.ts";
import { floats, makeShader, repeat } from "./shader.ts";

/** Cells along y per invocation. */
export const CELLS = 2;

/** Invocations per workgroup. */
export const WORKGROUP = 64;

const OFFSETS = { dyBase: "u32", dxBase: "u32", work: "u32" } as const;

/** Any geometry: one invocation per value of dx. */
export function generalInputGradient() {
  return makeShader({
    label: "conv3d input gradient general",
    fields: { ...GENERAL_FIELDS, ...OFFSETS },
    workgroupSize: WORKGROUP,
    buffers: { dy: ["f32", "read"], w: ["f32", "read"], dx: ["f32", "write"] },
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let ci = id % u.inChannels;
  var rest = id / u.inChannels;
  let ix = rest % u.inX; rest /= u.inX;
  let iy = rest % u.inY; rest /= u.inY;
  let iz = rest % u.inZ;
  let n = rest / u.inZ;
  var total = 0.0;
  for (var kz = 0u; kz < u.kernelZ; kz++) {
    let jz = iz + u.padZ - kz; // below zero it wraps to a number whose quotient is out of range
    if (jz % u.strideZ != 0u || jz / u.strideZ >= u.outZ) { continue; }
    var plane = 0.0;
    for (var ky = 0u; ky < u.kernelY; ky++) {
      let jy = iy + u.padY - ky;
      if (jy % u.strideY != 0u || jy / u.strideY >= u.outY) { continue; }
      for (var kx = 0u; kx < u.kernelX; kx++) {
        let jx = ix + u.padX - kx;
        if (jx % u.strideX != 0u || jx / u.strideX >= u.outX) { continue; }
        let position = ((n * u.outZ + jz / u.strideZ) * u.outY + jy / u.strideY) * u.outX + jx / u.strideX;
        let at = u.dyBase + position * u.outChannels;
        let tap = (((kz * u.kernelY + ky) * u.kernelX + kx) * u.inChannels + ci) * u.outChannels;
        var sum = 0.0;
        for (var c = 0u; c < u.outChannels; c++) { sum += dy[at + c] * w[tap + c]; }
        plane += sum;
      }
    }
    total += plane;
  }
  dx[u.dxBase + id] = total;`,
  });
}

/**
 * Kernel 4, stride 2: cells of eight outputs.
 *
 * @param inputChannels 1 or a multiple of 4.
 * @param outputChannels Multiple of 4.
 */
export function halvingInputGradient(inputChannels: number, outputChannels: number) {
  const width = inputChannels % 4 === 0 ? 4 : 1;
  return makeShader({
    label: `conv3d input gradient k4s2 ${inputChannels}<${outputChannels}`,
    fields: { ...GEOMETRY_FIELDS, ...OFFSETS },
    workgroupSize: WORKGROUP,
    buffers: { dy: ["vec4<f32>", "read"], w: ["vec4<f32>", "read"], dx: [floats(width), "write"] },
    body: () => halvingBody(inputChannels / width, width, outputChannels / 4),
  });
}

/** The eight phases (z, y, x) of a cell. */
const PHASES = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [i >> 2, (i >> 1) & 1, i & 1] as const);

function halvingBody(inVectors: number, width: number, outVectors: number): string {
  const phases = (line: (a: readonly [number, number, number], name: string) => string) =>
    PHASES.map((a) => line(a, a.join(""))).join("\n");
  return `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let firstZ = u.padZ / 2u;
  let firstY = u.padY / 2u;
  let firstX = u.padX / 2u;
  let cellsZ = (u.inZ - 1u + u.padZ) / 2u - firstZ + 1u;
  let cellsY = (u.inY - 1u + u.padY) / 2u - firstY + 1u;
  let cellsX = (u.inX - 1u + u.padX) / 2u - firstX + 1u;
  let strips = (cellsY + ${CELLS - 1}u) / ${CELLS}u;
  let qx = firstX + id % cellsX;
  var rest = id / cellsX;
  let qy = firstY + (rest % strips) * ${CELLS}u; rest /= strips;
  let qz = firstZ + rest % cellsZ; rest /= cellsZ;
  let n = rest % u.samples;
  let ci = rest / u.samples;
${repeat(CELLS, (p) => phases((_, name) => `  var acc${p}_${name} = ${floats(width)}();`))}
  for (var c = 0u; c < ${outVectors}u; c++) {
    for (var sz = 0u; sz < 2u; sz++) {
      let oz = qz - sz;
      if (oz >= u.outZ) { continue; }
      for (var shift = 0u; shift < 4u; shift++) {
        let sy = shift / 2u;
        let sx = shift % 2u;
        let ox = qx - sx;
        if (ox >= u.outX) { continue; }
        let plane = (n * u.outZ + oz) * u.outY;
${
    repeat(CELLS, (p) => `
        var d${p} = vec4<f32>();
        if (qy + ${p}u - sy < u.outY) {
          d${p} = dy[u.dyBase + ((plane + qy + ${p}u - sy) * u.outX + ox) * ${outVectors}u + c];
        }`)
  }
        let taps = (sz * 32u + sy * 8u + sx * 2u) * ${inVectors * width}u + ci * ${width}u;
${phases((a, name) => tapLines(a, name, { inVectors, width, outVectors }))}
      }
    }
  }
  let outZ = qz * 2u - u.padZ;
  let outY = qy * 2u - u.padY;
  let outX = qx * 2u - u.padX;
${
    repeat(CELLS, (p) =>
      phases(([az, ay, ax], name) => `
  if (outZ + ${az}u < u.inZ && outY + ${2 * p + ay}u < u.inY && outX + ${ax}u < u.inX) {
    let row = (n * u.inZ + outZ + ${az}u) * u.inY + outY + ${2 * p + ay}u;
    dx[u.dxBase + (row * u.inX + outX + ${ax}u) * ${inVectors}u + ci] = acc${p}_${name};
  }`))
  }`;
}

/** Adds tap (2·sz + az, 2·sy + ay, 2·sx + ax) to one phase of every cell of the invocation. */
function tapLines(
  [az, ay, ax]: readonly [number, number, number],
  name: string,
  sizes: { inVectors: number; width: number; outVectors: number },
): string {
  const { inVectors, width, outVectors } = sizes;
  const tap = (az * 16 + ay * 4 + ax) * inVectors * width;
  const weights = repeat(
    width,
    (i) => `          let w${i} = w[(taps + ${tap + i}u) * ${outVectors}u + c];`,
  );
  const sums = repeat(CELLS, (p) => {
    const dots = Array.from({ length: width }, (_, i) => `dot(d${p}, w${i})`).join(", ");
    return `          acc${p}_${name} += ${width === 1 ? dots : `vec4<f32>(${dots})`};`;
  });
  return `        {\n${weights}\n${sums}\n        }`;
}
