/*
 * Gradient of normalisation with LeakyReLU, [recurrent-vae §3.3]. Two passes over x and dy: sums of g and g·(x −
 * mean) per channel (8 bytes read per value), then dx (12 bytes). Sums of up to 4096/length folded rows in float32, of
 * those in float64; slices are combined in order.
 */
#include "norm.h"

namespace recvae {
namespace {

/* dy·leaky′(v) */
RECVAE_INLINE v128_t gated(v128_t v, v128_t dy, v128_t slope) {
  const v128_t positive = wasm_f32x4_gt(v, zero4());
  return wasm_v128_bitselect(dy, wasm_f32x4_mul(dy, slope), positive);
}

/* Sums of one pair of vectors of a folded row. */
struct Sums {
  v128_t g0, g1, gx0, gx1;
};

/* Adds to the column sums of g (first `length`) and of g·(x − mean) (next `length`). */
void add_columns(const float* x, const float* dy, int32_t rows, int32_t length, Patterns t, v128_t slope,
                 double* columns) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 8) {
      const float* px = x + start * length + strip;
      const float* pdy = dy + start * length + strip;
      const v128_t a0 = load(t.scale + strip), a1 = load(t.scale + strip + 4);
      const v128_t b0 = load(t.beta + strip), b1 = load(t.beta + strip + 4);
      const v128_t m0 = load(t.mean + strip), m1 = load(t.mean + strip + 4);
      Sums s = {zero4(), zero4(), zero4(), zero4()};
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, px += length, pdy += length) {
        const v128_t x0 = load(px), x1 = load(px + 4);
        const v128_t g0 = gated(normalised4(x0, a0, b0, m0), load(pdy), slope);
        const v128_t g1 = gated(normalised4(x1, a1, b1, m1), load(pdy + 4), slope);
        s.g0 = wasm_f32x4_add(s.g0, g0);
        s.g1 = wasm_f32x4_add(s.g1, g1);
        s.gx0 = fma(g0, wasm_f32x4_sub(x0, m0), s.gx0);
        s.gx1 = fma(g1, wasm_f32x4_sub(x1, m1), s.gx1);
      }
      add_lanes(columns + strip, s.g0), add_lanes(columns + strip + 4, s.g1);
      add_lanes(columns + length + strip, s.gx0), add_lanes(columns + length + strip + 4, s.gx1);
    }
  }
}

/* Partial result of one slice: C sums of g, then C sums of g·(x − mean). */
void slice_sums(const NormParams* p, Slice slice, double* partial, char* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  double* columns = (double*)scratch;
  const Patterns t = patterns_at((float*)(columns + 2 * fold.length), fold.length);
  fill_patterns(p, slice.group, t, fold.length);
  const float* x = p->x + slice.first_row * channels;
  const float* dy = p->dy + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const int32_t done = folded * fold.length;
  const v128_t slope = wasm_f32x4_splat(p->slope);
  for (int32_t i = 0; i < 2 * fold.length; ++i) columns[i] = 0.0;
  add_columns(x, dy, folded, fold.length, t, slope, columns);
  for (int32_t i = done; i < slice.rows * channels; ++i) {
    const int32_t c = i % channels;
    const v128_t v = normalised4(splat(x + i), splat(t.scale + c), splat(t.beta + c), splat(t.mean + c));
    const v128_t g = gated(v, splat(dy + i), slope);
    const double value = wasm_f32x4_extract_lane(g, 0);
    columns[c] += value;
    columns[fold.length + c] += value * ((double)x[i] - t.mean[c]);
  }
  for (int32_t c = 0; c < channels; ++c) {
    partial[c] = partial[channels + c] = 0.0;
    for (int32_t i = c; i < fold.length; i += channels) {
      partial[c] += columns[i];
      partial[channels + c] += columns[fold.length + i];
    }
  }
}

template <bool FIXED>
void apply_rows(const float* x, const float* dy, float* dx, int32_t rows, int32_t length, Patterns t,
                v128_t slope) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 8) {
      int32_t at = start * length + strip;
      const v128_t a0 = load(t.scale + strip), a1 = load(t.scale + strip + 4);
      const v128_t h0 = load(t.beta + strip), h1 = load(t.beta + strip + 4);
      const v128_t m0 = load(t.mean + strip), m1 = load(t.mean + strip + 4);
      const v128_t b0 = load(t.b + strip), b1 = load(t.b + strip + 4);
      const v128_t d0 = load(t.d + strip), d1 = load(t.d + strip + 4);
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, at += length) {
        const v128_t x0 = load(x + at), x1 = load(x + at + 4);
        const v128_t g0 = gated(normalised4(x0, a0, h0, m0), load(dy + at), slope);
        const v128_t g1 = gated(normalised4(x1, a1, h1, m1), load(dy + at + 4), slope);
        if (FIXED) {
          store(dx + at, wasm_f32x4_mul(g0, a0));
          store(dx + at + 4, wasm_f32x4_mul(g1, a1));
        } else {
          store(dx + at, fma(g0, a0, fma(wasm_f32x4_sub(x0, m0), b0, d0)));
          store(dx + at + 4, fma(g1, a1, fma(wasm_f32x4_sub(x1, m1), b1, d1)));
        }
      }
    }
  }
}

