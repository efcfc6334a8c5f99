/*
 * Normalisation forward. Statistics: every slice finds its own mean and Σ(x − mean)² in two passes over cached
 * rows, sums of up to 4096/length folded rows in float32 and of those in float64; slices are combined in order
 * (Chan, Golub, LeVeque 1979). One pass over memory, the accuracy of two. Apply: 8 bytes of traffic per value.
 */
#include "norm.h"

namespace recvae {
namespace {

/* Adds to sums[0 … length) the column sums of x (SQUARES: of (x − mean)²) over `rows` folded rows. */
template <bool SQUARES>
void add_columns(const float* x, int32_t rows, int32_t length, const float* mean, double* sums) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 16) {
      const float* from = x + start * length + strip;
      const v128_t m0 = SQUARES ? load(mean + strip) : zero4();
      const v128_t m1 = SQUARES ? load(mean + strip + 4) : zero4();
      const v128_t m2 = SQUARES ? load(mean + strip + 8) : zero4();
      const v128_t m3 = SQUARES ? load(mean + strip + 12) : zero4();
      v128_t s0 = zero4(), s1 = zero4(), s2 = zero4(), s3 = zero4();
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, from += length) {
        v128_t a = load(from), b = load(from + 4), c = load(from + 8), d = load(from + 12);
        if (SQUARES) {
          a = wasm_f32x4_sub(a, m0), b = wasm_f32x4_sub(b, m1);
          c = wasm_f32x4_sub(c, m2), d = wasm_f32x4_sub(d, m3);
          s0 = fma(a, a, s0), s1 = fma(b, b, s1), s2 = fma(c, c, s2), s3 = fma(d, d, s3);
        } else {
          s0 = wasm_f32x4_add(s0, a), s1 = wasm_f32x4_add(s1, b);
          s2 = wasm_f32x4_add(s2, c), s3 = wasm_f32x4_add(s3, d);
        }
      }
      add_lanes(sums + strip, s0), add_lanes(sums + strip + 4, s1);
      add_lanes(sums + strip + 8, s2), add_lanes(sums + strip + 12, s3);
    }
  }
}

/* Folds column sums to channels: to[c] = Σ columns[c + i·C] + what the rows left over contribute. */
template <bool SQUARES>
void fold_columns(double* to, const double* columns, Fold fold, int32_t channels, const float* rest,
                  int32_t rest_rows, const float* mean) {
  for (int32_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    for (int32_t i = c; i < fold.length; i += channels) sum += columns[i];
    for (int32_t r = 0; r < rest_rows; ++r) {
      const double v = rest[r * channels + c];
      sum += SQUARES ? (v - mean[c]) * (v - mean[c]) : v;
    }
    to[c] = sum;
  }
}

/* Scratch of the statistics: column sums, then the slice's mean repeated over a folded row. */
struct StatisticsScratch {
  double* columns;
  float* mean;
};

RECVAE_INLINE StatisticsScratch statistics_scratch(char* scratch, int32_t length) {
  double* columns = (double*)scratch;
  return {columns, (float*)(columns + length)};
}

/* Partial result of one slice: C means, then C sums of squares about them. */
void slice_statistics(const NormParams* p, Slice slice, double* partial, char* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  const auto [columns, mean] = statistics_scratch(scratch, fold.length);
  const float* x = p->x + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const int32_t rest_rows = slice.rows - folded * fold.factor;
  const float* rest = x + folded * fold.length;

  for (int32_t i = 0; i < fold.length; ++i) columns[i] = 0.0;
  add_columns<false>(x, folded, fold.length, nullptr, columns);
  fold_columns<false>(partial, columns, fold, channels, rest, rest_rows, nullptr);
  for (int32_t c = 0; c < channels; ++c) {
    mean[c] = (float)(partial[c] / slice.rows);
    partial[c] = mean[c];
  }
  for (int32_t i = channels; i < fold.length; ++i) mean[i] = mean[i - channels];

  for (int32_t i = 0; i < fold.length; ++i) columns[i] = 0.0;
  add_columns<true>(x, folded, fold.length, mean, columns);
  fold_columns<true>(partial + channels, columns, fold, channels, rest, rest_rows, mean);
}

template <bool STEEP>
void apply_rows(const float* x, float* y, int32_t rows, int32_t length, const float* scale, const float* shift,
                v128_t slope) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 16) {
      const float* from = x + start * length + strip;
      float* to = y + start * length + strip;
      const v128_t a0 = load(scale + strip), b0 = load(shift + strip);
      const v128_t a1 = load(scale + strip + 4), b1 = load(shift + strip + 4);
      const v128_t a2 = load(scale + strip + 8), b2 = load(shift + strip + 8);
      const v128_t a3 = load(scale + strip + 12), b3 = load(shift + strip + 12);
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, from += length, to += length) {
        store(to, leaky4<STEEP>(fma(load(from), a0, b0), slope));
        store(to + 4, leaky4<STEEP>(fma(load(from + 4), a1, b1), slope));
        store(to + 8, leaky4<STEEP>(fma(load(from + 8), a2, b2), slope));
        store(to + 12, leaky4<STEEP>(fma(load(from + 12), a3, b3), slope));
      }
    }
  }
}

