/*
 * Layer normalisation: the case M = 1, K = 1, no activation, of norm.h, where every group is one row of C values with
 * statistics of its own. Forward: mean and Σ(x − mean)² in two passes over a cached row, then y. Gradient: one pass over
 * memory; d_gamma and d_beta are summed per slice in float64 and over slices in order. A slice is a run of whole rows of about
 * 16384 values.
 *
 *   f32_layer_norm            x, gamma, beta                 → y, mean, variance [S]
 *   f32_layer_norm_gradient   x, dy, gamma, mean, variance   → y = dx, d_gamma, d_beta [C]
 */
#include "norm.h"

namespace recvae {
namespace {

constexpr int32_t kLayerFloats = 16384;

RECVAE_INLINE int32_t layer_rows(const NormParams* p) { return larger(1, kLayerFloats / larger(1, p->channels)); }
RECVAE_INLINE int32_t layer_slices(const NormParams* p) { return ceil_div(p->groups, layer_rows(p)); }

/* Values that are summed in float32 before the sum moves on to float64. */
constexpr int32_t kRun = 256;

RECVAE_INLINE double lanes4(v128_t v) {
  return ((double)wasm_f32x4_extract_lane(v, 0) + (double)wasm_f32x4_extract_lane(v, 1)) +
         ((double)wasm_f32x4_extract_lane(v, 2) + (double)wasm_f32x4_extract_lane(v, 3));
}

double sum_row(const float* x, int32_t count) {
  double sum = 0.0;
  int32_t i = 0;
  while (i + 8 <= count) {
    const int32_t end = smaller(count, i + kRun);
    v128_t s0 = zero4(), s1 = zero4();
    RECVAE_NO_UNROLL
    for (; i + 8 <= end; i += 8) s0 = wasm_f32x4_add(s0, load(x + i)), s1 = wasm_f32x4_add(s1, load(x + i + 4));
    sum += lanes4(wasm_f32x4_add(s0, s1));
  }
  for (; i < count; ++i) sum += x[i];
  return sum;
}

/* Σ(x − centre) and Σ(x − centre)². */
void deviations_row(const float* x, int32_t count, float centre, double* sum, double* squares) {
  const v128_t c = wasm_f32x4_splat(centre);
  int32_t i = 0;
  while (i + 8 <= count) {
    const int32_t end = smaller(count, i + kRun);
    v128_t s0 = zero4(), s1 = zero4(), q0 = zero4(), q1 = zero4();
    RECVAE_NO_UNROLL
    for (; i + 8 <= end; i += 8) {
      const v128_t d0 = wasm_f32x4_sub(load(x + i), c), d1 = wasm_f32x4_sub(load(x + i + 4), c);
      s0 = wasm_f32x4_add(s0, d0), s1 = wasm_f32x4_add(s1, d1);
      q0 = fma(d0, d0, q0), q1 = fma(d1, d1, q1);
    }
    *sum += lanes4(wasm_f32x4_add(s0, s1));
    *squares += lanes4(wasm_f32x4_add(q0, q1));
  }
  for (; i < count; ++i) {
    const double d = (double)x[i] - (double)centre;
    *sum += d;
    *squares += d * d;
  }
}

void forward_row(const NormParams* p, int32_t row) {
  const int32_t count = p->channels;
  const float* x = p->x + row * count;
  float* y = p->y + row * count;
  const float centre = (float)(sum_row(x, count) / count);
  double sum = 0.0, squares = 0.0;
  deviations_row(x, count, centre, &sum, &squares);
  p->mean[row] = (float)(centre + sum / count);
  p->variance[row] = (float)((squares - sum * sum / count) / count);
  const float scale = (float)(1.0 / __builtin_sqrt((double)p->variance[row] + (double)p->epsilon));
  const v128_t m = wasm_f32x4_splat(p->mean[row]), r = wasm_f32x4_splat(scale);
  int32_t i = 0;
  RECVAE_NO_UNROLL
  for (; i + 4 <= count; i += 4) {
    const v128_t normal = wasm_f32x4_mul(wasm_f32x4_sub(load(x + i), m), r);
    store(y + i, fma(normal, load(p->gamma + i), load(p->beta + i)));
  }
  for (; i < count; ++i) {
    const v128_t normal = wasm_f32x4_mul(wasm_f32x4_sub(splat(x + i), m), r);
    y[i] = wasm_f32x4_extract_lane(fma(normal, splat(p->gamma + i), splat(p->beta + i)), 0);
  }
}

/*
 * dx = r·(γ·g − mean(γ·g) − x̂·mean(γ·g·x̂)). `columns` collects g·x̂ and g of up to kRun rows in float32: [2, C].
 */
void gradient_row(const NormParams* p, int32_t row, float* columns) {
  const int32_t count = p->channels;
  const float* x = p->x + row * count;
  const float* dy = p->dy + row * count;
  float* dx = p->y + row * count;
  const float scale = (float)(1.0 / __builtin_sqrt((double)p->variance[row] + (double)p->epsilon));
  const v128_t m = wasm_f32x4_splat(p->mean[row]), r = wasm_f32x4_splat(scale);
  double sum_g = 0.0, sum_gx = 0.0;
  int32_t i = 0;
  while (i + 4 <= count) {
    const int32_t end = smaller(count, i + kRun);
    v128_t sg = zero4(), sgx = zero4();
    RECVAE_NO_UNROLL
    for (; i + 4 <= end; i += 4) {
      const v128_t normal = wasm_f32x4_mul(wasm_f32x4_sub(load(x + i), m), r);
      const v128_t g = load(dy + i), gx = wasm_f32x4_mul(g, normal), gamma = load(p->gamma + i);
      sg = fma(g, gamma, sg), sgx = fma(gx, gamma, sgx);
      store(columns + i, wasm_f32x4_add(load(columns + i), gx));
      store(columns + count + i, wasm_f32x4_add(load(columns + count + i), g));
    }
    sum_g += lanes4(sg);
    sum_gx += lanes4(sgx);
  }
  for (; i < count; ++i) {
    const float normal = (x[i] - p->mean[row]) * scale;
    sum_g += dy[i] * p->gamma[i];
    sum_gx += dy[i] * normal * p->gamma[i];
    columns[i] += dy[i] * normal;
    columns[count + i] += dy[i];
  }
  const v128_t mean_g = wasm_f32x4_splat((float)(sum_g / count)), mean_gx = wasm_f32x4_splat((float)(sum_gx / count));
  i = 0;
  RECVAE_NO_UNROLL
  for (; i + 4 <= count; i += 4) {
    const v128_t normal = wasm_f32x4_mul(wasm_f32x4_sub(load(x + i), m), r);
    const v128_t own = wasm_f32x4_sub(wasm_f32x4_mul(load(dy + i), load(p->gamma + i)), mean_g);
    store(dx + i, wasm_f32x4_mul(fnma(normal, mean_gx, own), r));
  }
  for (; i < count; ++i) {
    const v128_t normal = wasm_f32x4_mul(wasm_f32x4_sub(splat(x + i), m), r);
    const v128_t own = wasm_f32x4_sub(wasm_f32x4_mul(splat(dy + i), splat(p->gamma + i)), mean_g);
    dx[i] = wasm_f32x4_extract_lane(wasm_f32x4_mul(fnma(normal, mean_gx, own), r), 0);
  }
}

void flush_columns(float* columns, double* partial, int32_t count) {
  for (int32_t i = 0; i < count; ++i) partial[i] += columns[i];
  zero_floats(columns, count);
}

}  // namespace

RECVAE_EXPORT(f32_layer_norm__slices)
int32_t f32_layer_norm__slices(const NormParams* p) { return layer_slices(p); }

RECVAE_EXPORT(f32_layer_norm)
void f32_layer_norm(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t last = smaller(end * layer_rows(p), p->groups);
  for (int32_t row = begin * layer_rows(p); row < last; ++row) forward_row(p, row);
}

RECVAE_EXPORT(f32_layer_norm_gradient__slices)
int32_t f32_layer_norm_gradient__slices(const NormParams* p) { return layer_slices(p); }

RECVAE_EXPORT(f32_layer_norm_gradient__workspace)
int32_t f32_layer_norm_gradient__workspace(const NormParams* p) {
  return layer_slices(p) * p->channels * 2 * (int32_t)sizeof(double);
}

RECVAE_EXPORT(f32_layer_norm_gradient__scratch)
int32_t f32_layer_norm_gradient__scratch(const NormParams* p) { return p->channels * 2 * (int32_t)sizeof(float); }

RECVAE_EXPORT(f32_layer_norm_gradient)
void f32_layer_norm_gradient(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t width = 2 * p->channels;
  float* columns = (float*)scratch;
  for (int32_t s = begin; s < end; ++s) {
    double* partial = p->workspace + s * width;
    for (int32_t i = 0; i < width; ++i) partial[i] = 0.0;
    zero_floats(columns, width);
    const int32_t first = s * layer_rows(p), last = smaller(first + layer_rows(p), p->groups);
    for (int32_t row = first; row < last; ++row) {
      gradient_row(p, row, columns);
      if ((row - first) % kRun == kRun - 1) flush_columns(columns, partial, width);
    }
    flush_columns(columns, partial, width);
  }
}

RECVAE_EXPORT(f32_layer_norm_gradient_finish__slices)
int32_t f32_layer_norm_gradient_finish__slices(const NormParams* p) { return 1; }

RECVAE_EXPORT(f32_layer_norm_gradient_finish)
void f32_layer_norm_gradient_finish(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t channels = p->channels, slices = layer_slices(p);
  for (int32_t c = 0; c < channels; ++c) {
    double d_gamma = 0.0, d_beta = 0.0;
    for (int32_t s = 0; s < slices; ++s) {
      d_gamma += p->workspace[2 * s * channels + c];
      d_beta += p->workspace[(2 * s + 1) * channels + c];
    }
    p->d_gamma[c] = (float)d_gamma;
    p->d_beta[c] = (float)d_beta;
  }
}

}  // namespace recvae
