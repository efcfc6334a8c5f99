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

/* The taps of one place, all axes multiplied out. */
struct Taps {
  const float* x;      /* what `from` counts from */
  const float* winner; /* the same, for the gradient of the largest */
  const int32_t* from; /* [count] */
  const float* weight; /* [count] products, or sums where they number the taps */
  int32_t count;
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

/* VECTORS·LANES values of a place, from value c on; `winner` is written with the largest. */
template <Mode MODE, int VECTORS, int LANES>
RECVAE_INLINE void block(const Taps& taps, float* y, float* winner, int32_t c) {
  v128_t result[VECTORS], best[VECTORS];
  RECVAE_UNROLL
  for (int v = 0; v < VECTORS; ++v) {
    result[v] = zero4();
    best[v] = wasm_f32x4_const_splat(-1.0f);
  }
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < taps.count; ++k) {
    const int32_t from = taps.from[k] + c;
    const v128_t weight = splat(taps.weight + k);
    RECVAE_UNROLL
    for (int v = 0; v < VECTORS; ++v) {
      const v128_t value = get<LANES>(taps.x + from + v * LANES);
      if (MODE == kSum) {
        result[v] = fma(weight, value, result[v]);
      } else if (MODE == kLargest) {
        const v128_t better =
            wasm_v128_or(wasm_v128_or(wasm_f32x4_gt(value, result[v]), wasm_f32x4_ne(value, value)),
                         wasm_f32x4_lt(best[v], zero4()));
        result[v] = wasm_v128_bitselect(value, result[v], better);
        best[v] = wasm_v128_bitselect(weight, best[v], better);
      } else {
        const v128_t won = wasm_f32x4_eq(get<LANES>(taps.winner + from + v * LANES), weight);
        result[v] = wasm_f32x4_add(result[v], wasm_v128_and(value, won));
      }
    }
  }
  RECVAE_UNROLL
  for (int v = 0; v < VECTORS; ++v) {
    put<LANES>(y + c + v * LANES, result[v]);
    if (MODE == kLargest) put<LANES>(winner + c + v * LANES, best[v]);
  }
}

template <Mode MODE>
RECVAE_INLINE void place(const Taps& taps, int32_t inner, float* y, float* winner) {
  int32_t c = 0;
  RECVAE_NO_UNROLL
  for (; c + 32 <= inner; c += 32) block<MODE, 8, 4>(taps, y, winner, c);
  RECVAE_NO_UNROLL
  for (; c + 4 <= inner; c += 4) block<MODE, 1, 4>(taps, y, winner, c);
  RECVAE_NO_UNROLL
  for (; c < inner; ++c) block<MODE, 1, 1>(taps, y, winner, c);
}

/* Most taps of a place of an axis. */
RECVAE_INLINE int32_t most_taps(const TapParams* p, int axis) {
  int32_t most = 0;
  for (int32_t i = 0; i < p->places[axis]; ++i) most = larger(most, p->first[axis][i + 1] - p->first[axis][i]);
  return most;
}

/* Most taps of a place; scratch holds as many offsets and as many weights. */
RECVAE_INLINE int32_t room(const TapParams* p) { return most_taps(p, 0) * most_taps(p, 1) * most_taps(p, 2); }

