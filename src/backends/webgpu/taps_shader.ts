/** WGSL of the sparse linear maps along axes (tap_contract.ts), and of sums of rows by segment. */
import { WORKGROUP } from "./row_units.ts";
import { makeShader, type Shader } from "./shader.ts";

/** What a map does with the taps of a place. */
export type TapMode = "sum" | "largest" | "gradient";

/** Uniforms of {@link tapShader}: where values begin in their bindings, sizes, and the parts of the table. */
export const TAP_FIELDS = {
  xBase: "u32",
  yBase: "u32",
  winnerBase: "u32",
  /** Values of the result to compute. */
  work: "u32",
  inner: "u32",
  fromSample: "u32",
  toSample: "u32",
  places0: "u32",
  places1: "u32",
  places2: "u32",
  first0: "u32",
  first1: "u32",
  first2: "u32",
  from0: "u32",
  from1: "u32",
  from2: "u32",
  weight0: "u32",
  weight1: "u32",
  weight2: "u32",
  to0: "u32",
  to1: "u32",
  to2: "u32",
} as const;

const START: Readonly<Record<TapMode, string>> = {
  sum: "var result = 0.0;",
  largest: "var result = 0.0; var place = -1.0;",
  gradient: "var result = 0.0;",
};

/** `v` is the tap's value, `u0 … u2` its weights, `at` its position in the source. */
const TAKE: Readonly<Record<TapMode, string>> = {
  sum: "result = fma(u0 * u1 * u2, v, result);",
  // A NaN is told by its bits: comparing v with itself may be optimised away.
  largest: `
          let broken = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
          let held = (bitcast<u32>(result) & 0x7fffffffu) > 0x7f800000u;
          if (place < 0.0 || broken || (!held && v > result)) {
            result = v;
            place = u0 + u1 + u2;
          }`,
  gradient: "if (winner[u.winnerBase + at] == u0 + u1 + u2) { result += v; }",
};

/**
 * One invocation per value of the result.
 *
 * @param mode What to do with the taps.
 */
export function tapShader(mode: TapMode): Shader<typeof TAP_FIELDS> {
  const x = { x: ["f32", "read"], table: ["i32", "read"] } as const;
  const y = { y: ["f32", "write"] } as const;
  return makeShader({
    label: `taps, ${mode}`,
    fields: TAP_FIELDS,
    workgroupSize: WORKGROUP,
    buffers: mode === "sum"
      ? { ...x, ...y }
      : { ...x, winner: ["f32", mode === "largest" ? "write" : "read"], ...y },
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let c = id % u.inner;
  var rest = id / u.inner;
  let p2 = rest % u.places2;
  rest = rest / u.places2;
  let p1 = rest % u.places1;
  rest = rest / u.places1;
  let p0 = rest % u.places0;
  let n = rest / u.places0;
  let base = n * u.fromSample + c;
  ${START[mode]}
  for (var i = table[u.first0 + p0]; i < table[u.first0 + p0 + 1u]; i++) {
    let at0 = base + u32(table[u.from0 + u32(i)]);
    let u0 = bitcast<f32>(table[u.weight0 + u32(i)]);
    for (var j = table[u.first1 + p1]; j < table[u.first1 + p1 + 1u]; j++) {
      let at1 = at0 + u32(table[u.from1 + u32(j)]);
      let u1 = bitcast<f32>(table[u.weight1 + u32(j)]);
      for (var k = table[u.first2 + p2]; k < table[u.first2 + p2 + 1u]; k++) {
        let at = at1 + u32(table[u.from2 + u32(k)]);
        let u2 = bitcast<f32>(table[u.weight2 + u32(k)]);
        let v = x[u.xBase + at];
        ${TAKE[mode]}
      }
    }
  }
  let to = n * u.toSample + u32(table[u.to0 + p0] + table[u.to1 + p1] + table[u.to2 + p2]) + c;
  y[u.yBase + to] = result;
  ${mode === "largest" ? "winner[u.winnerBase + to] = place;" : ""}`,
  });
}

/** Rows of equal segment, added in order: one invocation per value of the result reads all segments. */
export function segmentSumShader() {
  return makeShader({
    label: "sums of rows by segment",
    fields: { rows: "u32", inner: "u32", work: "u32" },
    workgroupSize: WORKGROUP,
    buffers: { x: ["f32", "read"], segments: ["i32", "read"], y: ["f32", "write"] },
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let c = id % u.inner;
  let segment = i32(id / u.inner);
  var sum = 0.0;
  for (var row = 0u; row < u.rows; row++) {
    if (segments[row] == segment) { sum += x[row * u.inner + c]; }
  }
  y[id] = sum;`,
  });
}
