/*
 * Sums, means and maxima over the middle axis of [outer, length, inner]. Sums run in float64. A slice is either a
 * run of whole rows of `outer`, or, where one of them is long, a block of its `length`; blocks are combined in
 * order by _finish, so the partition (and every bit) depends on the sizes alone.
 */
#include "../kernel.h"

namespace recvae {

struct ReduceParams {
  const float* x;    /*  0  [outer, length, inner] */
  float* y;          /*  4  [outer, inner] */
  double* workspace; /*  8  partial results [outer, blocks, inner] */
  int32_t outer;     /* 12 */
  int32_t length;    /* 16 */
  int32_t inner;     /* 20 */
  int32_t op;        /* 24  0 sum, 1 mean, 2 maximum, 3 minimum */
}; /* 28 bytes */

static_assert(sizeof(ReduceParams) == 28, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 32768;

struct Plan {
  int32_t blocks; /* of one row of outer */
  int32_t length; /* of one block */
  int32_t rows;   /* of outer in one slice; 1 where blocks > 1 */
};

RECVAE_INLINE Plan plan_of(const ReduceParams* p) {
  const int32_t row = larger(1, p->length * p->inner);
  Plan plan = {1, p->length, larger(1, kSliceFloats / row)};
  if (row > kSliceFloats) {
    plan.length = larger(1, kSliceFloats / p->inner);
    plan.blocks = ceil_div(p->length, plan.length);
  }
  return plan;
}

template <int OP>
RECVAE_INLINE double identity() {
  return OP < 2 ? 0.0 : OP == 2 ? -__builtin_inf() : __builtin_inf();
}

/* One more value into a result; NaN stays NaN. */
template <int OP>
RECVAE_INLINE double join(double a, double b) {
  if (OP < 2) return a + b;
  if (a != a || b != b) return __builtin_nan("");
  if (OP == 2) return a > b ? a : b;
  return a < b ? a : b;
}

template <int OP>
RECVAE_INLINE v128_t join2(v128_t a, v128_t b) {
  return OP < 2 ? wasm_f64x2_add(a, b) : OP == 2 ? wasm_f64x2_max(a, b) : wasm_f64x2_min(a, b);
}

RECVAE_INLINE v128_t upper2(v128_t v) { return wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 2, 3)); }
RECVAE_INLINE v128_t lower2(v128_t v) { return wasm_f64x2_promote_low_f32x4(v); }

/* inner = 1: a contiguous run. */
template <int OP>
double reduce_run(const float* x, int32_t count) {
  v128_t s0 = wasm_f64x2_splat(identity<OP>()), s1 = s0, s2 = s0, s3 = s0;
  int32_t i = 0;
  RECVAE_NO_UNROLL
  for (; i + 8 <= count; i += 8) {
    const v128_t a = load(x + i), b = load(x + i + 4);
    s0 = join2<OP>(s0, lower2(a)), s1 = join2<OP>(s1, upper2(a));
    s2 = join2<OP>(s2, lower2(b)), s3 = join2<OP>(s3, upper2(b));
  }
  const v128_t all = join2<OP>(join2<OP>(s0, s1), join2<OP>(s2, s3));
  double result = join<OP>(wasm_f64x2_extract_lane(all, 0), wasm_f64x2_extract_lane(all, 1));
  for (; i < count; ++i) result = join<OP>(result, x[i]);
  return result;
}

/* to[c] = Σ_l x[l, c] for `count` rows of `inner` columns. */
template <int OP>
void reduce_columns(const float* x, int32_t count, int32_t inner, double* to) {
  int32_t c = 0;
  for (; c + 4 <= inner; c += 4) {
    v128_t low = wasm_f64x2_splat(identity<OP>()), high = low;
    const float* from = x + c;
    RECVAE_NO_UNROLL
    for (int32_t l = 0; l < count; ++l, from += inner) {
      const v128_t v = load(from);
      low = join2<OP>(low, lower2(v)), high = join2<OP>(high, upper2(v));
    }
    wasm_v128_store(to + c, low);
    wasm_v128_store(to + c + 2, high);
  }
  for (; c < inner; ++c) {
    double result = identity<OP>();
    for (int32_t l = 0; l < count; ++l) result = join<OP>(result, x[l * inner + c]);
    to[c] = result;
  }
}

template <int OP>
void reduce_slices(const ReduceParams* p, int32_t begin, int32_t end) {
  const Plan plan = plan_of(p);
  for (int32_t s = begin; s < end; ++s) {
    const int32_t first = plan.blocks > 1 ? s / plan.blocks : s * plan.rows;
    const int32_t block = plan.blocks > 1 ? s % plan.blocks : 0;
    const int32_t last = smaller(p->outer, first + (plan.blocks > 1 ? 1 : plan.rows));
    const int32_t start = block * plan.length;
    const int32_t count = smaller(plan.length, p->length - start);
    for (int32_t o = first; o < last; ++o) {
      const float* x = p->x + (o * p->length + start) * p->inner;
      double* to = p->workspace + (o * plan.blocks + block) * p->inner;
      if (p->inner == 1) to[0] = reduce_run<OP>(x, count);
      else reduce_columns<OP>(x, count, p->inner, to);
    }
  }
}

template <int OP>
void combine(const ReduceParams* p, int32_t from, int32_t to) {
  const int32_t blocks = plan_of(p).blocks;
  for (int32_t i = from; i < to; ++i) {
    const int32_t o = i / p->inner;
    const double* partial = p->workspace + o * blocks * p->inner + (i - o * p->inner);
    double result = partial[0];
    for (int32_t b = 1; b < blocks; ++b) result = join<OP>(result, partial[b * p->inner]);
    p->y[i] = (float)(OP == 1 ? result / p->length : result);
  }
}

}  // namespace

RECVAE_EXPORT(f32_reduce__slices)
int32_t f32_reduce__slices(const ReduceParams* p) {
  const Plan plan = plan_of(p);
  return plan.blocks > 1 ? p->outer * plan.blocks : ceil_div(p->outer, plan.rows);
}

RECVAE_EXPORT(f32_reduce__workspace)
int32_t f32_reduce__workspace(const ReduceParams* p) {
  return p->outer * plan_of(p).blocks * p->inner * (int32_t)sizeof(double);
}

RECVAE_EXPORT(f32_reduce)
void f32_reduce(const ReduceParams* p, int32_t begin, int32_t end, char* scratch) {
  switch (p->op) {
    case 0:
    case 1: return reduce_slices<0>(p, begin, end);
    case 2: return reduce_slices<2>(p, begin, end);
    case 3: return reduce_slices<3>(p, begin, end);
  }
}

RECVAE_EXPORT(f32_reduce_finish__slices)
int32_t f32_reduce_finish__slices(const ReduceParams* p) { return ceil_div(p->outer * p->inner, kSliceFloats); }

RECVAE_EXPORT(f32_reduce_finish)
void f32_reduce_finish(const ReduceParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t from = begin * kSliceFloats;
  const int32_t to = smaller(end * kSliceFloats, p->outer * p->inner);
  switch (p->op) {
    case 0: return combine<0>(p, from, to);
    case 1: return combine<1>(p, from, to);
    case 2: return combine<2>(p, from, to);
    case 3: return combine<3>(p, from, to);
  }
}

}  // namespace recvae
