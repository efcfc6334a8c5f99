/*
 * Elementary functions on four float32 values. Polynomials after Moshier's Cephes library (netlib.org/cephes,
 * single precision). Largest errors found against float64 over 10⁶ arguments each are stated in ulp in
 * tests/backends/wasm/functions_test.ts, which fails above them.
 */
#pragma once

#include "../kernel.h"

namespace recvae {

RECVAE_INLINE v128_t constant4(float v) { return wasm_f32x4_splat(v); }

/* v·2^n for n in −252 … 254, in two steps so that results below the normal range round once. */
RECVAE_INLINE v128_t scale_by_power(v128_t v, v128_t n) {
  const v128_t half = wasm_i32x4_shr(n, 1);
  const v128_t rest = wasm_i32x4_sub(n, half);
  const v128_t bias = wasm_i32x4_const_splat(127);
  v = wasm_f32x4_mul(v, wasm_i32x4_shl(wasm_i32x4_add(half, bias), 23));
  return wasm_f32x4_mul(v, wasm_i32x4_shl(wasm_i32x4_add(rest, bias), 23));
}

/* eˣ. Reduction x = n·ln 2 + r with ln 2 in two parts, |r| ≤ 0.35, polynomial of degree 6 in r. */
RECVAE_INLINE v128_t exp4(v128_t x) {
  /* Beyond these the result is 0 or infinite anyway; pmin and pmax keep NaN. */
  const v128_t c = wasm_f32x4_pmax(wasm_f32x4_pmin(x, constant4(89.0f)), constant4(-104.0f));
  const v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(c, constant4(1.44269504088896341f)));
  v128_t r = fnma(n, constant4(0.693359375f), c);
  r = fnma(n, constant4(-2.12194440e-4f), r);
  v128_t p = constant4(1.9875691500e-4f);
  p = fma(p, r, constant4(1.3981999507e-3f));
  p = fma(p, r, constant4(8.3334519073e-3f));
  p = fma(p, r, constant4(4.1665795894e-2f));
  p = fma(p, r, constant4(1.6666665459e-1f));
  p = fma(p, r, constant4(5.0000001201e-1f));
  p = fma(p, wasm_f32x4_mul(r, r), r);
  p = wasm_f32x4_add(p, constant4(1.0f));
  return scale_by_power(p, wasm_i32x4_trunc_sat_f32x4(n));
}

/* ln x. x = m·2^e with m in √½ … √2, polynomial of degree 9 in m − 1. ln 0 = −∞, below 0 NaN. */
RECVAE_INLINE v128_t log4(v128_t x) {
  const v128_t one = constant4(1.0f);
  const v128_t tiny = wasm_f32x4_lt(x, constant4(1.17549435e-38f));
  const v128_t normal = wasm_v128_bitselect(wasm_f32x4_mul(x, constant4(8388608.0f)), x, tiny);
  v128_t e = wasm_i32x4_sub(wasm_u32x4_shr(normal, 23), wasm_i32x4_const_splat(126));
  e = wasm_i32x4_sub(e, wasm_v128_and(tiny, wasm_i32x4_const_splat(23)));
  v128_t m = wasm_v128_or(wasm_v128_and(normal, wasm_i32x4_const_splat(0x007fffff)),
                          wasm_i32x4_const_splat(0x3f000000));
  const v128_t small = wasm_f32x4_lt(m, constant4(0.707106781186547524f));
  e = wasm_i32x4_add(e, small); /* small is −1 where true */
  m = wasm_f32x4_add(wasm_f32x4_sub(m, one), wasm_v128_and(m, small));
  const v128_t n = wasm_f32x4_convert_i32x4(e);
  const v128_t z = wasm_f32x4_mul(m, m);
  v128_t p = constant4(7.0376836292e-2f);
  p = fma(p, m, constant4(-1.1514610310e-1f));
  p = fma(p, m, constant4(1.1676998740e-1f));
  p = fma(p, m, constant4(-1.2420140846e-1f));
  p = fma(p, m, constant4(1.4249322787e-1f));
  p = fma(p, m, constant4(-1.6668057665e-1f));
  p = fma(p, m, constant4(2.0000714765e-1f));
  p = fma(p, m, constant4(-2.4999993993e-1f));
  p = fma(p, m, constant4(3.3333331174e-1f));
  p = wasm_f32x4_mul(wasm_f32x4_mul(p, m), z);
  p = fma(n, constant4(-2.12194440e-4f), p);
  p = fnma(z, constant4(0.5f), p);
  v128_t result = fma(n, constant4(0.693359375f), wasm_f32x4_add(m, p));
  const v128_t infinity = constant4(__builtin_inff());
  result = wasm_v128_bitselect(x, result, wasm_f32x4_eq(x, infinity));
  result = wasm_v128_bitselect(wasm_f32x4_neg(infinity), result, wasm_f32x4_eq(x, zero4()));
  const v128_t bad = wasm_v128_not(wasm_f32x4_ge(x, zero4()));
  return wasm_v128_bitselect(constant4(__builtin_nanf("")), result, bad);
}

