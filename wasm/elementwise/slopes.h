/* Derivatives f'(x) of the activations of functions.h, for the gradients of both the operation and the linear layer. */
#pragma once

#include "functions.h"

namespace recvae {

/* 1 − tanh² x. */
RECVAE_INLINE v128_t tanh_slope(v128_t x) {
  const v128_t t = tanh4(x);
  return fnma(t, t, constant4(1.0f));
}

/* s·(1 − s) with s = sigmoid x. */
RECVAE_INLINE v128_t sigmoid_slope(v128_t x) {
  const v128_t s = sigmoid4(x);
  return wasm_f32x4_mul(s, wasm_f32x4_sub(constant4(1.0f), s));
}

/* s·(1 + x·(1 − s)) with s = sigmoid x. */
RECVAE_INLINE v128_t silu_slope(v128_t x) {
  const v128_t one = constant4(1.0f), s = sigmoid4(x);
  return wasm_f32x4_mul(s, fma(x, wasm_f32x4_sub(one, s), one));
}

/* Φ(x) + x·φ(x). */
RECVAE_INLINE v128_t gelu_slope(v128_t x) {
  const v128_t half = constant4(0.5f);
  const v128_t below = fma(erf4(wasm_f32x4_mul(x, constant4(0.70710678118654752f))), half, half);
  const v128_t density = exp4(wasm_f32x4_mul(wasm_f32x4_mul(x, x), constant4(-0.5f)));
  return fma(wasm_f32x4_mul(x, constant4(0.39894228040143268f)), density, below);
}

/* ½(1 + t) + ½x(1 − t²)·√(2/π)(1 + 3·0.044715x²), t the tanh of gelu_tanh4. */
RECVAE_INLINE v128_t gelu_tanh_slope(v128_t x) {
  const v128_t one = constant4(1.0f), half = constant4(0.5f), root = constant4(0.79788456080286536f);
  const v128_t square = wasm_f32x4_mul(x, x);
  const v128_t inner = wasm_f32x4_mul(fma(wasm_f32x4_mul(square, x), constant4(0.044715f), x), root);
  const v128_t t = tanh4(inner);
  const v128_t steep = wasm_f32x4_mul(fma(square, constant4(0.134145f), one), root);
  const v128_t bend = wasm_f32x4_mul(wasm_f32x4_mul(x, half), fnma(t, t, one));
  return fma(bend, steep, fma(t, half, half));
}

}  // namespace recvae
