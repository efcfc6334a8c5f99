/*
 * Reconstruction error behind a tanh, with its derivative, in one pass [recurrent-vae §4, loss1]: with r = tanh a
 *
 *   sums[s]  = Σ w·(t − r)²                      over the samples of group s, accumulated in float64
 *   d        = derivative_scale·(−2)·w·(t − r)·(1 − r²)
 *
 * About 30 instructions per 4 values, two thirds of them tanh; 12 bytes of traffic per value.
 */
#include "functions.h"

namespace recvae {

struct TanhErrorParams {
  const float* a;         /*  0  [S, M·V] */
  const float* target;    /*  4  [S, M·V] */
  const float* weight;    /*  8  [V] or 0 */
  float* derivative;      /* 12  [S, M·V] */
  float* sums;            /* 16  [S] */
  double* workspace;      /* 20  partial sums */
  int32_t groups;         /* 24  S */
  int32_t group_values;   /* 28  M·V */
  int32_t sample_values;  /* 32  V */
  float derivative_scale; /* 36 */
}; /* 40 bytes */

static_assert(sizeof(TanhErrorParams) == 40, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 8192;

RECVAE_INLINE int32_t slices_per_group(const TanhErrorParams* p) {
  return ceil_div(p->group_values, kSliceFloats);
}

struct Element {
  v128_t error;      /* w·(t − r)² */
  v128_t derivative;
};

RECVAE_INLINE Element element(v128_t a, v128_t target, v128_t weight, v128_t factor) {
  const v128_t r = tanh4(a);
  const v128_t difference = wasm_f32x4_sub(target, r);
  const v128_t weighted = wasm_f32x4_mul(difference, weight);
  const v128_t one = constant4(1.0f);
  /* 1 − r² as (1 − r)(1 + r): no cancellation where r is near ±1. */
  const v128_t slope = wasm_f32x4_mul(wasm_f32x4_sub(one, r), wasm_f32x4_add(one, r));
  return {wasm_f32x4_mul(weighted, difference), wasm_f32x4_mul(wasm_f32x4_mul(weighted, slope), factor)};
}

/* Values from … from + count of the group; WEIGHTED reads weights, which repeat every sample. */
template <bool WEIGHTED>
double run(const TanhErrorParams* p, int32_t start, int32_t from, int32_t count) {
  const v128_t factor = wasm_f32x4_splat(-2.0f * p->derivative_scale);
  v128_t low = wasm_f64x2_const_splat(0.0), high = low;
  double sum = 0.0;
  for (int32_t i = 0; i < count;) {
    const int32_t voxel = (from + i) % p->sample_values;
    const int32_t run = smaller(count - i, p->sample_values - voxel);
    const float* a = p->a + start + from + i;
    const float* t = p->target + start + from + i;
    const float* w = WEIGHTED ? p->weight + voxel : nullptr;
    float* d = p->derivative + start + from + i;
    int32_t j = 0;
    RECVAE_NO_UNROLL
    for (; j + 16 <= run; j += 16) {
      Element e[4];
      RECVAE_UNROLL
      for (int q = 0; q < 4; ++q) {
        const int32_t at = j + 4 * q;
        e[q] = element(load(a + at), load(t + at), WEIGHTED ? load(w + at) : constant4(1.0f), factor);
      }
      RECVAE_UNROLL
      for (int q = 0; q < 4; ++q) store(d + j + 4 * q, e[q].derivative);
      const v128_t sum = wasm_f32x4_add(wasm_f32x4_add(e[0].error, e[1].error),
                                        wasm_f32x4_add(e[2].error, e[3].error));
      low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(sum));
      high = wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(sum, sum, 2, 3, 2, 3)));
    }
    RECVAE_NO_UNROLL
    for (; j < run; ++j) {
      const Element e = element(splat(a + j), splat(t + j), WEIGHTED ? splat(w + j) : constant4(1.0f), factor);
      sum += wasm_f32x4_extract_lane(e.error, 0);
      d[j] = wasm_f32x4_extract_lane(e.derivative, 0);
    }
    i += run;
  }
  const v128_t both = wasm_f64x2_add(low, high);
  return sum + wasm_f64x2_extract_lane(both, 0) + wasm_f64x2_extract_lane(both, 1);
}

}  // namespace

RECVAE_EXPORT(f32_tanh_error__slices)
int32_t f32_tanh_error__slices(const TanhErrorParams* p) { return p->groups * slices_per_group(p); }

RECVAE_EXPORT(f32_tanh_error__workspace)
int32_t f32_tanh_error__workspace(const TanhErrorParams* p) {
  return p->groups * slices_per_group(p) * (int32_t)sizeof(double);
}

RECVAE_EXPORT(f32_tanh_error)
void f32_tanh_error(const TanhErrorParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t per_group = slices_per_group(p);
  for (int32_t s = begin; s < end; ++s) {
    const int32_t group = s / per_group;
    const int32_t from = (s - group * per_group) * kSliceFloats;
    const int32_t count = smaller(kSliceFloats, p->group_values - from);
    const int32_t start = group * p->group_values;
    p->workspace[s] = p->weight ? run<true>(p, start, from, count) : run<false>(p, start, from, count);
  }
}

RECVAE_EXPORT(f32_tanh_error_finish__slices)
int32_t f32_tanh_error_finish__slices(const TanhErrorParams* p) { return 1; }

RECVAE_EXPORT(f32_tanh_error_finish)
void f32_tanh_error_finish(const TanhErrorParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t per_group = slices_per_group(p);
  for (int32_t group = 0; group < p->groups; ++group) {
    double sum = 0.0;
    for (int32_t s = 0; s < per_group; ++s) sum += p->workspace[group * per_group + s];
    p->sums[group] = (float)sum;
  }
}

}  // namespace recvae