/* 2^(factor·c) − 1 without cancellation, for |factor·c| ≤ 27.5; see tanh4, where factor is 2·log₂e. */
RECVAE_INLINE v128_t power2_minus_one4(v128_t c, v128_t factor) {
  const v128_t shifter = constant4(12582912.0f);
  const v128_t t = fma(c, factor, shifter);
  const v128_t n = wasm_f32x4_sub(t, shifter);
  const v128_t f = fma(c, factor, wasm_f32x4_neg(n));
  v128_t p = constant4(1.5403512225e-4f);
  p = fma(p, f, constant4(1.3391884276e-3f));
  p = fma(p, f, constant4(9.6182422713e-3f));
  p = fma(p, f, constant4(5.5503550917e-2f));
  p = fma(p, f, constant4(2.4022649229e-1f));
  p = fma(p, f, constant4(6.9314718246e-1f));
  const v128_t one = constant4(1.0f);
  const v128_t s = wasm_i32x4_add(wasm_i32x4_shl(t, 23), one);
  return fma(s, wasm_f32x4_mul(p, f), wasm_f32x4_sub(s, one));
}

/*
 * tanh x = m/(m + 2), m = e²ˣ − 1 without cancellation: with 2x·log₂e = n + f, |f| ≤ ½, and s = 2ⁿ,
 * m = s·(2ᶠ − 1) + (s − 1), where 2ᶠ − 1 = f·polynomial of degree 5 (minimax, relative error 1.1e-8). n is read off the
 * low bits of a sum with 1.5·2²³. Error up to 3.4 ulp, 0.5 on average, 1.5e-7 absolute. One branchless path of 17
 * instructions; do two or more vectors at a time, it is bound by latency (2026-11: 3.3 ns a value for the two-sided
 * Cephes form, 1.7 for this, 0.9 for this four at a time).
 */
RECVAE_INLINE v128_t tanh4(v128_t x) {
  const v128_t c = wasm_f32x4_pmax(wasm_f32x4_pmin(x, constant4(9.5f)), constant4(-9.5f));
  const v128_t m = power2_minus_one4(c, constant4(2.885390081777927f));
  return wasm_f32x4_div(m, wasm_f32x4_add(m, constant4(2.0f)));
}

/* 1/(1 + e⁻ˣ). */
RECVAE_INLINE v128_t sigmoid4(v128_t x) {
  const v128_t one = constant4(1.0f);
  return wasm_f32x4_div(one, wasm_f32x4_add(one, exp4(wasm_f32x4_neg(x))));
}

/*
 * erf x: a rational function of degree 13 over 8 on |x| ≤ 4, where it is ±1 to float32 (coefficients of Eigen's
 * generic float implementation, libeigen.gitlab.io).
 */
