/** WGSL of activations, their derivatives, and dropout by a counter-based stream. */
import type { ActivationName } from "../activation_contract.ts";
import { WORKGROUP } from "./row_units.ts";
import { makeShader } from "./shader.ts";
import { TANH } from "./tanh_error_shader.ts";

/**
 * The built-in exp of a large argument may be anything where it overflows, hence the negative arguments. ln(1 + t) for
 * 0 ≤ t ≤ 1 is 2·artanh(t/(2 + t)), a series that keeps small values; erf is Eigen's rational function.
 */
const FUNCTIONS = `${TANH}
fn sigmoidOf(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
fn softplusOf(x: f32) -> f32 {
  let t = exp(-abs(x));
  let z = t / (2.0 + t);
  let s = z * z;
  let series = 1.0 + s * (0.333333333 + s * (0.2 + s * (0.142857143 + s * (0.111111111 +
    s * (0.0909090909 + s * (0.0769230769 + s * 0.0666666667))))));
  return max(x, 0.0) + 2.0 * z * series;
}
fn erfOf(x: f32) -> f32 {
  let c = clamp(x, -4.0, 4.0);
  let z = c * c;
  let p = (((((-2.72614225801306e-10 * z + 2.77068142495902e-8) * z - 2.10102402082508e-6) * z -
    5.69250639462346e-5) * z - 7.34990630326855e-4) * z - 2.95459980854025e-3) * z - 1.60960333262415e-2;
  let q = (((-1.45660718464996e-5 * z - 2.13374055278905e-4) * z - 1.68282697438203e-3) * z -
    7.37332916720468e-3) * z - 1.42647390514189e-2;
  return c * p / q;
}
fn normalBelow(x: f32) -> f32 { return 0.5 + 0.5 * erfOf(x * 0.70710678118654752); }
// ½(1 + tanh u) is the sigmoid of 2u, whose slope does not cancel as 1 − tanh² u does.
fn geluArgument(x: f32) -> f32 { return 1.59576912160573072 * (x + 0.044715 * x * x * x); }
fn expm1Of(x: f32) -> f32 { return tanhOf(0.5 * x) * (exp(x) + 1.0); }`;

/** f(x) and f′(x) as WGSL of `x` and `u.alpha`. */
const EXPRESSIONS: Readonly<
  Record<ActivationName, { readonly value: string; readonly slope: string }>
> = {
  relu: { value: "select(x, 0.0, x < 0.0)", slope: "select(0.0, 1.0, x > 0.0)" },
  "leaky-relu": {
    value: "select(u.alpha * x, x, x > 0.0)",
    slope: "select(u.alpha, 1.0, x > 0.0)",
  },
  elu: {
    value: "select(u.alpha * expm1Of(min(x, 0.0)), x, x > 0.0)",
    slope: "select(u.alpha * exp(min(x, 0.0)), 1.0, x > 0.0)",
  },
  tanh: { value: "tanhOf(x)", slope: "1.0 - tanhOf(x) * tanhOf(x)" },
  sigmoid: { value: "sigmoidOf(x)", slope: "sigmoidOf(x) * sigmoidOf(-x)" },
  silu: {
    value: "x * sigmoidOf(x)",
    slope: "sigmoidOf(x) * (1.0 + x * sigmoidOf(-x))",
  },
  softplus: { value: "softplusOf(x)", slope: "sigmoidOf(x)" },
  gelu: {
    value: "x * normalBelow(x)",
    slope: "normalBelow(x) + x * 0.39894228040143268 * exp(-0.5 * x * x)",
  },
  "gelu-tanh": {
    value: "x * sigmoidOf(geluArgument(x))",
    slope: "sigmoidOf(geluArgument(x)) * (1.0 + x * sigmoidOf(-geluArgument(x)) * " +
      "1.59576912160573072 * (1.0 + 0.134145 * x * x))",
  },
};

/**
 * y = f(x) of every value.
 *
 * @param name Which activation.
 */
export function activationValues(name: ActivationName) {
  return makeShader({
    label: `activation ${name}`,
    fields: { xBase: "u32", yBase: "u32", work: "u32", alpha: "f32" },
    workgroupSize: WORKGROUP,
    buffers: { source: ["f32", "read"], result: ["f32", "write"] },
    declarations: FUNCTIONS,
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let x = source[u.xBase + id];
  result[u.yBase + id] = ${EXPRESSIONS[name].value};`,
  });
}

/**
 * dx = dy·f′(x) of every value.
 *
 * @param name Which activation.
 */
export function activationSlopes(name: ActivationName) {
  return makeShader({
    label: `activation gradient ${name}`,
    fields: { dyBase: "u32", xBase: "u32", dxBase: "u32", work: "u32", alpha: "f32" },
    workgroupSize: WORKGROUP,
    buffers: { dy: ["f32", "read"], source: ["f32", "read"], result: ["f32", "write"] },
    declarations: FUNCTIONS,
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (id >= u.work) { return; }
  let x = source[u.xBase + id];
  result[u.dxBase + id] = dy[u.dyBase + id] * (${EXPRESSIONS[name].slope});`,
  });
}

/** Philox4x32-10 (src/base/philox.ts); WGSL has no 64-bit product, so its upper half is put together from 16-bit parts. */
const PHILOX = `
fn upperHalf(a: u32, b: u32) -> u32 {
  let cross1 = (a & 0xffffu) * (b >> 16u);
  let cross2 = (a >> 16u) * (b & 0xffffu);
  let middle = (((a & 0xffffu) * (b & 0xffffu)) >> 16u) + (cross1 & 0xffffu) + (cross2 & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (cross1 >> 16u) + (cross2 >> 16u) + (middle >> 16u);
}
fn philox(first: u32) -> vec4<u32> {
  var c = vec4<u32>(first, 0u, u.upper0, u.upper1);
  var k = vec2<u32>(u.key0, u.key1);
  for (var round = 0u; round < 10u; round++) {
    c = vec4<u32>(
      upperHalf(c.z, 0xcd9e8d57u) ^ c.y ^ k.x, c.z * 0xcd9e8d57u,
      upperHalf(c.x, 0xd2511f53u) ^ c.w ^ k.y, c.x * 0xd2511f53u,
    );
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}`;

/** y = scale·x, or 0 where the value's word is below the threshold. One invocation per Philox block of four values. */
export function dropoutValues() {
  return makeShader({
    label: "dropout",
    fields: {
      xBase: "u32",
      yBase: "u32",
      /** Values of this run, and the number of the first Philox block. */
      work: "u32",
      firstBlock: "u32",
      key0: "u32",
      key1: "u32",
      upper0: "u32",
      upper1: "u32",
      threshold: "u32",
      scale: "f32",
    },
    workgroupSize: WORKGROUP,
    buffers: { x: ["f32", "read"], y: ["f32", "write"] },
    declarations: PHILOX,
    body: () => `
  let id = block * ${WORKGROUP}u + lane;
  if (4u * id >= u.work) { return; }
  let words = philox(u.firstBlock + id);
  for (var i = 0u; i < 4u && 4u * id + i < u.work; i++) {
    let at = 4u * id + i;
    y[u.yBase + at] = select(u.scale * x[u.xBase + at], 0.0, words[i] < u.threshold);
  }`,
  });
}
