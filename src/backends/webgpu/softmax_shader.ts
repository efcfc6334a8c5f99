/** WGSL of softmax and log-softmax over rows, and of their gradients: one workgroup per row. */
import { JOIN_WORKGROUP, sumLanes } from "./norm_shader.ts";
import { makeShader } from "./shader.ts";

const LANES = `var<workgroup> lanes: array<f32, ${JOIN_WORKGROUP}>;`;
const EACH_COLUMN = `for (var i = lane; i < u.columns; i += ${JOIN_WORKGROUP}u)`;

/**
 * y of every row.
 *
 * @param logarithmic Whether y is the logarithm.
 */
export function softmaxRows(logarithmic: boolean) {
  return makeShader({
    label: logarithmic ? "log softmax" : "softmax",
    fields: { rows: "u32", columns: "u32", xBase: "u32", yBase: "u32" },
    workgroupSize: JOIN_WORKGROUP,
    buffers: { x: ["f32", "read"], y: ["f32", "write"] },
    declarations: LANES,
    body: () => `
  if (block >= u.rows) { return; }
  let first = u.xBase + block * u.columns;
  let to = u.yBase + block * u.columns;
  var most = x[first];
  ${EACH_COLUMN} { most = max(most, x[first + i]); }
  lanes[lane] = most;
  workgroupBarrier();
  for (var half = ${JOIN_WORKGROUP / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { lanes[lane] = max(lanes[lane], lanes[lane + half]); }
    workgroupBarrier();
  }
  most = lanes[0];
  workgroupBarrier();
  var sum = 0.0;
  ${EACH_COLUMN} { sum += exp(x[first + i] - most); }
${sumLanes("sum")}
  let total = lanes[0];
  ${EACH_COLUMN} {
    y[to + i] = ${
      logarithmic ? "x[first + i] - most - log(total)" : "exp(x[first + i] - most) / total"
    };
  }`,
  });
}

/**
 * dx of every row from dy and y.
 *
 * @param logarithmic Whether y is the logarithm.
 */
export function softmaxGradientRows(logarithmic: boolean) {
  return makeShader({
    label: logarithmic ? "log softmax gradient" : "softmax gradient",
    fields: { rows: "u32", columns: "u32", dyBase: "u32", yBase: "u32", dxBase: "u32" },
    workgroupSize: JOIN_WORKGROUP,
    buffers: { dy: ["f32", "read"], y: ["f32", "read"], dx: ["f32", "write"] },
    declarations: LANES,
    body: () => `
  if (block >= u.rows) { return; }
  let gradient = u.dyBase + block * u.columns;
  let value = u.yBase + block * u.columns;
  let to = u.dxBase + block * u.columns;
  var sum = 0.0;
  ${EACH_COLUMN} { sum += ${logarithmic ? "dy[gradient + i]" : "dy[gradient + i] * y[value + i]"}; }
${sumLanes("sum")}
  let total = lanes[0];
  ${EACH_COLUMN} {
    dx[to + i] = ${
      logarithmic
        ? "dy[gradient + i] - exp(y[value + i]) * total"
        : "y[value + i] * (dy[gradient + i] - total)"
    };
  }`,
  });
}
