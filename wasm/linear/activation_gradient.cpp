/*
 * The way back through a matrix product's activation and bias in one pass: dz = dy·f'(z) from the values z before the
 * activation, and Σ over rows of dz for the bias. Sums run in float64 over blocks of rows and are added in order by
 * _finish: the bits depend on the sizes alone.
 */
#include "../elementwise/slopes.h"
#include "activations.h"

namespace recvae {

struct LinearGradientParams {
  const float* dy;            /*  0  [rows, columns] */
  const float* preactivation; /*  4  z, or 0 where the activation is linear */
  float* dz;                  /*  8  or 0 */
  float* sums;                /* 12  [columns], or 0 */
  double* workspace;          /* 16  [blocks, columns] */
  int32_t rows;               /* 20 */
  int32_t columns;            /* 24 */
  int32_t activation;         /* 28  see activations.h */
  float slope;                /* 32 */
}; /* 36 bytes */

static_assert(sizeof(LinearGradientParams) == 36, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;
constexpr int32_t kLeastRows = 16;

RECVAE_INLINE int32_t slice_rows(const LinearGradientParams* p) {
  return larger(kLeastRows, kSliceFloats / larger(1, p->columns));
}

RECVAE_INLINE int32_t block_count(const LinearGradientParams* p) {
  return p->columns == 0 ? 0 : ceil_div(p->rows, slice_rows(p));
}

RECVAE_INLINE v128_t differentiate(v128_t dy, v128_t x, int32_t kind, v128_t slope) {
  switch (kind) {
    case kRelu: return wasm_v128_and(dy, wasm_f32x4_gt(x, zero4()));
    case kLeakyRelu: return wasm_v128_bitselect(dy, wasm_f32x4_mul(dy, slope), wasm_f32x4_gt(x, zero4()));
    case kTanh: return wasm_f32x4_mul(dy, tanh_slope(x));
    case kSigmoid: return wasm_f32x4_mul(dy, sigmoid_slope(x));
    case kSilu: return wasm_f32x4_mul(dy, silu_slope(x));
    case kGelu: return wasm_f32x4_mul(dy, gelu_slope(x));
    case kGeluTanh: return wasm_f32x4_mul(dy, gelu_tanh_slope(x));
    case kSoftplus: return wasm_f32x4_mul(dy, sigmoid4(x));
    default: return dy;
  }
}

RECVAE_INLINE void add_wide(double* sums, v128_t v) {
  const v128_t high = wasm_i32x4_shuffle(v, v, 2, 3, 2, 3);
  wasm_v128_store(sums, wasm_f64x2_add(wasm_v128_load(sums), wasm_f64x2_promote_low_f32x4(v)));
  wasm_v128_store(sums + 2, wasm_f64x2_add(wasm_v128_load(sums + 2), wasm_f64x2_promote_low_f32x4(high)));
}

/* One row; `sums` may be 0. */
void differentiate_row(const LinearGradientParams* p, int32_t row, double* sums) {
  const v128_t slope = wasm_f32x4_splat(p->slope);
  const float* dy = p->dy + row * p->columns;
  const float* z = p->preactivation ? p->preactivation + row * p->columns : dy;
  float* dz = p->dz ? p->dz + row * p->columns : 0;
  int32_t n = 0;
  RECVAE_NO_UNROLL
  for (; n + 4 <= p->columns; n += 4) {
    const v128_t v = differentiate(load(dy + n), load(z + n), p->activation, slope);
    if (dz) store(dz + n, v);
    if (sums) add_wide(sums + n, v);
  }
  for (; n < p->columns; ++n) {
    const v128_t v = differentiate(splat(dy + n), splat(z + n), p->activation, slope);
    const float value = wasm_f32x4_extract_lane(v, 0);
    if (dz) dz[n] = value;
    if (sums) sums[n] += value;
  }
}

}  // namespace

RECVAE_EXPORT(f32_linear_activation_gradient__workspace)
int32_t f32_linear_activation_gradient__workspace(const LinearGradientParams* p) {
  return p->sums ? block_count(p) * p->columns * (int32_t)sizeof(double) : 0;
}

RECVAE_EXPORT(f32_linear_activation_gradient__slices)
int32_t f32_linear_activation_gradient__slices(const LinearGradientParams* p) { return block_count(p); }

RECVAE_EXPORT(f32_linear_activation_gradient)
void f32_linear_activation_gradient(const LinearGradientParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t rows = slice_rows(p);
  for (int32_t s = begin; s < end; ++s) {
    double* sums = p->sums ? p->workspace + s * p->columns : 0;
    if (sums) zero_floats((float*)sums, 2 * p->columns);
    const int32_t last = smaller((s + 1) * rows, p->rows);
    for (int32_t row = s * rows; row < last; ++row) differentiate_row(p, row, sums);
  }
}

RECVAE_EXPORT(f32_linear_activation_gradient_finish__slices)
int32_t f32_linear_activation_gradient_finish__slices(const LinearGradientParams* p) {
  return p->sums ? ceil_div(p->columns, kSliceFloats) : 0;
}

RECVAE_EXPORT(f32_linear_activation_gradient_finish)
void f32_linear_activation_gradient_finish(const LinearGradientParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t blocks = block_count(p), last = smaller(end * kSliceFloats, p->columns);
  for (int32_t n = begin * kSliceFloats; n < last; ++n) {
    double sum = 0.0;
    for (int32_t block = 0; block < blocks; ++block) sum += p->workspace[block * p->columns + n];
    p->sums[n] = (float)sum;
  }
}

}  // namespace recvae
