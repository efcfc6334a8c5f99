/*
 * Log-softmax over the last axis, y = x − max − ln Σ e^(x − max), and the gradients of softmax and log-softmax from
 * their results: dx = y·(dy − Σ dy·y), and dx = dy − e^y·Σ dy. Sums in float64. A slice is a run of whole rows of about
 * 16384 values.
 */
#include "functions.h"

namespace recvae {

struct LogSoftmaxParams {
  const float* x;  /*  0  [rows, columns] */
  float* y;        /*  4 */
  int32_t rows;    /*  8 */
  int32_t columns; /* 12 */
}; /* 16 bytes */

static_assert(sizeof(LogSoftmaxParams) == 16, "the host mirrors this layout");

struct SoftmaxGradientParams {
  const float* dy;     /*  0  [rows, columns] */
  const float* y;      /*  4 */
  float* dx;           /*  8 */
  int32_t rows;        /* 12 */
  int32_t columns;     /* 16 */
  int32_t logarithmic; /* 20  1 = y is a log-softmax */
}; /* 24 bytes */

static_assert(sizeof(SoftmaxGradientParams) == 24, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

RECVAE_INLINE int32_t rows_per_slice(int32_t columns) { return larger(1, kSliceFloats / larger(1, columns)); }

/* NaN wins. */
RECVAE_INLINE float largest(const float* x, int32_t count) {
  v128_t most = splat(x);
  int32_t i = 0;
  for (; i + 4 <= count; i += 4) most = wasm_f32x4_max(most, load(x + i));
  for (; i < count; ++i) most = wasm_f32x4_max(most, splat(x + i));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(most, 0);
}

/* A sum of float32 vectors in float64. */
struct WideSum {
  v128_t low = wasm_f64x2_const_splat(0.0), high = wasm_f64x2_const_splat(0.0);
  void add(v128_t v) {
    low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(v));
    high = wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 2, 3)));
  }
  double total() const {
    const v128_t both = wasm_f64x2_add(low, high);
    return wasm_f64x2_extract_lane(both, 0) + wasm_f64x2_extract_lane(both, 1);
  }
};

void log_softmax_row(const float* x, float* y, int32_t count) {
  const v128_t most = wasm_f32x4_splat(largest(x, count));
  WideSum wide;
  double sum = 0.0;
  int32_t i = 0;
  /* Two vectors at a time: exp4 is bound by latency. */
  RECVAE_NO_UNROLL
  for (; i + 8 <= count; i += 8) {
    const v128_t e = exp4(wasm_f32x4_sub(load(x + i), most)), f = exp4(wasm_f32x4_sub(load(x + i + 4), most));
    wide.add(e);
    wide.add(f);
  }
  for (; i + 4 <= count; i += 4) wide.add(exp4(wasm_f32x4_sub(load(x + i), most)));
  for (; i < count; ++i) sum += wasm_f32x4_extract_lane(exp4(wasm_f32x4_sub(splat(x + i), most)), 0);
  const float total = (float)(sum + wide.total());
  const v128_t logarithm = log4(wasm_f32x4_splat(total));
  for (i = 0; i + 4 <= count; i += 4) {
    store(y + i, wasm_f32x4_sub(wasm_f32x4_sub(load(x + i), most), logarithm));
  }
  for (; i < count; ++i) {
    y[i] = wasm_f32x4_extract_lane(wasm_f32x4_sub(wasm_f32x4_sub(splat(x + i), most), logarithm), 0);
  }
}

template <bool LOG>
void gradient_row(const float* dy, const float* y, float* dx, int32_t count) {
  WideSum wide;
  double sum = 0.0;
  int32_t i = 0;
  for (; i + 4 <= count; i += 4) wide.add(LOG ? load(dy + i) : wasm_f32x4_mul(load(dy + i), load(y + i)));
  for (; i < count; ++i) sum += LOG ? dy[i] : dy[i] * y[i];
  const float total = (float)(sum + wide.total());
  const v128_t all = wasm_f32x4_splat(total);
  for (i = 0; i + 4 <= count; i += 4) {
    const v128_t g = load(dy + i), p = load(y + i);
    store(dx + i, LOG ? fnma(exp4(p), all, g) : wasm_f32x4_mul(p, wasm_f32x4_sub(g, all)));
  }
  for (; i < count; ++i) {
    const v128_t g = splat(dy + i), p = splat(y + i);
    dx[i] = wasm_f32x4_extract_lane(LOG ? fnma(exp4(p), all, g) : wasm_f32x4_mul(p, wasm_f32x4_sub(g, all)), 0);
  }
}

}  // namespace

RECVAE_EXPORT(f32_log_softmax__slices)
int32_t f32_log_softmax__slices(const LogSoftmaxParams* p) {
  return p->columns == 0 ? 0 : ceil_div(p->rows, rows_per_slice(p->columns));
}

RECVAE_EXPORT(f32_log_softmax)
void f32_log_softmax(const LogSoftmaxParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t step = rows_per_slice(p->columns);
  const int32_t last = smaller(end * step, p->rows);
  for (int32_t row = begin * step; row < last; ++row) {
    log_softmax_row(p->x + row * p->columns, p->y + row * p->columns, p->columns);
  }
}

RECVAE_EXPORT(f32_softmax_gradient__slices)
int32_t f32_softmax_gradient__slices(const SoftmaxGradientParams* p) {
  return p->columns == 0 ? 0 : ceil_div(p->rows, rows_per_slice(p->columns));
}

RECVAE_EXPORT(f32_softmax_gradient)
void f32_softmax_gradient(const SoftmaxGradientParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t step = rows_per_slice(p->columns);
  const int32_t last = smaller(end * step, p->rows);
  for (int32_t row = begin * step; row < last; ++row) {
    const int32_t at = row * p->columns;
    if (p->logarithmic) gradient_row<true>(p->dy + at, p->y + at, p->dx + at, p->columns);
    else gradient_row<false>(p->dy + at, p->y + at, p->dx + at, p->columns);
  }
}

}  // namespace recvae
