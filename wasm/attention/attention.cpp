/*
 * The part of an attention between its matrix products, row by row of the scores in one pass each way:
 *
 *   f32_attention           p = softmax(scale·s) over the visible keys, dropped out; s becomes p
 *   f32_attention_gradient  s becomes p dropped out, and the gradient in it becomes the gradient in s
 *
 * A key is visible where its mask is not 0 and, in a causal attention, where it does not lie behind the query. Maximum
 * and sum of every row are kept, which is all the way back needs beside the scores made anew. A row with
 * no visible key is 0. Sums run in float64. A slice is a run of whole rows of about 16384 scores.
 */
#include "../elementwise/functions.h"
#include "../philox.h"

namespace recvae {

struct AttentionParams {
  float* scores;      /*  0  [batch, heads, rows, keys] */
  float* gradient;    /*  4  the same, backward only */
  const float* mask;  /*  8  [batch, keys] or 0 */
  float* statistics;  /* 12  [batch, heads, queries, 2] maximum and sum */
  int32_t batch;      /* 16 */
  int32_t heads;      /* 20 */
  int32_t rows;       /* 24  of this block */
  int32_t keys;       /* 28 */
  int32_t queries;    /* 32  rows of the whole */
  int32_t first_row;  /* 36 */
  int32_t causal;     /* 40  the last query sees every key, each before it one fewer */
  float scale;        /* 44 */
  int32_t threshold;  /* 48  drops draws below this/2²⁴; 0 drops nothing */
  float keep;         /* 52  factor of what is kept */
  uint32_t key0;      /* 56  identity of the stream */
  uint32_t key1;      /* 60 */
  uint32_t counter2;  /* 64 */
  uint32_t counter3;  /* 68 */
  int32_t first_batch; /* 72  of this block, for the number of a draw */
}; /* 76 bytes */

static_assert(sizeof(AttentionParams) == 76, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;

RECVAE_INLINE int32_t rows_per_slice(const AttentionParams* p) { return larger(1, kSliceFloats / larger(1, p->keys)); }

RECVAE_INLINE int32_t slice_count(const AttentionParams* p) {
  return p->keys == 0 ? 0 : ceil_div(p->batch * p->heads * p->rows, rows_per_slice(p));
}

/* What belongs to one row of scores. */
struct Row {
  float* scores;
  const float* mask;
  float* statistics;
  int32_t visible; /* keys before the causal border */
  uint64_t draw;
};

RECVAE_INLINE Row row_of(const AttentionParams* p, int32_t index) {
  const int32_t matrix = index / p->rows, query = p->first_row + index % p->rows;
  const int32_t batch = matrix / p->heads;
  Row row;
  row.scores = p->scores + index * p->keys;
  row.mask = p->mask ? p->mask + batch * p->keys : 0;
  row.statistics = p->statistics + 2 * (matrix * p->queries + query);
  const int32_t border = larger(0, query + 1 + p->keys - p->queries);
  row.visible = p->causal ? smaller(p->keys, border) : p->keys;
  const uint64_t whole = (uint64_t)p->first_batch * p->heads + matrix;
  row.draw = (whole * p->queries + query) * (uint64_t)p->keys;
  return row;
}

/* Keep factors of a row, or 0 where nothing is dropped. */
RECVAE_INLINE const float* factors_of(const AttentionParams* p, const Row& row, float* scratch) {
  if (p->threshold == 0) return 0;
  keep_factors({{p->key0, p->key1, p->counter2, p->counter3}}, row.draw, row.visible, p->threshold, p->keep, scratch);
  return scratch;
}

RECVAE_INLINE v128_t load_up_to(const float* from, int32_t count, float otherwise) {
  if (count >= 4) return load(from);
  float lanes[4] = {otherwise, otherwise, otherwise, otherwise};
  for (int32_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
RECVAE_INLINE void store_up_to(float* to, v128_t v, int32_t count) {
  if (count >= 4) return store(to, v);
  float lanes[4];
  store(lanes, v);
  for (int32_t i = 0; i < count; ++i) to[i] = lanes[i];
}

/* Four scaled scores from key j on, −∞ where a key is hidden. */
RECVAE_INLINE v128_t visible_scores(const Row& row, int32_t j, v128_t scale) {
  const v128_t hidden = constant4(-__builtin_inff());
  const int32_t count = row.visible - j;
  v128_t x = wasm_f32x4_mul(load_up_to(row.scores + j, count, 0.0f), scale);
  if (count < 4) {
    const v128_t inside = wasm_i32x4_lt(wasm_i32x4_make(0, 1, 2, 3), wasm_i32x4_splat(count));
    x = wasm_v128_bitselect(x, hidden, inside);
  }
  if (!row.mask) return x;
  return wasm_v128_bitselect(x, hidden, wasm_f32x4_ne(load_up_to(row.mask + j, count, 0.0f), zero4()));
}

RECVAE_INLINE v128_t add_halves(v128_t sums, v128_t v) {
  const v128_t high = wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 2, 3));
  return wasm_f64x2_add(sums, wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(v), high));
}
RECVAE_INLINE double total(v128_t sums) { return wasm_f64x2_extract_lane(sums, 0) + wasm_f64x2_extract_lane(sums, 1); }

/* NaN wins. */
RECVAE_INLINE float largest(const Row& row, v128_t scale) {
  v128_t most = constant4(-__builtin_inff());
  RECVAE_NO_UNROLL
  for (int32_t j = 0; j < row.visible; j += 4) most = wasm_f32x4_max(most, visible_scores(row, j, scale));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(most, 0);
}

void attend(const AttentionParams* p, const Row& row, float* scratch) {
  const v128_t scale = wasm_f32x4_splat(p->scale);
  const float most = largest(row, scale);
  const bool empty = most == -__builtin_inff();
  row.statistics[0] = most;
  row.statistics[1] = 0.0f;
  if (empty) return zero_floats(row.scores, p->keys);
  const v128_t top = wasm_f32x4_splat(most);
  v128_t sums = wasm_f64x2_const_splat(0.0);
  RECVAE_NO_UNROLL
  for (int32_t j = 0; j < row.visible; j += 4) {
    const v128_t e = exp4(wasm_f32x4_sub(visible_scores(row, j, scale), top));
    sums = add_halves(sums, e);
    store_up_to(row.scores + j, e, row.visible - j);
  }
  const float sum = (float)total(sums);
  row.statistics[1] = sum;
  const v128_t whole = wasm_f32x4_splat(sum);
  const float* factors = factors_of(p, row, scratch);
  RECVAE_NO_UNROLL
  for (int32_t j = 0; j < row.visible; j += 4) {
    const int32_t count = row.visible - j;
    v128_t v = wasm_f32x4_div(load_up_to(row.scores + j, count, 0.0f), whole);
    if (factors) v = wasm_f32x4_mul(v, load_up_to(factors + j, count, 0.0f));
    store_up_to(row.scores + j, v, count);
  }
  zero_floats(row.scores + row.visible, p->keys - row.visible);
}

/* With p the softmax, k the keep factors and g the gradient in p·k: ds = scale·p·(g·k − Σ g·k·p). */
void attend_back(const AttentionParams* p, const Row& row, float* gradient, float* scratch) {
  const v128_t scale = wasm_f32x4_splat(p->scale);
  if (row.statistics[0] == -__builtin_inff()) {
    zero_floats(row.scores, p->keys);
    return zero_floats(gradient, p->keys);
  }
  const v128_t top = wasm_f32x4_splat(row.statistics[0]), whole = wasm_f32x4_splat(row.statistics[1]);
  const float* factors = factors_of(p, row, scratch);
  v128_t sums = wasm_f64x2_const_splat(0.0);
  RECVAE_NO_UNROLL
  for (int32_t j = 0; j < row.visible; j += 4) {
    const int32_t count = row.visible - j;
    const v128_t share = wasm_f32x4_div(exp4(wasm_f32x4_sub(visible_scores(row, j, scale), top)), whole);
    v128_t g = load_up_to(gradient + j, count, 0.0f);
    if (factors) g = wasm_f32x4_mul(g, load_up_to(factors + j, count, 0.0f));
    sums = add_halves(sums, wasm_f32x4_mul(g, share));
    store_up_to(gradient + j, g, count);
    store_up_to(row.scores + j, share, count);
  }
  const v128_t mean = wasm_f32x4_splat((float)total(sums));
  RECVAE_NO_UNROLL
  for (int32_t j = 0; j < row.visible; j += 4) {
    const int32_t count = row.visible - j;
    const v128_t share = load_up_to(row.scores + j, count, 0.0f);
    const v128_t g = wasm_f32x4_sub(load_up_to(gradient + j, count, 0.0f), mean);
    store_up_to(gradient + j, wasm_f32x4_mul(wasm_f32x4_mul(share, g), scale), count);
    if (factors) store_up_to(row.scores + j, wasm_f32x4_mul(share, load_up_to(factors + j, count, 0.0f)), count);
  }
  zero_floats(row.scores + row.visible, p->keys - row.visible);
  zero_floats(gradient + row.visible, p->keys - row.visible);
}

RECVAE_INLINE int32_t scratch_bytes(const AttentionParams* p) { return p->threshold ? p->keys * 4 : 0; }

}  // namespace

