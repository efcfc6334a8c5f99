/*
 * Sparse linear maps along three axes (src/backends/tap_contract.ts): place (a, b, c) of the result is the weighted sum, or
 * the largest, of the places of the source that the taps of the three axes name. Padding by reflection, unfolding,
 * up-sampling, pooling and the gradients of all of them.
 *
 * A line is all places of the last axis for one sample and one place of the first two; long lines are cut into
 * pieces. Taps are added in order, so a slice's bits depend on the parameters alone. Single taps of weight 1 are copied,
 * neighbouring ones that are contiguous on both sides in one go.
 */
#include "../kernel.h"

namespace recvae {

struct TapParams {
  const float* x;           /*  0  source; dy for the gradient of the largest */
  float* y;                 /*  4  result */
  float* winner;            /*  8  written with the largest, read by its gradient */
  const int32_t* first[3];  /* 12  [places + 1] */
  const int32_t* from[3];   /* 24  [taps] in values */
  const float* weight[3];   /* 36  [taps] */
  const int32_t* to[3];     /* 48  [places] in values */
  int32_t places[3];        /* 60 */
  int32_t samples;          /* 72 */
  int32_t from_sample;      /* 76  values per sample of the source */
  int32_t to_sample;        /* 80  the same of the result */
  int32_t inner;            /* 84  values per place */
}; /* 88 bytes */

static_assert(sizeof(TapParams) == 88, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 8192;

enum Mode { kSum, kLargest, kLargestGradient };

/* Lines are cut into pieces of some places; slices are runs of pieces. */
struct Plan {
  int32_t places; /* per piece */
  int32_t pieces; /* per line */
  int32_t lines;
  int32_t per_slice;
};

RECVAE_INLINE Plan plan_of(const TapParams* p) {
  const int32_t places = larger(1, smaller(p->places[2], kSliceFloats / larger(1, p->inner)));
  const int32_t pieces = ceil_div(p->places[2], places);
  const int32_t lines = p->samples * p->places[0] * p->places[1];
  return {places, pieces, lines, larger(1, kSliceFloats / larger(1, places * p->inner))};
}

/* One place: its taps on each axis. */
struct Place {
  int32_t begin[3], end[3];
  const float* x; /* of the sample */
  float* y;       /* of the place */
  const float* read_winner;
  float* write_winner;
};

RECVAE_INLINE void copy_values(float* to, const float* from, int32_t count) {
  if (count >= 128) {
    copy_floats(to, from, count);
    return;
  }
  int32_t c = 0;
  RECVAE_NO_UNROLL
  for (; c + 4 <= count; c += 4) store(to + c, load(from + c));
  RECVAE_NO_UNROLL
  for (; c < count; ++c) to[c] = from[c];
}

template <int LANES>
RECVAE_INLINE v128_t get(const float* p) {
  return LANES == 4 ? load(p) : wasm_v128_load32_zero(p);
}

template <int LANES>
RECVAE_INLINE void put(float* p, v128_t v) {
  if (LANES == 4) store(p, v);
  else wasm_v128_store32_lane(p, v, 0);
}

/* VECTORS·LANES values of a place, from value c on. */
template <Mode MODE, int VECTORS, int LANES>
RECVAE_INLINE void block(const TapParams* p, const Place& at, int32_t c) {
  v128_t result[VECTORS], winner[VECTORS];
  RECVAE_UNROLL
  for (int v = 0; v < VECTORS; ++v) {
    result[v] = MODE == kLargest ? wasm_f32x4_const_splat(-__builtin_inff()) : zero4();
    winner[v] = wasm_f32x4_const_splat(-1.0f);
  }
  RECVAE_NO_UNROLL
  for (int32_t i = at.begin[0]; i < at.end[0]; ++i) {
    RECVAE_NO_UNROLL
    for (int32_t j = at.begin[1]; j < at.end[1]; ++j) {
      const int32_t outer = p->from[0][i] + p->from[1][j] + c;
      const float u = p->weight[0][i], w = p->weight[1][j];
      RECVAE_NO_UNROLL
      for (int32_t k = at.begin[2]; k < at.end[2]; ++k) {
        const int32_t from = outer + p->from[2][k];
        const float last = p->weight[2][k];
        const v128_t weight = wasm_f32x4_splat(MODE == kSum ? u * w * last : u + w + last);
        RECVAE_UNROLL
        for (int v = 0; v < VECTORS; ++v) {
          const v128_t value = get<LANES>(at.x + from + v * LANES);
          if (MODE == kSum) {
            result[v] = fma(weight, value, result[v]);
          } else if (MODE == kLargest) {
            const v128_t better = wasm_v128_or(
                wasm_v128_or(wasm_f32x4_gt(value, result[v]), wasm_f32x4_ne(value, value)),
                wasm_f32x4_lt(winner[v], zero4()));
            result[v] = wasm_v128_bitselect(value, result[v], better);
            winner[v] = wasm_v128_bitselect(weight, winner[v], better);
          } else {
            const v128_t won = wasm_f32x4_eq(get<LANES>(at.read_winner + from + v * LANES), weight);
            result[v] = wasm_f32x4_add(result[v], wasm_v128_and(value, won));
          }
        }
      }
    }
  }
  RECVAE_UNROLL
  for (int v = 0; v < VECTORS; ++v) {
    put<LANES>(at.y + c + v * LANES, result[v]);
    if (MODE == kLargest) put<LANES>(at.write_winner + c + v * LANES, winner[v]);
  }
}

template <Mode MODE>
void place(const TapParams* p, const Place& at) {
  int32_t c = 0;
  RECVAE_NO_UNROLL
  for (; c + 16 <= p->inner; c += 16) block<MODE, 4, 4>(p, at, c);
  RECVAE_NO_UNROLL
  for (; c + 4 <= p->inner; c += 4) block<MODE, 1, 4>(p, at, c);
  RECVAE_NO_UNROLL
  for (; c < p->inner; ++c) block<MODE, 1, 1>(p, at, c);
}

/* How many places from r on are single taps of weight 1 whose values lie side by side in source and result. */
RECVAE_INLINE int32_t contiguous(const TapParams* p, int32_t r, int32_t stop) {
  const int32_t* first = p->first[2];
  int32_t count = 0;
  const int32_t from = p->from[2][first[r]], to = p->to[2][r];
  RECVAE_NO_UNROLL
  for (; r + count < stop; ++count) {
    const int32_t tap = first[r + count];
    if (first[r + count + 1] - tap != 1 || p->weight[2][tap] != 1.0f) break;
    if (p->from[2][tap] != from + count * p->inner || p->to[2][r + count] != to + count * p->inner) break;
  }
  return count;
}

template <Mode MODE>
void piece(const TapParams* p, int32_t line, int32_t start, int32_t stop) {
  const int32_t b = line % p->places[1], rest = line / p->places[1];
  const int32_t a = rest % p->places[0], n = rest / p->places[0];
  Place at;
  at.begin[0] = p->first[0][a];
  at.end[0] = p->first[0][a + 1];
  at.begin[1] = p->first[1][b];
  at.end[1] = p->first[1][b + 1];
  at.x = p->x + n * p->from_sample;
  if (MODE == kLargestGradient) at.read_winner = p->winner + n * p->from_sample;
  const int32_t to = n * p->to_sample + p->to[0][a] + p->to[1][b];
  const bool single = MODE == kSum && at.end[0] - at.begin[0] == 1 && at.end[1] - at.begin[1] == 1 &&
                      p->weight[0][at.begin[0]] * p->weight[1][at.begin[1]] == 1.0f;
  const float* base = single ? at.x + p->from[0][at.begin[0]] + p->from[1][at.begin[1]] : nullptr;
  for (int32_t r = start; r < stop;) {
    at.begin[2] = p->first[2][r];
    at.end[2] = p->first[2][r + 1];
    at.y = p->y + to + p->to[2][r];
    if (single && at.end[2] - at.begin[2] == 1) {
      const int32_t count = contiguous(p, r, stop);
      if (count > 0) {
        copy_values(at.y, base + p->from[2][at.begin[2]], count * p->inner);
        r += count;
        continue;
      }
    }
    if (MODE == kLargest) at.write_winner = p->winner + to + p->to[2][r];
    place<MODE>(p, at);
    ++r;
  }
}

template <Mode MODE>
RECVAE_INLINE void run(const TapParams* p, int32_t begin, int32_t end) {
  const Plan plan = plan_of(p);
  const int32_t last = smaller(end * plan.per_slice, plan.lines * plan.pieces);
  for (int32_t i = begin * plan.per_slice; i < last; ++i) {
    const int32_t line = i / plan.pieces;
    const int32_t start = (i - line * plan.pieces) * plan.places;
    piece<MODE>(p, line, start, smaller(p->places[2], start + plan.places));
  }
}

RECVAE_INLINE int32_t slices(const TapParams* p) {
  const Plan plan = plan_of(p);
  return p->inner == 0 ? 0 : ceil_div(plan.lines * plan.pieces, plan.per_slice);
}

}  // namespace

RECVAE_EXPORT(f32_tap_sum__slices)
int32_t f32_tap_sum__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_sum)
void f32_tap_sum(const TapParams* p, int32_t begin, int32_t end, char* scratch) { run<kSum>(p, begin, end); }

RECVAE_EXPORT(f32_tap_largest__slices)
int32_t f32_tap_largest__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_largest)
void f32_tap_largest(const TapParams* p, int32_t begin, int32_t end, char* scratch) { run<kLargest>(p, begin, end); }

RECVAE_EXPORT(f32_tap_largest_gradient__slices)
int32_t f32_tap_largest_gradient__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_largest_gradient)
void f32_tap_largest_gradient(const TapParams* p, int32_t begin, int32_t end, char* scratch) {
  run<kLargestGradient>(p, begin, end);
}

}  // namespace recvae
