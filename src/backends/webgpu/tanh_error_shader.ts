/**
 * WGSL of tanh, and of the squared error behind it. tanh is written out, because the built-in function overflows to
 * NaN for large arguments on some drivers and loses digits near 0 on others: a polynomial (Cephes, error
 * 1.3e-7) below 0.625, and 1 − 2/(e^{2|a|} + 1) above.
 */
import { makeShader } from "./shader.ts";
import { FIND_PLACE, sumSlots, UNIT_FIELDS, WORKGROUP } from "./row_units.ts";

/** WGSL of `tanhOf`. */
export const TANH = `
fn tanhOf(a: f32) -> f32 {
  let size = abs(a);
  if (size < 0.625) {
    let z = a * a;
    let p = (((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z +
      1.33314422036e-1) * z - 3.33332819422e-1;
    return a + a * z * p;
  }
  return sign(a) * (1.0 - 2.0 / (exp(2.0 * min(size, 20.0)) + 1.0));
}`;

/**
 * Derivative, and Σ weight·(target − tanh a)² of each chunk of values.
 *
 * @param weighted Whether a weight per value of one sample is bound.
 */
export function tanhErrorChunks(weighted: boolean) {
  return makeShader({
    label: `tanh squared error${weighted ? " weighted" : ""}`,
    fields: {
      ...UNIT_FIELDS,
      aBase: "u32",
      targetBase: "u32",
      derivativeBase: "u32",
      /** Values per sample, and the number of the first bound value within its sample. */
      sampleValues: "u32",
      phase: "u32",
      scale: "f32",
    },
    workgroupSize: WORKGROUP,
    buffers: {
      a: ["f32", "read"],
      goal: ["f32", "read"],
      ...(weighted ? { weight: ["f32", "read"] as const } : {}),
      derivative: ["f32", "write"],
      partial: ["f32", "write"],
    },
    declarations: `${TANH}\nvar<workgroup> slots: array<f32, ${WORKGROUP}>;`,
    body: () => `
${FIND_PLACE}
  var sum = 0.0;
  for (var i = slot; i < chunkRows; i += step) {
    let at = firstRow + i;
    let r = tanhOf(a[u.aBase + at]);
    let error = goal[u.targetBase + at] - r;
    let weighted = ${weighted ? "weight[(u.phase + at) % u.sampleValues] * error" : "error"};
    sum += weighted * error;
    derivative[u.derivativeBase + at] = u.scale * weighted * (1.0 - r * r);
  }
  slots[lane] = sum;
${sumSlots("slots")}
  if (lane == 0u) { partial[unit] = slots[0]; }`,
  });
}

/** tanh of every value. */
export function tanhValues() {
  return makeShader({
    label: "tanh",
    fields: { aBase: "u32", rBase: "u32", work: "u32" },
    workgroupSize: WORKGROUP,
    buffers: { a: ["f32", "read"], r: ["f32", "write"] },
    declarations: TANH,
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id < u.work) { r[u.rBase + id] = tanhOf(a[u.aBase + id]); }`,
  });
}