/* The rows that do not fill a folded row, by the same arithmetic on one lane. */
template <bool STEEP>
void apply_rest(const float* x, float* y, int32_t values, int32_t channels, const float* scale,
                const float* shift, v128_t slope) {
  for (int32_t i = 0; i < values; ++i) {
    const int32_t c = i % channels;
    const v128_t v = leaky4<STEEP>(fma(splat(x + i), splat(scale + c), splat(shift + c)), slope);
    y[i] = wasm_f32x4_extract_lane(v, 0);
  }
}

template <bool STEEP>
void apply_slice(const NormParams* p, Slice slice, float* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  float* scale = scratch;
  float* shift = scratch + fold.length;
  repeat_channels(scale, p->scale + slice.group * channels, channels, fold.length);
  repeat_channels(shift, p->shift + slice.group * channels, channels, fold.length);
  const float* x = p->x + slice.first_row * channels;
  float* y = p->y + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const int32_t done = folded * fold.length;
  const v128_t slope = wasm_f32x4_splat(p->slope);
  apply_rows<STEEP>(x, y, folded, fold.length, scale, shift, slope);
  apply_rest<STEEP>(x + done, y + done, slice.rows * channels - done, channels, scale, shift, slope);
}

}  // namespace

RECVAE_EXPORT(f32_norm_statistics__slices)
int32_t f32_norm_statistics__slices(const NormParams* p) { return p->groups * slices_per_group(p); }

RECVAE_EXPORT(f32_norm_statistics__workspace)
int32_t f32_norm_statistics__workspace(const NormParams* p) {
  return p->groups * slices_per_group(p) * p->channels * 2 * (int32_t)sizeof(double);
}

RECVAE_EXPORT(f32_norm_statistics__scratch)
int32_t f32_norm_statistics__scratch(const NormParams* p) {
  return fold_of(p->channels).length * (int32_t)(sizeof(double) + sizeof(float));
}

RECVAE_EXPORT(f32_norm_statistics)
void f32_norm_statistics(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  for (int32_t s = begin; s < end; ++s) {
    slice_statistics(p, slice_at(p, s), p->workspace + s * p->channels * 2, scratch);
  }
}

RECVAE_EXPORT(f32_norm_statistics_finish__slices)
int32_t f32_norm_statistics_finish__slices(const NormParams* p) { return 1; }

RECVAE_EXPORT(f32_norm_statistics_finish)
void f32_norm_statistics_finish(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t per_group = slices_per_group(p);
  const int32_t width = p->channels / p->channel_groups;
  for (int32_t block = 0; block < p->groups * p->channel_groups; ++block) {
    const int32_t group = block / p->channel_groups;
    const int32_t first_channel = (block % p->channel_groups) * width;
    double count = 0.0, mean = 0.0, squares = 0.0;
    for (int32_t s = 0; s < per_group; ++s) {
      const int32_t slice = group * per_group + s;
      const double rows = slice_at(p, slice).rows;
      const double* partial = p->workspace + slice * p->channels * 2;
      for (int32_t c = first_channel; c < first_channel + width; ++c) {
        const double delta = partial[c] - mean;
        const double total = count + rows;
        mean += delta * (rows / total);
        squares += partial[p->channels + c] + delta * delta * (count * rows / total);
        count = total;
      }
    }
    p->mean[block] = (float)mean;
    p->variance[block] = (float)(squares / count);
  }
}

RECVAE_EXPORT(f32_norm_coefficients__slices)
int32_t f32_norm_coefficients__slices(const NormParams* p) { return 1; }

RECVAE_EXPORT(f32_norm_coefficients)
void f32_norm_coefficients(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t width = p->channels / p->channel_groups;
  for (int32_t s = 0; s < p->groups; ++s) {
    for (int32_t c = 0; c < p->channels; ++c) {
      const int32_t block = s * p->channel_groups + c / width;
      const double variance = (double)p->variance[block] + (double)p->epsilon;
      const double scale = (double)p->gamma[c] / __builtin_sqrt(variance);
      p->scale[s * p->channels + c] = (float)scale;
      p->shift[s * p->channels + c] = (float)((double)p->beta[c] - (double)p->mean[block] * scale);
    }
  }
}

RECVAE_EXPORT(f32_norm_apply__slices)
int32_t f32_norm_apply__slices(const NormParams* p) { return p->groups * slices_per_group(p); }

RECVAE_EXPORT(f32_norm_apply__scratch)
int32_t f32_norm_apply__scratch(const NormParams* p) { return fold_of(p->channels).length * 2 * 4; }

RECVAE_EXPORT(f32_norm_apply)
void f32_norm_apply(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  for (int32_t s = begin; s < end; ++s) {
    if (p->slope > 1.0f) apply_slice<true>(p, slice_at(p, s), (float*)scratch);
    else apply_slice<false>(p, slice_at(p, s), (float*)scratch);
  }
}

}  // namespace recvae
