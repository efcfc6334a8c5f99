/*
 * One update of all tensors of a model, with the roundings of the same rules composed of single operations (every product
 * and sum rounded, nothing fused; src/training/sgd.ts, adam.ts). A slice is 16384 values of the tensors laid end to end.
 */
#include "table.h"

namespace recvae {

/* One tensor; `start` counts the values of those before it. */
struct UpdateRow {
  const float* from;
  float* to; /* may be `from` */
  const float* gradient;
  float* first; /* momentum, or mean of gradients */
  float* second;
  int32_t start;
};

struct UpdateParams {
  const UpdateRow* table; /*  0 */
  int32_t tensors;        /*  4 */
  int32_t total;          /*  8  values of all */
  int32_t rule;           /* 12  0 scale, 1 sgd, 2 momentum, 3 nesterov, 4 adam */
  int32_t decays;         /* 16  adds decay·p to the gradient */
  int32_t shrinks;        /* 20  p ← p·shrink first */
  float rate;             /* 24  step size; factor of scale */
  float decay;            /* 28 */
  float shrink;           /* 32 */
  float keep1;            /* 36  momentum, or β₁ */
  float take1;            /* 40  1 − β₁ */
  float keep2;            /* 44 */
  float take2;            /* 48 */
  float correction;       /* 52  √(1 − β₂ᵏ) */
  float floor;            /* 56  ε */
}; /* 60 bytes */

static_assert(sizeof(UpdateParams) == 60 && sizeof(UpdateRow) == 24, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;
constexpr int32_t kRowWords = 6;
enum Rule { kScale, kSgd, kMomentum, kNesterov, kAdam };

RECVAE_INLINE v128_t times(v128_t a, float b) { return wasm_f32x4_mul(a, wasm_f32x4_splat(b)); }

/* New value of p; `first` and `second` are updated. */
template <int RULE>
RECVAE_INLINE v128_t updated(const UpdateParams* u, v128_t p, v128_t gradient, v128_t& first, v128_t& second) {
  if (RULE == kScale) return times(p, u->rate);
  if (RULE == kAdam && u->shrinks) p = times(p, u->shrink);
  v128_t g = u->decays ? wasm_f32x4_add(gradient, times(p, u->decay)) : gradient;
  if (RULE == kAdam) {
    first = wasm_f32x4_add(times(first, u->keep1), times(g, u->take1));
    second = wasm_f32x4_add(times(second, u->keep2), times(wasm_f32x4_mul(g, g), u->take2));
    const v128_t corrected = wasm_f32x4_div(wasm_f32x4_sqrt(second), wasm_f32x4_splat(u->correction));
    const v128_t scale = wasm_f32x4_add(corrected, wasm_f32x4_splat(u->floor));
    return wasm_f32x4_sub(p, times(wasm_f32x4_div(first, scale), u->rate));
  }
  if (RULE != kSgd) first = wasm_f32x4_add(times(first, u->keep1), g);
  if (RULE == kMomentum) g = first;
  if (RULE == kNesterov) g = wasm_f32x4_add(g, times(first, u->keep1));
  return wasm_f32x4_sub(p, times(g, u->rate));
}

/* Values i … end of one tensor. */
template <int RULE>
void update_values(const UpdateParams* u, const UpdateRow& row, int32_t i, int32_t end) {
  constexpr bool kGradient = RULE != kScale, kFirst = RULE >= kMomentum, kSecond = RULE == kAdam;
  RECVAE_NO_UNROLL
  for (; i + 4 <= end; i += 4) {
    v128_t first = kFirst ? load(row.first + i) : zero4(), second = kSecond ? load(row.second + i) : zero4();
    const v128_t gradient = kGradient ? load(row.gradient + i) : zero4();
    store(row.to + i, updated<RULE>(u, load(row.from + i), gradient, first, second));
    if (kFirst) store(row.first + i, first);
    if (kSecond) store(row.second + i, second);
  }
  RECVAE_NO_UNROLL
  for (; i < end; ++i) {
    v128_t first = kFirst ? splat(row.first + i) : zero4(), second = kSecond ? splat(row.second + i) : zero4();
    const v128_t gradient = kGradient ? splat(row.gradient + i) : zero4();
    const v128_t value = updated<RULE>(u, splat(row.from + i), gradient, first, second);
    row.to[i] = wasm_f32x4_extract_lane(value, 0);
    if (kFirst) row.first[i] = wasm_f32x4_extract_lane(first, 0);
    if (kSecond) row.second[i] = wasm_f32x4_extract_lane(second, 0);
  }
}

template <int RULE>
void update_range(const UpdateParams* u, int32_t from, int32_t to) {
  int32_t index = row_at((const int32_t*)u->table, u->tensors, kRowWords, kRowWords - 1, from);
  for (; index < u->tensors; ++index) {
    const UpdateRow& row = u->table[index];
    if (row.start >= to) return;
    const int32_t end = index + 1 < u->tensors ? u->table[index + 1].start : u->total;
    update_values<RULE>(u, row, larger(from, row.start) - row.start, smaller(to, end) - row.start);
  }
}

}  // namespace

RECVAE_EXPORT(f32_update__slices)
int32_t f32_update__slices(const UpdateParams* u) { return ceil_div(u->total, kSliceFloats); }

RECVAE_EXPORT(f32_update)
void f32_update(const UpdateParams* u, int32_t begin, int32_t end, char* scratch) {
  const int32_t from = begin * kSliceFloats, to = smaller(end * kSliceFloats, u->total);
  switch (u->rule) {
    case kScale: return update_range<kScale>(u, from, to);
    case kSgd: return update_range<kSgd>(u, from, to);
    case kMomentum: return update_range<kMomentum>(u, from, to);
    case kNesterov: return update_range<kNesterov>(u, from, to);
    case kAdam: return update_range<kAdam>(u, from, to);
  }
}

}  // namespace recvae
