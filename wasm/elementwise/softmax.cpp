/*
 * Softmax over the last axis: y = e^(x − max)/Σ e^(x − max) row by row, sums in float64. A slice is a run of whole
 * rows of about 16384 values; a row is read three times while it is cached.
 */
#include "functions.h"

namespace recvae {

struct SoftmaxParams {
  const float* x;  /*  0  [rows, columns] */
  float* y;        /*  4 */
  int32_t rows;    /*  8 */
  int32_t columns; /* 12 */
}; /* 16 bytes */

static_assert(sizeof(SoftmaxParams) == 16, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

RECVAE_INLINE int32_t rows_per_slice(const SoftmaxParams* p) {
  return larger(1, kSliceFloats / larger(1, p->columns));
}

/* NaN wins, as in Math.max. */
RECVAE_INLINE float largest(const float* x, int32_t count) {
  v128_t most = splat(x);
  int32_t i = 0;
  for (; i + 4 <= count; i += 4) most = wasm_f32x4_max(most, load(x + i));
  for (; i < count; ++i) most = wasm_f32x4_max(most, splat(x + i));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(most, 0);
}

RECVAE_INLINE v128_t upper(v128_t v) { return wasm_i32x4_shuffle(v, v, 2, 3, 2, 3); }

void softmax_row(const float* x, float* y, int32_t count) {
  const v128_t most = wasm_f32x4_splat(largest(x, count));
  v128_t low = wasm_f64x2_const_splat(0.0), high = low;
  double sum = 0.0;
  int32_t i = 0;
  /* Two vectors at a time: exp4 is bound by latency. */
  RECVAE_NO_UNROLL
  for (; i + 8 <= count; i += 8) {
    const v128_t e = exp4(wasm_f32x4_sub(load(x + i), most)), f = exp4(wasm_f32x4_sub(load(x + i + 4), most));
    store(y + i, e);
    store(y + i + 4, f);
    low = wasm_f64x2_add(wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(e)), wasm_f64x2_promote_low_f32x4(f));
    high = wasm_f64x2_add(wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(upper(e))),
                          wasm_f64x2_promote_low_f32x4(upper(f)));
  }
  for (; i + 4 <= count; i += 4) {
    const v128_t e = exp4(wasm_f32x4_sub(load(x + i), most));
    store(y + i, e);
    low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(e));
    high = wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(upper(e)));
  }
  for (; i < count; ++i) {
    y[i] = wasm_f32x4_extract_lane(exp4(wasm_f32x4_sub(splat(x + i), most)), 0);
    sum += y[i];
  }
  const v128_t both = wasm_f64x2_add(low, high);
  sum += wasm_f64x2_extract_lane(both, 0) + wasm_f64x2_extract_lane(both, 1);
  const float total = (float)sum;
  for (i = 0; i + 4 <= count; i += 4) store(y + i, wasm_f32x4_div(load(y + i), wasm_f32x4_splat(total)));
  for (; i < count; ++i) y[i] /= total;
}

}  // namespace

RECVAE_EXPORT(f32_softmax__slices)
int32_t f32_softmax__slices(const SoftmaxParams* p) {
  return p->columns == 0 ? 0 : ceil_div(p->rows, rows_per_slice(p));
}

RECVAE_EXPORT(f32_softmax)
void f32_softmax(const SoftmaxParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t last = smaller(end * rows_per_slice(p), p->rows);
  for (int32_t row = begin * rows_per_slice(p); row < last; ++row) {
    softmax_row(p->x + row * p->columns, p->y + row * p->columns, p->columns);
  }
}

}  // namespace recvae