/* Multiplies out the taps of place (a, b, r) into scratch. */
template <Mode MODE>
RECVAE_INLINE int32_t multiplied(const TapParams* p, int32_t a, int32_t b, int32_t r, int32_t* from, float* weight) {
  int32_t count = 0;
  RECVAE_NO_UNROLL
  for (int32_t i = p->first[0][a]; i < p->first[0][a + 1]; ++i) {
    RECVAE_NO_UNROLL
    for (int32_t j = p->first[1][b]; j < p->first[1][b + 1]; ++j) {
      const int32_t outer = p->from[0][i] + p->from[1][j];
      const float u = p->weight[0][i], w = p->weight[1][j];
      RECVAE_NO_UNROLL
      for (int32_t k = p->first[2][r]; k < p->first[2][r + 1]; ++k, ++count) {
        from[count] = outer + p->from[2][k];
        weight[count] = MODE == kSum ? u * w * p->weight[2][k] : u + w + p->weight[2][k];
      }
    }
  }
  return count;
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
void piece(const TapParams* p, int32_t line, int32_t start, int32_t stop, int32_t most, char* scratch) {
  const int32_t b = line % p->places[1], rest = line / p->places[1];
  const int32_t a = rest % p->places[0], n = rest / p->places[0];
  const int32_t i = p->first[0][a], j = p->first[1][b];
  const float* x = p->x + n * p->from_sample;
  const int32_t to = n * p->to_sample + p->to[0][a] + p->to[1][b];
  /* Where the first two axes have one tap of weight 1 between them, the tables of the last are the taps. */
  const bool plain = MODE == kSum && p->first[0][a + 1] - i == 1 && p->first[1][b + 1] - j == 1 &&
                     p->weight[0][i] * p->weight[1][j] == 1.0f;
  int32_t* from = (int32_t*)scratch;
  float* weight = (float*)(scratch + 4 * most);
  Taps taps;
  taps.x = plain ? x + p->from[0][i] + p->from[1][j] : x;
  taps.winner = MODE == kLargestGradient ? p->winner + n * p->from_sample : nullptr;
  taps.from = from;
  taps.weight = weight;
  for (int32_t r = start; r < stop;) {
    const int32_t first = p->first[2][r], count = p->first[2][r + 1] - first;
    float* y = p->y + to + p->to[2][r];
    if (plain && count == 1) {
      const int32_t copies = contiguous(p, r, stop);
      if (copies > 0) {
        copy_values(y, taps.x + p->from[2][first], copies * p->inner);
        r += copies;
        continue;
      }
    }
    if (plain) {
      taps.from = p->from[2] + first;
      taps.weight = p->weight[2] + first;
      taps.count = count;
    } else {
      taps.count = multiplied<MODE>(p, a, b, r, from, weight);
    }
    place<MODE>(taps, p->inner, y, MODE == kLargest ? p->winner + to + p->to[2][r] : nullptr);
    ++r;
  }
}

template <Mode MODE>
RECVAE_INLINE void run(const TapParams* p, int32_t begin, int32_t end, char* scratch) {
  const Plan plan = plan_of(p);
  const int32_t most = room(p);
  const int32_t last = smaller(end * plan.per_slice, plan.lines * plan.pieces);
  for (int32_t i = begin * plan.per_slice; i < last; ++i) {
    const int32_t line = i / plan.pieces;
    const int32_t start = (i - line * plan.pieces) * plan.places;
    piece<MODE>(p, line, start, smaller(p->places[2], start + plan.places), most, scratch);
  }
}

RECVAE_INLINE int32_t slices(const TapParams* p) {
  const Plan plan = plan_of(p);
  return p->inner == 0 ? 0 : ceil_div(plan.lines * plan.pieces, plan.per_slice);
}

}  // namespace

RECVAE_EXPORT(f32_tap_sum__slices)
int32_t f32_tap_sum__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_sum__scratch)
int32_t f32_tap_sum__scratch(const TapParams* p) { return 8 * room(p); }

RECVAE_EXPORT(f32_tap_sum)
void f32_tap_sum(const TapParams* p, int32_t begin, int32_t end, char* scratch) { run<kSum>(p, begin, end, scratch); }

RECVAE_EXPORT(f32_tap_largest__slices)
int32_t f32_tap_largest__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_largest__scratch)
int32_t f32_tap_largest__scratch(const TapParams* p) { return 8 * room(p); }

RECVAE_EXPORT(f32_tap_largest)
void f32_tap_largest(const TapParams* p, int32_t begin, int32_t end, char* scratch) { run<kLargest>(p, begin, end, scratch); }

RECVAE_EXPORT(f32_tap_largest_gradient__slices)
int32_t f32_tap_largest_gradient__slices(const TapParams* p) { return slices(p); }

RECVAE_EXPORT(f32_tap_largest_gradient__scratch)
int32_t f32_tap_largest_gradient__scratch(const TapParams* p) { return 8 * room(p); }

RECVAE_EXPORT(f32_tap_largest_gradient)
void f32_tap_largest_gradient(const TapParams* p, int32_t begin, int32_t end, char* scratch) {
  run<kLargestGradient>(p, begin, end, scratch);
}

}  // namespace recvae
