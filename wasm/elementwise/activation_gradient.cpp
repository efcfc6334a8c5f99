/*
 * Gradients of activations in one pass, dx[i] = dy[i]·f′(x[i]), from the input of the forward call alone. A slice is
 * 16384 values.
 */
#include "functions.h"

namespace recvae {

struct ActivationGradientParams {
  const float* dy; /*  0 */
  const float* x;  /*  4 */
  float* dx;       /*  8 */
  int32_t count;   /* 12 */
  int32_t op;      /* 16  see below */
  float alpha;     /* 20  slope of leaky, factor of elu */
}; /* 24 bytes */

static_assert(sizeof(ActivationGradientParams) == 24, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

/* 1 where x > 0, else what is given; NaN takes the side of "else". */
RECVAE_INLINE v128_t one_above_zero(v128_t x, v128_t otherwise) {
  return wasm_v128_bitselect(constant4(1.0f), otherwise, wasm_f32x4_gt(x, zero4()));
}

/* Derivatives f′(x) in the order of ACTIVATIONS in src/backends/activation_contract.ts. */
struct Relu { static v128_t of(v128_t x, v128_t) { return one_above_zero(x, zero4()); } };
struct LeakyRelu { static v128_t of(v128_t x, v128_t alpha) { return one_above_zero(x, alpha); } };
struct Elu {
  static v128_t of(v128_t x, v128_t alpha) {
    return one_above_zero(x, wasm_f32x4_mul(alpha, exp4(wasm_f32x4_pmin(x, zero4()))));
  }
};
struct Tanh {
  static v128_t of(v128_t x, v128_t) {
    const v128_t y = tanh4(x);
    return fnma(y, y, constant4(1.0f));
  }
};
struct Sigmoid {
  static v128_t of(v128_t x, v128_t) {
    const v128_t s = sigmoid4(x);
    return wasm_f32x4_mul(s, wasm_f32x4_sub(constant4(1.0f), s));
  }
};
/* s + x·s·(1 − s), s = 1/(1 + e⁻ˣ) */
struct Silu {
  static v128_t of(v128_t x, v128_t) {
    const v128_t s = sigmoid4(x);
    return fma(wasm_f32x4_mul(x, s), wasm_f32x4_sub(constant4(1.0f), s), s);
  }
};
struct Softplus { static v128_t of(v128_t x, v128_t) { return sigmoid4(x); } };
/* Φ(x) + x·φ(x), φ = e^(−x²/2)/√(2π) */
struct Gelu {
  static v128_t of(v128_t x, v128_t) {
    const v128_t half = constant4(0.5f);
    const v128_t below = fma(erf4(wasm_f32x4_mul(x, constant4(0.70710678118654752f))), half, half);
    const v128_t bell = exp4(wasm_f32x4_mul(wasm_f32x4_mul(x, x), constant4(-0.5f)));
    return fma(wasm_f32x4_mul(x, constant4(0.39894228040143268f)), bell, below);
  }
};
/* ½(1 + t) + ½x(1 − t²)·k(1 + 3·0.044715x²), t = tanh(k(x + 0.044715x³)), k = √(2/π) */
struct GeluTanh {
  static v128_t of(v128_t x, v128_t) {
    const v128_t one = constant4(1.0f), half = constant4(0.5f), k = constant4(0.79788456080286536f);
    const v128_t square = wasm_f32x4_mul(x, x);
    const v128_t t = tanh4(wasm_f32x4_mul(wasm_f32x4_mul(x, k), fma(square, constant4(0.044715f), one)));
    const v128_t slope = wasm_f32x4_mul(k, fma(square, constant4(0.134145f), one));
    const v128_t second = wasm_f32x4_mul(wasm_f32x4_mul(x, fnma(t, t, one)), slope);
    return wasm_f32x4_mul(half, wasm_f32x4_add(wasm_f32x4_add(one, t), second));
  }
};

template <class Op>
void run(const ActivationGradientParams* p, int32_t from, int32_t to) {
  const v128_t alpha = wasm_f32x4_splat(p->alpha);
  int32_t i = from;
  RECVAE_NO_UNROLL
  for (; i + 8 <= to; i += 8) {
    const v128_t first = Op::of(load(p->x + i), alpha), second = Op::of(load(p->x + i + 4), alpha);
    store(p->dx + i, wasm_f32x4_mul(load(p->dy + i), first));
    store(p->dx + i + 4, wasm_f32x4_mul(load(p->dy + i + 4), second));
  }
  RECVAE_NO_UNROLL
  for (; i < to; ++i) p->dx[i] = p->dy[i] * wasm_f32x4_extract_lane(Op::of(splat(p->x + i), alpha), 0);
}

}  // namespace

RECVAE_EXPORT(f32_activation_gradient__slices)
int32_t f32_activation_gradient__slices(const ActivationGradientParams* p) {
  return ceil_div(p->count, kSliceFloats);
}

RECVAE_EXPORT(f32_activation_gradient)
void f32_activation_gradient(const ActivationGradientParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t from = begin * kSliceFloats;
  const int32_t to = smaller(end * kSliceFloats, p->count);
  switch (p->op) {
    case 0: return run<Relu>(p, from, to);
    case 1: return run<LeakyRelu>(p, from, to);
    case 2: return run<Elu>(p, from, to);
    case 3: return run<Tanh>(p, from, to);
    case 4: return run<Sigmoid>(p, from, to);
    case 5: return run<Silu>(p, from, to);
    case 6: return run<Softplus>(p, from, to);
    case 7: return run<Gelu>(p, from, to);
    case 8: return run<GeluTanh>(p, from, to);
  }
}

}  // namespace recvae
