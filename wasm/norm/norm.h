/*
 * Parameters of normalisation with LeakyReLU behind it, forward and backward, and the partition they share.
 *
 * x is [S, M, C]: S sample groups (the frames of a batch) of M rows (samples times voxels) of C channels.
 * Statistics are taken per block (s, k): M rows and the C/K channels of channel group k.
 *
 *   f32_norm_statistics      x                                        → mean, variance [S, K]
 *   f32_norm_scale           variance, gamma                          → scale [S, C] = gamma·r
 *   f32_norm_apply           x, mean, scale, beta                     → y = leaky(v)
 *   f32_norm_gradient_sums   x, dy, mean, variance, scale, beta       → d_gamma, d_beta [C]; b, d [S, C]
 *   f32_norm_gradient_apply  x, dy, mean, scale, beta, b, d           → dx = scale·g + b·(x − mean) + d
 *
 * with r = 1/√(variance + epsilon), v = scale·(x − mean) + beta and g = dy·leaky′(v). Subtracting the mean first keeps
 * the digits that scale·x + (beta − scale·mean) loses where |mean| is large against √variance. Forward and
 * backward take the side of leaky from the same v, bit for bit.
 */
#pragma once

#include "../kernel.h"

namespace recvae {

struct NormParams {
  const float* x;         /*  0 */
  const float* dy;        /*  4 */
  float* y;               /*  8  y, or dx */
  const float* gamma;     /* 12  [C] */
  const float* beta;      /* 16  [C] */
  float* mean;            /* 20  [S, K] */
  float* variance;        /* 24  [S, K] biased */
  float* scale;           /* 28  [S, C] */
  float* d_gamma;         /* 32  [C] */
  float* d_beta;          /* 36  [C] */
  float* b;               /* 40  [S, C] */
  float* d;               /* 44  [S, C] */
  double* workspace;      /* 48  partial sums */
  int32_t groups;         /* 52  S */
  int32_t rows;           /* 56  M */
  int32_t channels;       /* 60  C */
  int32_t channel_groups; /* 64  K, divides C */
  int32_t fixed;          /* 68  1 = mean and variance are constants: no b and d */
  float epsilon;          /* 72 */
  float slope;            /* 76  of leaky; 1 = none */
}; /* 80 bytes */

static_assert(sizeof(NormParams) == 80, "the host mirrors this layout");

/*
 * Rows are read `factor` at a time as one folded row of `length` = factor·C floats, the smallest multiple of 16:
 * so one set of loops over strips of four vectors serves every C, with lane i of a folded row belonging to
 * channel i mod C.
 */
struct Fold {
  int32_t factor;
  int32_t length;
};

RECVAE_INLINE Fold fold_of(int32_t channels) {
  int32_t factor = 16;
  for (int32_t c = channels; factor > 1 && (c & 1) == 0; c >>= 1) factor >>= 1;
  return {factor, channels * factor};
}

/* Floats of one slice (128 KiB: stays in the second-level cache between the passes over it). */
constexpr int32_t kSliceFloats = 32768;

RECVAE_INLINE int32_t rows_per_slice(const NormParams* p) {
  const Fold fold = fold_of(p->channels);
  return larger(1, kSliceFloats / fold.length) * fold.factor;
}

RECVAE_INLINE int32_t slices_per_group(const NormParams* p) { return ceil_div(p->rows, rows_per_slice(p)); }

/* One slice: a run of rows within one sample group. */
struct Slice {
  int32_t group;
  int32_t first_row; /* within x */
  int32_t rows;
};

RECVAE_INLINE Slice slice_at(const NormParams* p, int32_t slice) {
  const int32_t per_group = slices_per_group(p);
  const int32_t group = slice / per_group;
  const int32_t start = (slice % per_group) * rows_per_slice(p);
  return {group, group * p->rows + start, smaller(rows_per_slice(p), p->rows - start)};
}

/* Per-channel values of one sample group, repeated over a folded row. */
struct Patterns {
  float* scale;
  float* beta;
  float* mean;
  float* b;
  float* d;
};

RECVAE_INLINE Patterns patterns_at(float* at, int32_t length) {
  return {at, at + length, at + 2 * length, at + 3 * length, at + 4 * length};
}

/* v, see above. */
RECVAE_INLINE v128_t normalised4(v128_t x, v128_t scale, v128_t beta, v128_t mean) {
  return fma(wasm_f32x4_sub(x, mean), scale, beta);
}

/* Repeats the C values of `from` until `length` floats are written. */
RECVAE_INLINE void repeat_channels(float* to, const float* from, int32_t channels, int32_t length) {
  for (int32_t i = 0; i < length; i += channels) {
    for (int32_t c = 0; c < channels; ++c) to[i + c] = from[c];
  }
}

/* Fills scale, beta and mean. */
RECVAE_INLINE void fill_patterns(const NormParams* p, int32_t group, Patterns t, int32_t length) {
  const int32_t channels = p->channels;
  const int32_t width = channels / p->channel_groups;
  repeat_channels(t.scale, p->scale + group * channels, channels, length);
  repeat_channels(t.beta, p->beta, channels, length);
  for (int32_t i = 0; i < length; ++i) {
    t.mean[i] = p->mean[group * p->channel_groups + (i % channels) / width];
  }
}

/* Folded rows that are summed in float32 before the sum moves on to float64. */
RECVAE_INLINE int32_t rows_per_block(int32_t length) { return larger(1, 4096 / length); }

RECVAE_INLINE void add_lanes(double* to, v128_t v) {
  to[0] += wasm_f32x4_extract_lane(v, 0);
  to[1] += wasm_f32x4_extract_lane(v, 1);
  to[2] += wasm_f32x4_extract_lane(v, 2);
  to[3] += wasm_f32x4_extract_lane(v, 3);
}

/* leaky(v) for four values: v > 0 ? v : slope·v, as one maximum (slope ≤ 1) or minimum. NaN stays NaN. */
template <bool STEEP>
RECVAE_INLINE v128_t leaky4(v128_t v, v128_t slope) {
  const v128_t scaled = wasm_f32x4_mul(v, slope);
  return STEEP ? wasm_f32x4_pmin(scaled, v) : wasm_f32x4_pmax(scaled, v);
}

}  // namespace recvae
