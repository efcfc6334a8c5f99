/*
 * Σ x² of every tensor of a model in one call, to the bit what squaring and then summing gives (elementwise/reduce.cpp): squares
 * rounded to float32, sums in float64 over blocks of 32768 values, added in order by _finish.
 */
#include "table.h"

namespace recvae {

/* One tensor; `start` counts the blocks of those before it. */
struct NormRow {
  const float* x;
  int32_t count;
  int32_t start;
};

struct NormsParams {
  const NormRow* table; /*  0 */
  float* sums;          /*  4  [tensors] */
  double* workspace;    /*  8  [blocks] */
  int32_t tensors;      /* 12 */
  int32_t blocks;       /* 16 */
}; /* 20 bytes */

static_assert(sizeof(NormsParams) == 20 && sizeof(NormRow) == 12, "the host mirrors this layout");

namespace {

constexpr int32_t kBlock = 32768;
constexpr int32_t kSliceTensors = 1024;

RECVAE_INLINE v128_t low_half(v128_t v) { return wasm_f64x2_promote_low_f32x4(v); }
RECVAE_INLINE v128_t high_half(v128_t v) {
  return wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 2, 3));
}

double sum_squares(const float* x, int32_t count) {
  v128_t s0 = wasm_f64x2_const_splat(0.0), s1 = s0, s2 = s0, s3 = s0;
  int32_t i = 0;
  RECVAE_NO_UNROLL
  for (; i + 8 <= count; i += 8) {
    v128_t a = load(x + i), b = load(x + i + 4);
    a = wasm_f32x4_mul(a, a);
    b = wasm_f32x4_mul(b, b);
    s0 = wasm_f64x2_add(s0, low_half(a)), s1 = wasm_f64x2_add(s1, high_half(a));
    s2 = wasm_f64x2_add(s2, low_half(b)), s3 = wasm_f64x2_add(s3, high_half(b));
  }
  const v128_t all = wasm_f64x2_add(wasm_f64x2_add(s0, s1), wasm_f64x2_add(s2, s3));
  double result = wasm_f64x2_extract_lane(all, 0) + wasm_f64x2_extract_lane(all, 1);
  for (; i < count; ++i) {
    const float square = x[i] * x[i];
    result += square;
  }
  return result;
}

RECVAE_INLINE int32_t end_of(const NormsParams* p, int32_t index) {
  return index + 1 < p->tensors ? p->table[index + 1].start : p->blocks;
}

}  // namespace

RECVAE_EXPORT(f32_squared_norms__workspace)
int32_t f32_squared_norms__workspace(const NormsParams* p) { return p->blocks * (int32_t)sizeof(double); }

RECVAE_EXPORT(f32_squared_norms__slices)
int32_t f32_squared_norms__slices(const NormsParams* p) { return p->blocks; }

RECVAE_EXPORT(f32_squared_norms)
void f32_squared_norms(const NormsParams* p, int32_t begin, int32_t end, char* scratch) {
  int32_t index = row_at((const int32_t*)p->table, p->tensors, 3, 2, begin);
  for (int32_t block = begin; block < end; ++block) {
    while (block >= end_of(p, index)) ++index;
    const NormRow& row = p->table[index];
    const int32_t first = (block - row.start) * kBlock;
    p->workspace[block] = sum_squares(row.x + first, smaller(kBlock, row.count - first));
  }
}

RECVAE_EXPORT(f32_squared_norms_finish__slices)
int32_t f32_squared_norms_finish__slices(const NormsParams* p) { return ceil_div(p->tensors, kSliceTensors); }

RECVAE_EXPORT(f32_squared_norms_finish)
void f32_squared_norms_finish(const NormsParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t last = smaller(end * kSliceTensors, p->tensors);
  for (int32_t i = begin * kSliceTensors; i < last; ++i) {
    double sum = 0.0;
    for (int32_t block = p->table[i].start; block < end_of(p, i); ++block) sum += p->workspace[block];
    p->sums[i] = (float)sum;
  }
}

}  // namespace recvae
