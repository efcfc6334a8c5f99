/*
 * Gradients of activations in one pass, dx[i] = dy[i]·f′(x[i]), from the input of the forward call alone. A slice is
 * 16384 values.
 */
#include "slopes.h"

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
struct Tanh { static v128_t of(v128_t x, v128_t) { return tanh_slope(x); } };
struct Sigmoid { static v128_t of(v128_t x, v128_t) { return sigmoid_slope(x); } };
struct Silu { static v128_t of(v128_t x, v128_t) { return silu_slope(x); } };
struct Softplus { static v128_t of(v128_t x, v128_t) { return sigmoid4(x); } };
struct Gelu { static v128_t of(v128_t x, v128_t) { return gelu_slope(x); } };
struct GeluTanh { static v128_t of(v128_t x, v128_t) { return gelu_tanh_slope(x); } };

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