template <bool FIXED>
void apply_slice(const NormParams* p, Slice slice, float* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  const Patterns t = patterns_at(scratch, fold.length);
  fill_patterns(p, slice.group, t, fold.length);
  if (!FIXED) {
    repeat_channels(t.b, p->b + slice.group * channels, channels, fold.length);
    repeat_channels(t.d, p->d + slice.group * channels, channels, fold.length);
  }
  const float* x = p->x + slice.first_row * channels;
  const float* dy = p->dy + slice.first_row * channels;
  float* dx = p->y + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const v128_t slope = wasm_f32x4_splat(p->slope);
  apply_rows<FIXED>(x, dy, dx, folded, fold.length, t, slope);
  for (int32_t i = folded * fold.length; i < slice.rows * channels; ++i) {
    const int32_t c = i % channels;
    const v128_t a = splat(t.scale + c), m = splat(t.mean + c), v = splat(x + i);
    const v128_t g = gated(normalised4(v, a, splat(t.beta + c), m), splat(dy + i), slope);
    const v128_t result = FIXED ? wasm_f32x4_mul(g, a)
                                : fma(g, a, fma(wasm_f32x4_sub(v, m), splat(t.b + c), splat(t.d + c)));
    dx[i] = wasm_f32x4_extract_lane(result, 0);
  }
}

/* Sums the partial results of (group, channel) in slice order: Σg and Σg·(x − mean). */
RECVAE_INLINE void channel_sums(const NormParams* p, int32_t group, int32_t channel, double* g, double* gx) {
  const int32_t per_group = slices_per_group(p);
  *g = *gx = 0.0;
  for (int32_t s = 0; s < per_group; ++s) {
    const double* partial = p->workspace + (group * per_group + s) * p->channels * 2;
    *g += partial[channel];
    *gx += partial[p->channels + channel];
  }
}

/*
 * dx = r·(gamma·g − mean_k(gamma·g) − x̂·mean_k(gamma·g·x̂)), the means over block k of n values, is
 * scale·g + b·(x − mean) + d with b = −r³·Σ gamma·g·(x − mean)/n and d = −r·Σ gamma·g/n.
 */
void finish_group(const NormParams* p, int32_t group, double* d_gamma, double* d_beta) {
  const int32_t width = p->channels / p->channel_groups;
  const double n = (double)p->rows * width;
  for (int32_t k = 0; k < p->channel_groups; ++k) {
    const double variance = (double)p->variance[group * p->channel_groups + k] + (double)p->epsilon;
    const double r = 1.0 / __builtin_sqrt(variance);
    double sum_g = 0.0, sum_gx = 0.0;
    for (int32_t c = k * width; c < (k + 1) * width; ++c) {
      double g, gx;
      channel_sums(p, group, c, &g, &gx);
      sum_g += (double)p->gamma[c] * g;
      sum_gx += (double)p->gamma[c] * gx;
      d_beta[c] += g;
      d_gamma[c] += gx * r;
    }
    if (p->fixed) continue;
    for (int32_t c = k * width; c < (k + 1) * width; ++c) {
      p->b[group * p->channels + c] = (float)(-r * r * r * sum_gx / n);
      p->d[group * p->channels + c] = (float)(-r * sum_g / n);
    }
  }
}

}  // namespace

RECVAE_EXPORT(f32_norm_gradient_sums__slices)
int32_t f32_norm_gradient_sums__slices(const NormParams* p) { return p->groups * slices_per_group(p); }

/* Two sums per slice and channel, then two per channel for the finish. */
RECVAE_EXPORT(f32_norm_gradient_sums__workspace)
int32_t f32_norm_gradient_sums__workspace(const NormParams* p) {
  return (p->groups * slices_per_group(p) + 1) * p->channels * 2 * (int32_t)sizeof(double);
}

RECVAE_EXPORT(f32_norm_gradient_sums__scratch)
int32_t f32_norm_gradient_sums__scratch(const NormParams* p) {
  return fold_of(p->channels).length * (2 * (int32_t)sizeof(double) + 3 * (int32_t)sizeof(float));
}

RECVAE_EXPORT(f32_norm_gradient_sums)
void f32_norm_gradient_sums(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  for (int32_t s = begin; s < end; ++s) {
    slice_sums(p, slice_at(p, s), p->workspace + s * p->channels * 2, scratch);
  }
}

RECVAE_EXPORT(f32_norm_gradient_sums_finish__slices)
int32_t f32_norm_gradient_sums_finish__slices(const NormParams* p) { return 1; }

RECVAE_EXPORT(f32_norm_gradient_sums_finish)
void f32_norm_gradient_sums_finish(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t channels = p->channels;
  double* d_gamma = p->workspace + p->groups * slices_per_group(p) * channels * 2;
  double* d_beta = d_gamma + channels;
  for (int32_t c = 0; c < channels; ++c) d_gamma[c] = d_beta[c] = 0.0;
  for (int32_t group = 0; group < p->groups; ++group) finish_group(p, group, d_gamma, d_beta);
  for (int32_t c = 0; c < channels; ++c) {
    p->d_gamma[c] = (float)d_gamma[c];
    p->d_beta[c] = (float)d_beta[c];
  }
}

RECVAE_EXPORT(f32_norm_gradient_apply__slices)
int32_t f32_norm_gradient_apply__slices(const NormParams* p) { return p->groups * slices_per_group(p); }

RECVAE_EXPORT(f32_norm_gradient_apply__scratch)
int32_t f32_norm_gradient_apply__scratch(const NormParams* p) { return fold_of(p->channels).length * 5 * 4; }

RECVAE_EXPORT(f32_norm_gradient_apply)
void f32_norm_gradient_apply(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  for (int32_t s = begin; s < end; ++s) {
    if (p->fixed) apply_slice<true>(p, slice_at(p, s), (float*)scratch);
    else apply_slice<false>(p, slice_at(p, s), (float*)scratch);
  }
}

}  // namespace recvae
