/* Elementwise functions of one argument, y[i] = f(x[i]). A slice is 16384 values. */
#include "functions.h"

namespace recvae {

struct UnaryParams {
  const float* x; /*  0  int32 for from-integer */
  float* y;       /*  4 */
  int32_t count;  /*  8 */
  int32_t op;     /* 12  see below */
  float alpha;    /* 16  slope of leaky, factor of elu, value of fill, lower bound of clip */
  float beta;     /* 20  upper bound of clip */
}; /* 24 bytes */

static_assert(sizeof(UnaryParams) == 24, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

/* Operations in the order of UNARY_OPERATIONS in src/backends/wasm/kernels/elementwise.ts. */
struct Negate { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_neg(x); } };
struct Absolute { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_abs(x); } };
struct Square { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_mul(x, x); } };
struct SquareRoot { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_sqrt(x); } };
struct ReciprocalRoot {
  static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_div(constant4(1.0f), wasm_f32x4_sqrt(x)); }
};
struct Reciprocal {
  static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_div(constant4(1.0f), x); }
};
struct Exponential { static v128_t of(v128_t x, v128_t, v128_t) { return exp4(x); } };
struct Logarithm { static v128_t of(v128_t x, v128_t, v128_t) { return log4(x); } };
struct Tanh { static v128_t of(v128_t x, v128_t, v128_t) { return tanh4(x); } };
struct Sigmoid { static v128_t of(v128_t x, v128_t, v128_t) { return sigmoid4(x); } };
struct Relu { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_max(x, zero4()); } };
struct LeakyRelu {
  static v128_t of(v128_t x, v128_t alpha, v128_t) {
    return wasm_v128_bitselect(wasm_f32x4_mul(x, alpha), x, wasm_f32x4_lt(x, zero4()));
  }
};
struct Sign {
  static v128_t of(v128_t x, v128_t, v128_t) {
    const v128_t positive = wasm_v128_and(wasm_f32x4_gt(x, zero4()), constant4(1.0f));
    const v128_t negative = wasm_v128_and(wasm_f32x4_lt(x, zero4()), constant4(-1.0f));
    const v128_t is_nan = wasm_f32x4_ne(x, x);
    return wasm_v128_bitselect(x, wasm_v128_or(positive, negative), is_nan);
  }
};
struct Step {
  static v128_t of(v128_t x, v128_t alpha, v128_t) {
    const v128_t otherwise = wasm_v128_bitselect(x, alpha, wasm_f32x4_ne(x, x));
    return wasm_v128_bitselect(constant4(1.0f), otherwise, wasm_f32x4_gt(x, zero4()));
  }
};
/* NaN stays NaN. */
struct Clip {
  static v128_t of(v128_t x, v128_t alpha, v128_t beta) {
    return wasm_f32x4_pmax(wasm_f32x4_pmin(x, beta), alpha);
  }
};
struct Copy { static v128_t of(v128_t x, v128_t, v128_t) { return x; } };
struct FromInteger { static v128_t of(v128_t x, v128_t, v128_t) { return wasm_f32x4_convert_i32x4(x); } };

struct ErrorFunction { static v128_t of(v128_t x, v128_t, v128_t) { return erf4(x); } };
struct Softplus { static v128_t of(v128_t x, v128_t, v128_t) { return softplus4(x); } };
struct Elu { static v128_t of(v128_t x, v128_t alpha, v128_t) { return elu4(x, alpha); } };
struct Silu { static v128_t of(v128_t x, v128_t, v128_t) { return silu4(x); } };
struct Gelu { static v128_t of(v128_t x, v128_t, v128_t) { return gelu4(x); } };
struct GeluTanh { static v128_t of(v128_t x, v128_t, v128_t) { return gelu_tanh4(x); } };

template <class Op>
void run(const UnaryParams* p, int32_t from, int32_t to) {
  const v128_t alpha = wasm_f32x4_splat(p->alpha), beta = wasm_f32x4_splat(p->beta);
  const float* x = p->x;
  float* y = p->y;
  int32_t i = from;
  /* Two vectors at a time: the longer functions are bound by latency. */
  RECVAE_NO_UNROLL
  for (; i + 8 <= to; i += 8) {
    const v128_t first = Op::of(load(x + i), alpha, beta), second = Op::of(load(x + i + 4), alpha, beta);
    store(y + i, first);
    store(y + i + 4, second);
  }
  RECVAE_NO_UNROLL
  for (; i < to; ++i) y[i] = wasm_f32x4_extract_lane(Op::of(splat(x + i), alpha, beta), 0);
}

void fill(const UnaryParams* p, int32_t from, int32_t to) {
  const v128_t alpha = wasm_f32x4_splat(p->alpha);
  int32_t i = from;
  for (; i + 4 <= to; i += 4) store(p->y + i, alpha);
  for (; i < to; ++i) p->y[i] = p->alpha;
}

}  // namespace

RECVAE_EXPORT(f32_unary__slices)
int32_t f32_unary__slices(const UnaryParams* p) { return ceil_div(p->count, kSliceFloats); }

RECVAE_EXPORT(f32_unary)
void f32_unary(const UnaryParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t from = begin * kSliceFloats;
  const int32_t to = smaller(end * kSliceFloats, p->count);
  switch (p->op) {
    case 0: return run<Negate>(p, from, to);
    case 1: return run<Absolute>(p, from, to);
    case 2: return run<Square>(p, from, to);
    case 3: return run<SquareRoot>(p, from, to);
    case 4: return run<ReciprocalRoot>(p, from, to);
    case 5: return run<Reciprocal>(p, from, to);
    case 6: return run<Exponential>(p, from, to);
    case 7: return run<Logarithm>(p, from, to);
    case 8: return run<Tanh>(p, from, to);
    case 9: return run<Sigmoid>(p, from, to);
    case 10: return run<Relu>(p, from, to);
    case 11: return run<LeakyRelu>(p, from, to);
    case 12: return run<Sign>(p, from, to);
    case 13: return run<Step>(p, from, to);
    case 14: return run<Clip>(p, from, to);
    case 15: return run<Copy>(p, from, to);
    case 16: return run<FromInteger>(p, from, to);
    case 17: return fill(p, from, to);
    case 18: return run<ErrorFunction>(p, from, to);
    case 19: return run<Softplus>(p, from, to);
    case 20: return run<Elu>(p, from, to);
    case 21: return run<Silu>(p, from, to);
    case 22: return run<Gelu>(p, from, to);
    case 23: return run<GeluTanh>(p, from, to);
  }
}

}  // namespace recvae
