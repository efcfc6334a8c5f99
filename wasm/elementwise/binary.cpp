/*
 * Elementwise functions of two arguments with broadcasting over rows and columns: for r < outer, c < inner
 *
 *   y[r·inner + c] = a[r·a_outer + c·a_inner] ∘ b[r·b_outer + c·b_inner]
 *
 * which covers equal shapes, scalars, trailing vectors and leading columns. A slice is 16384 results; vector and
 * leftover results come from the same instructions. Bound by memory: 12 bytes of traffic per result.
 */
#include "../kernel.h"

namespace recvae {

struct BinaryParams {
  const float* a;  /*  0 */
  const float* b;  /*  4 */
  float* y;        /*  8 */
  int32_t outer;   /* 12 */
  int32_t inner;   /* 16 */
  int32_t a_outer; /* 20 */
  int32_t a_inner; /* 24  0 or 1 */
  int32_t b_outer; /* 28 */
  int32_t b_inner; /* 32  0 or 1 */
  int32_t op;      /* 36  see below */
}; /* 40 bytes */

static_assert(sizeof(BinaryParams) == 40, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

/* Operations in the order of BINARY_OPERATIONS in src/backends/wasm/kernels/elementwise.ts. */
struct Add { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_add(a, b); } };
struct Subtract { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_sub(a, b); } };
struct Multiply { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_mul(a, b); } };
struct Divide { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_div(a, b); } };
struct Maximum { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_max(a, b); } };
struct Minimum { static v128_t of(v128_t a, v128_t b) { return wasm_f32x4_min(a, b); } };
struct SquaredDifference {
  static v128_t of(v128_t a, v128_t b) {
    const v128_t d = wasm_f32x4_sub(a, b);
    return wasm_f32x4_mul(d, d);
  }
};

/* One row segment; A and B are 1 for arrays and 0 for a single value. */
template <class Op, int A, int B>
RECVAE_INLINE void segment(const float* a, const float* b, float* y, int32_t count) {
  const v128_t fixed_a = splat(a), fixed_b = splat(b);
  int32_t i = 0;
  RECVAE_NO_UNROLL
  for (; i + 8 <= count; i += 8) {
    const v128_t first = Op::of(A ? load(a + i) : fixed_a, B ? load(b + i) : fixed_b);
    const v128_t second = Op::of(A ? load(a + i + 4) : fixed_a, B ? load(b + i + 4) : fixed_b);
    store(y + i, first);
    store(y + i + 4, second);
  }
  RECVAE_NO_UNROLL
  for (; i < count; ++i) {
    y[i] = wasm_f32x4_extract_lane(Op::of(splat(a + A * i), splat(b + B * i)), 0);
  }
}

template <class Op>
void run(const BinaryParams* p, int32_t from, int32_t to) {
  const int32_t inner = p->inner;
  for (int32_t i = from; i < to;) {
    const int32_t row = i / inner;
    const int32_t column = i - row * inner;
    const int32_t count = smaller(inner - column, to - i);
    const float* a = p->a + row * p->a_outer + column * p->a_inner;
    const float* b = p->b + row * p->b_outer + column * p->b_inner;
    float* y = p->y + i;
    if (p->a_inner && p->b_inner) segment<Op, 1, 1>(a, b, y, count);
    else if (p->a_inner) segment<Op, 1, 0>(a, b, y, count);
    else segment<Op, 0, 1>(a, b, y, count);
    i += count;
  }
}

}  // namespace

RECVAE_EXPORT(f32_binary__slices)
int32_t f32_binary__slices(const BinaryParams* p) { return ceil_div(p->outer * p->inner, kSliceFloats); }

RECVAE_EXPORT(f32_binary)
void f32_binary(const BinaryParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t from = begin * kSliceFloats;
  const int32_t to = smaller(end * kSliceFloats, p->outer * p->inner);
  switch (p->op) {
    case 0: return run<Add>(p, from, to);
    case 1: return run<Subtract>(p, from, to);
    case 2: return run<Multiply>(p, from, to);
    case 3: return run<Divide>(p, from, to);
    case 4: return run<Maximum>(p, from, to);
    case 5: return run<Minimum>(p, from, to);
    case 6: return run<SquaredDifference>(p, from, to);
  }
}

}  // namespace recvae
