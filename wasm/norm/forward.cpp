/*
 * Normalisation forward. Statistics: every slice finds its own mean and Σ(x − mean)² in two passes over cached
 * rows, sums of up to 4096/length folded rows in float32 and of those in float64; slices are combined in order
 * (Chan, Golub, LeVeque 1979). One pass over memory, the accuracy of two. Apply: 8 bytes of traffic per value.
 */
#include "norm.h"

namespace recvae {
namespace {

/* Adds to sums[0 … length) the column sums of x over `rows` folded rows. */
void add_columns(const float* x, int32_t rows, int32_t length, double* sums) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 16) {
      const float* from = x + start * length + strip;
      v128_t s0 = zero4(), s1 = zero4(), s2 = zero4(), s3 = zero4();
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, from += length) {
        s0 = wasm_f32x4_add(s0, load(from)), s1 = wasm_f32x4_add(s1, load(from + 4));
        s2 = wasm_f32x4_add(s2, load(from + 8)), s3 = wasm_f32x4_add(s3, load(from + 12));
      }
      add_lanes(sums + strip, s0), add_lanes(sums + strip + 4, s1);
      add_lanes(sums + strip + 8, s2), add_lanes(sums + strip + 12, s3);
    }
  }
}

/* Adds column sums of x − centre to sums[0 … length) and of their squares to sums[length … 2·length). */
void add_deviations(const float* x, int32_t rows, int32_t length, const float* centre, double* sums) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 8) {
      const float* from = x + start * length + strip;
      const v128_t c0 = load(centre + strip), c1 = load(centre + strip + 4);
      v128_t s0 = zero4(), s1 = zero4(), q0 = zero4(), q1 = zero4();
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, from += length) {
        const v128_t d0 = wasm_f32x4_sub(load(from), c0), d1 = wasm_f32x4_sub(load(from + 4), c1);
        s0 = wasm_f32x4_add(s0, d0), s1 = wasm_f32x4_add(s1, d1);
        q0 = fma(d0, d0, q0), q1 = fma(d1, d1, q1);
      }
      add_lanes(sums + strip, s0), add_lanes(sums + strip + 4, s1);
      add_lanes(sums + length + strip, q0), add_lanes(sums + length + strip + 4, q1);
    }
  }
}

/* Sum of the columns of a folded row that belong to channel c. */
RECVAE_INLINE double channel_sum(const double* columns, int32_t c, Fold fold, int32_t channels) {
  double sum = 0.0;
  for (int32_t i = c; i < fold.length; i += channels) sum += columns[i];
  return sum;
}

/*
 * Partial result of one slice: C means, then C sums of squares about them. A first pass finds means roughly (float32
 * sums), a second takes deviations from them: mean = centre + Σd/n, squares = Σd² − (Σd)²/n, whatever the centre.
 */
void slice_statistics(const NormParams* p, Slice slice, double* partial, char* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  double* columns = (double*)scratch;
  float* centre = (float*)(columns + 2 * fold.length);
  const float* x = p->x + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const int32_t rest_rows = slice.rows - folded * fold.factor;
  const float* rest = x + folded * fold.length;

  for (int32_t i = 0; i < fold.length; ++i) columns[i] = 0.0;
  add_columns(x, folded, fold.length, columns);
  for (int32_t c = 0; c < channels; ++c) {
    double sum = channel_sum(columns, c, fold, channels);
    for (int32_t r = 0; r < rest_rows; ++r) sum += rest[r * channels + c];
    centre[c] = (float)(sum / slice.rows);
  }
  for (int32_t i = channels; i < fold.length; ++i) centre[i] = centre[i - channels];

  for (int32_t i = 0; i < 2 * fold.length; ++i) columns[i] = 0.0;
  add_deviations(x, folded, fold.length, centre, columns);
  for (int32_t c = 0; c < channels; ++c) {
    double sum = channel_sum(columns, c, fold, channels);
    double squares = channel_sum(columns + fold.length, c, fold, channels);
    for (int32_t r = 0; r < rest_rows; ++r) {
      const double d = (double)rest[r * channels + c] - (double)centre[c];
      sum += d;
      squares += d * d;
    }
    partial[c] = centre[c] + sum / slice.rows;
    partial[channels + c] = squares - sum * sum / slice.rows;
  }
}