RECVAE_EXPORT(f32_attention__slices)
int32_t f32_attention__slices(const AttentionParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_attention__scratch)
int32_t f32_attention__scratch(const AttentionParams* p) { return scratch_bytes(p); }

RECVAE_EXPORT(f32_attention)
void f32_attention(const AttentionParams* p, int32_t begin, int32_t end, float* scratch) {
  const int32_t last = smaller(end * rows_per_slice(p), p->batch * p->heads * p->rows);
  for (int32_t i = begin * rows_per_slice(p); i < last; ++i) attend(p, row_of(p, i), scratch);
}

RECVAE_EXPORT(f32_attention_gradient__slices)
int32_t f32_attention_gradient__slices(const AttentionParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_attention_gradient__scratch)
int32_t f32_attention_gradient__scratch(const AttentionParams* p) { return scratch_bytes(p); }

RECVAE_EXPORT(f32_attention_gradient)
void f32_attention_gradient(const AttentionParams* p, int32_t begin, int32_t end, float* scratch) {
  const int32_t last = smaller(end * rows_per_slice(p), p->batch * p->heads * p->rows);
  for (int32_t i = begin * rows_per_slice(p); i < last; ++i) {
    attend_back(p, row_of(p, i), p->gradient + i * p->keys, scratch);
  }
}

}  // namespace recvae
