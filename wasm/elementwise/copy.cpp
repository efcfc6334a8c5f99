/*
 * Copies of four-byte words between strided layouts of up to 6 axes: slice, concatenation, padding, transposition
 * and reversal are choices of strides and start. And rows picked by index (gather). A slice is about 32768 words:
 * a run of whole rows (of the last axis), or a piece of a long one.
 */
#include "../kernel.h"

namespace recvae {

constexpr int32_t kAxes = 6;
constexpr int32_t kSliceWords = 32768;

struct CopyParams {
  const int32_t* from;        /*  0  at the first word read */
  int32_t* to;                /*  4  at the first word written */
  int32_t size[kAxes];        /*  8  outermost first; unused axes 1 */
  int32_t from_stride[kAxes]; /* 32  in words */
  int32_t to_stride[kAxes];   /* 56  in words */
}; /* 80 bytes */

static_assert(sizeof(CopyParams) == 80, "the host mirrors this layout");

struct GatherParams {
  const int32_t* from;  /*  0  [outer, axis, inner] */
  const int32_t* index; /*  4  [batches, count]; outer is a multiple of batches */
  int32_t* to;          /*  8  [outer, count, inner] */
  int32_t batches;      /* 12 */
  int32_t outer;        /* 16 */
  int32_t axis;         /* 20 */
  int32_t count;        /* 24 */
  int32_t inner;        /* 28 */
}; /* 32 bytes */

static_assert(sizeof(GatherParams) == 32, "the host mirrors this layout");

namespace {

/* Short rows share a slice, long ones are cut into pieces; one of the two numbers is 1. */
struct Plan {
  int32_t rows;   /* per slice */
  int32_t pieces; /* per row */
};

RECVAE_INLINE Plan plan_of(int32_t row_words) {
  return {larger(1, kSliceWords / larger(1, row_words)), larger(1, ceil_div(row_words, kSliceWords))};
}

RECVAE_INLINE int32_t row_count(const CopyParams* p) {
  int32_t rows = 1;
  for (int32_t a = 0; a < kAxes - 1; ++a) rows *= p->size[a];
  return rows;
}

void copy_row(const int32_t* from, int32_t* to, int32_t count, int32_t from_stride, int32_t to_stride) {
  if (from_stride == 1 && to_stride == 1) {
    __builtin_memcpy(to, from, (uint32_t)count * 4u);
    return;
  }
  RECVAE_NO_UNROLL
  for (int32_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
}

/* Words [begin, end) of one row. */
void copy_part(const CopyParams* p, int32_t row, int32_t begin, int32_t end) {
  const int32_t from_stride = p->from_stride[kAxes - 1], to_stride = p->to_stride[kAxes - 1];
  int32_t from = begin * from_stride, to = begin * to_stride;
  for (int32_t a = kAxes - 2, rest = row; a >= 0; --a) {
    const int32_t next = rest / p->size[a];
    const int32_t at = rest - next * p->size[a];
    from += at * p->from_stride[a];
    to += at * p->to_stride[a];
    rest = next;
  }
  copy_row(p->from + from, p->to + to, end - begin, from_stride, to_stride);
}

}  // namespace

RECVAE_EXPORT(u32_copy__slices)
int32_t u32_copy__slices(const CopyParams* p) {
  const int32_t words = p->size[kAxes - 1];
  const Plan plan = plan_of(words);
  return words == 0 ? 0 : ceil_div(row_count(p), plan.rows) * plan.pieces;
}

RECVAE_EXPORT(u32_copy)
void u32_copy(const CopyParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t words = p->size[kAxes - 1];
  const Plan plan = plan_of(words);
  const int32_t rows = row_count(p);
  for (int32_t s = begin; s < end; ++s) {
    const int32_t first = s / plan.pieces * plan.rows;
    const int32_t start = s % plan.pieces * kSliceWords;
    const int32_t stop = plan.pieces > 1 ? smaller(words, start + kSliceWords) : words;
    for (int32_t row = first; row < smaller(rows, first + plan.rows); ++row) copy_part(p, row, start, stop);
  }
}

RECVAE_EXPORT(u32_gather__slices)
int32_t u32_gather__slices(const GatherParams* p) {
  return ceil_div(p->outer * p->count, plan_of(p->inner).rows);
}

/* Indices have been checked by the host. */
RECVAE_EXPORT(u32_gather)
void u32_gather(const GatherParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t per_slice = plan_of(p->inner).rows;
  const int32_t last = smaller(end * per_slice, p->outer * p->count);
  const int32_t per_batch = p->outer / larger(1, p->batches);
  for (int32_t row = begin * per_slice; row < last; ++row) {
    const int32_t o = row / p->count;
    const int32_t index = p->index[o / per_batch * p->count + row - o * p->count];
    copy_row(p->from + (o * p->axis + index) * p->inner, p->to + row * p->inner, p->inner, 1, 1);
  }
}

}  // namespace recvae