RECVAE_INLINE v128_t erf4(v128_t x) {
  const v128_t c = wasm_f32x4_pmax(wasm_f32x4_pmin(x, constant4(4.0f)), constant4(-4.0f));
  const v128_t z = wasm_f32x4_mul(c, c);
  v128_t p = constant4(-2.72614225801306e-10f);
  p = fma(p, z, constant4(2.77068142495902e-08f));
  p = fma(p, z, constant4(-2.10102402082508e-06f));
  p = fma(p, z, constant4(-5.69250639462346e-05f));
  p = fma(p, z, constant4(-7.34990630326855e-04f));
  p = fma(p, z, constant4(-2.95459980854025e-03f));
  p = fma(p, z, constant4(-1.60960333262415e-02f));
  v128_t q = constant4(-1.45660718464996e-05f);
  q = fma(q, z, constant4(-2.13374055278905e-04f));
  q = fma(q, z, constant4(-1.68282697438203e-03f));
  q = fma(q, z, constant4(-7.37332916720468e-03f));
  q = fma(q, z, constant4(-1.42647390514189e-02f));
  return wasm_f32x4_div(wasm_f32x4_mul(c, p), q);
}

/* x/(1 + e⁻ˣ). */
RECVAE_INLINE v128_t silu4(v128_t x) { return wasm_f32x4_mul(x, sigmoid4(x)); }

/* x·Φ(x) = ½x(1 + erf(x/√2)). */
RECVAE_INLINE v128_t gelu4(v128_t x) {
  const v128_t twice = fma(x, erf4(wasm_f32x4_mul(x, constant4(0.70710678118654752f))), x);
  return wasm_f32x4_mul(twice, constant4(0.5f));
}

/* ½x(1 + tanh(√(2/π)(x + 0.044715x³))). */
RECVAE_INLINE v128_t gelu_tanh4(v128_t x) {
  const v128_t cube = wasm_f32x4_mul(wasm_f32x4_mul(x, x), x);
  const v128_t inner = wasm_f32x4_mul(fma(cube, constant4(0.044715f), x), constant4(0.79788456080286536f));
  return wasm_f32x4_mul(fma(x, tanh4(inner), x), constant4(0.5f));
}

/*
 * ln(1 + eˣ) = max(x, 0) + ln(1 + t), t = e^−|x|. ln(1 + t) = 2·artanh z with z = t/(2 + t) ≤ ⅓, a series that keeps
 * small values.
 */
RECVAE_INLINE v128_t softplus4(v128_t x) {
  const v128_t t = exp4(wasm_f32x4_neg(wasm_f32x4_abs(x)));
  const v128_t z = wasm_f32x4_div(t, wasm_f32x4_add(t, constant4(2.0f)));
  const v128_t s = wasm_f32x4_mul(z, z);
  v128_t p = constant4(6.6666666667e-2f);
  p = fma(p, s, constant4(7.6923076923e-2f));
  p = fma(p, s, constant4(9.0909090909e-2f));
  p = fma(p, s, constant4(1.1111111111e-1f));
  p = fma(p, s, constant4(1.4285714286e-1f));
  p = fma(p, s, constant4(2.0e-1f));
  p = fma(p, s, constant4(3.3333333333e-1f));
  const v128_t twice = wasm_f32x4_add(z, z);
  return wasm_f32x4_add(wasm_f32x4_max(x, zero4()), fma(wasm_f32x4_mul(p, s), twice, twice));
}

/* eˣ − 1 for x ≤ 0, without cancellation: the m of tanh4. */
RECVAE_INLINE v128_t expm1_below_4(v128_t x) {
  return power2_minus_one4(wasm_f32x4_pmax(x, constant4(-19.0f)), constant4(1.4426950408889634f));
}

/* x where x > 0, else alpha·(eˣ − 1). */
RECVAE_INLINE v128_t elu4(v128_t x, v128_t alpha) {
  const v128_t below = wasm_f32x4_mul(alpha, expm1_below_4(wasm_f32x4_pmin(x, zero4())));
  return wasm_v128_bitselect(x, below, wasm_f32x4_gt(x, zero4()));
}

}  // namespace recvae