template <bool STEEP>
void apply_rows(const float* x, float* y, int32_t rows, int32_t length, Patterns t, v128_t slope) {
  const int32_t step = rows_per_block(length);
  for (int32_t start = 0; start < rows; start += step) {
    const int32_t count = smaller(step, rows - start);
    for (int32_t strip = 0; strip < length; strip += 8) {
      const float* from = x + start * length + strip;
      float* to = y + start * length + strip;
      const v128_t a0 = load(t.scale + strip), b0 = load(t.beta + strip), m0 = load(t.mean + strip);
      const v128_t a1 = load(t.scale + strip + 4), b1 = load(t.beta + strip + 4), m1 = load(t.mean + strip + 4);
      RECVAE_NO_UNROLL
      for (int32_t r = 0; r < count; ++r, from += length, to += length) {
        store(to, leaky4<STEEP>(normalised4(load(from), a0, b0, m0), slope));
        store(to + 4, leaky4<STEEP>(normalised4(load(from + 4), a1, b1, m1), slope));
      }
    }
  }
}

template <bool STEEP>
void apply_slice(const NormParams* p, Slice slice, float* scratch) {
  const int32_t channels = p->channels;
  const Fold fold = fold_of(channels);
  const Patterns t = patterns_at(scratch, fold.length);
  fill_patterns(p, slice.group, t, fold.length);
  const float* x = p->x + slice.first_row * channels;
  float* y = p->y + slice.first_row * channels;
  const int32_t folded = slice.rows / fold.factor;
  const v128_t slope = wasm_f32x4_splat(p->slope);
  apply_rows<STEEP>(x, y, folded, fold.length, t, slope);
  /* The rows that do not fill a folded row, by the same arithmetic on one lane. */
  for (int32_t i = folded * fold.length; i < slice.rows * channels; ++i) {
    const int32_t c = i % channels;
    const v128_t v = normalised4(splat(x + i), splat(t.scale + c), splat(t.beta + c), splat(t.mean + c));
    y[i] = wasm_f32x4_extract_lane(leaky4<STEEP>(v, slope), 0);
  }
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
  return fold_of(p->channels).length * (int32_t)(2 * sizeof(double) + sizeof(float));
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

RECVAE_EXPORT(f32_norm_scale__slices)
int32_t f32_norm_scale__slices(const NormParams* p) { return 1; }

RECVAE_EXPORT(f32_norm_scale)
void f32_norm_scale(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t width = p->channels / p->channel_groups;
  for (int32_t s = 0; s < p->groups; ++s) {
    for (int32_t c = 0; c < p->channels; ++c) {
      const double variance = (double)p->variance[s * p->channel_groups + c / width] + (double)p->epsilon;
      p->scale[s * p->channels + c] = (float)((double)p->gamma[c] / __builtin_sqrt(variance));
    }
  }
}

RECVAE_EXPORT(f32_norm_apply__slices)
int32_t f32_norm_apply__slices(const NormParams* p) { return p->groups * slices_per_group(p); }

RECVAE_EXPORT(f32_norm_apply__scratch)
int32_t f32_norm_apply__scratch(const NormParams* p) { return fold_of(p->channels).length * 3 * 4; }

RECVAE_EXPORT(f32_norm_apply)
void f32_norm_apply(const NormParams* p, int32_t begin, int32_t end, char* scratch) {
  for (int32_t s = begin; s < end; ++s) {
    const Slice slice = slice_at(p, s);
    float* floats = (float*)scratch;
    if (p->slope > 1.0f) apply_slice<true>(p, slice, floats);
    else apply_slice<false>(p, slice, floats);
  }
}

}  // namespace recvae
