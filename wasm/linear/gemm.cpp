/* The exported matrix product, see gemm.h. */
#include "gemm.h"

namespace recvae {

using namespace gemm;

namespace {

/* The partition, from the sizes alone. */
struct Plan {
  int32_t rows; /* of one slice */
  int32_t row_blocks;
  int32_t column_blocks;
  int32_t depth; /* k of one slice */
  int32_t splits;
};

RECVAE_INLINE Plan plan_of(const GemmParams* p) {
  Plan plan;
  const int32_t per_row = kColumns * smaller(larger(p->k, 1), 1024);
  plan.rows = smaller(larger(round_up(ceil_div(kWork, per_row), kTile), 16), 256);
  plan.row_blocks = ceil_div(p->m, plan.rows);
  plan.column_blocks = ceil_div(p->n, kColumns);
  const int32_t slices = p->batch * plan.row_blocks * plan.column_blocks;
  plan.splits = 1;
  if (slices > 0 && slices < kWantedSlices) {
    const int64_t work = (int64_t)smaller(plan.rows, p->m) * smaller(kColumns, p->n) * p->k;
    const int32_t affordable = (int32_t)(work / kWork);
    plan.splits = smaller(smaller(kWantedSlices / slices, affordable), p->k / kDepth);
    plan.splits = larger(plan.splits, 1);
  }
  plan.depth = larger(1, ceil_div(p->k, plan.splits));
  plan.splits = larger(1, ceil_div(p->k, plan.depth));
  return plan;
}

void multiply(const GemmParams* p, Block block, int32_t depth, float* scratch) {
  if (is_dot(p, block.rows)) return dot_products(p, block, depth);
  const bool direct = p->b_column == 1 && block.rows <= 2 * kTile;
  for (int32_t k = 0; k < depth; k += kDepth) {
    const int32_t count = smaller(kDepth, depth - k);
    const float* b = block.b + k * p->b_row;
    const int32_t whole = direct ? block.columns / kPanel * kPanel : 0;
    for (int32_t n = 0; n < whole; n += kPanel) direct_panel(p, block, n, b + n, count, k == 0);
    pack_panels(p, b + whole * p->b_column, count, block.columns - whole, scratch);
    for (int32_t n = whole; n < block.columns; n += kPanel) {
      panel(p, block, n, scratch + (n - whole) * count, count, k == 0);
    }
    block.a += count * p->a_column;
  }
}

RECVAE_INLINE void add_bias(const GemmParams* p, float* c, int32_t first_column, int32_t rows, int32_t columns) {
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t n = 0; n < columns; ++n) c[m * p->n + n] += p->bias[first_column + n];
  }
}

}  // namespace

RECVAE_EXPORT(f32_gemm__slices)
int32_t f32_gemm__slices(const GemmParams* p) {
  const Plan plan = plan_of(p);
  return p->batch * plan.row_blocks * plan.column_blocks * plan.splits;
}

RECVAE_EXPORT(f32_gemm__scratch)
int32_t f32_gemm__scratch(const GemmParams* p) { return kDepth * kColumns * (int32_t)sizeof(float); }

RECVAE_EXPORT(f32_gemm__workspace)
int32_t f32_gemm__workspace(const GemmParams* p) {
  const Plan plan = plan_of(p);
  return plan.splits == 1 ? 0 : plan.splits * p->batch * p->m * p->n * (int32_t)sizeof(float);
}

RECVAE_EXPORT(f32_gemm)
void f32_gemm(const GemmParams* p, int32_t begin, int32_t end, float* scratch) {
  const Plan plan = plan_of(p);
  for (int32_t s = begin; s < end; ++s) {
    int32_t rest = s;
    const int32_t column = (rest % plan.column_blocks) * kColumns;
    rest /= plan.column_blocks;
    const int32_t row = (rest % plan.row_blocks) * plan.rows;
    rest /= plan.row_blocks;
    const int32_t matrix = rest % p->batch;
    const int32_t split = rest / p->batch;
    const int32_t k = split * plan.depth;
    float* c = plan.splits == 1 ? p->c : p->workspace + split * p->batch * p->m * p->n;
    Block block;
    block.a = p->a + matrix * p->a_batch + row * p->a_row + k * p->a_column;
    block.b = p->b + matrix * p->b_batch + k * p->b_row + column * p->b_column;
    block.c = c + (matrix * p->m + row) * p->n + column;
    block.rows = smaller(plan.rows, p->m - row);
    block.columns = smaller(kColumns, p->n - column);
    const int32_t depth = smaller(plan.depth, p->k - k);
    if (depth > 0) {
      multiply(p, block, depth, scratch);
    } else {
      for (int32_t m = 0; m < block.rows; ++m) zero_floats(block.c + m * p->n, block.columns);
    }
    if (p->bias && plan.splits == 1) add_bias(p, block.c, column, block.rows, block.columns);
  }
}

RECVAE_EXPORT(f32_gemm_finish__slices)
int32_t f32_gemm_finish__slices(const GemmParams* p) {
  return plan_of(p).splits == 1 ? 0 : ceil_div(p->batch * p->m * p->n, kFinishFloats);
}

RECVAE_EXPORT(f32_gemm_finish)
void f32_gemm_finish(const GemmParams* p, int32_t begin, int32_t end, float* scratch) {
  const int32_t splits = plan_of(p).splits;
  const int32_t size = p->batch * p->m * p->n;
  const int32_t to = smaller(end * kFinishFloats, size);
  for (int32_t i = begin * kFinishFloats; i < to; ++i) {
    float sum = p->workspace[i];
    for (int32_t s = 1; s < splits; ++s) sum += p->workspace[s * size + i];
    p->c[i] = p->bias ? sum + p->bias[i % p->n] : sum;
  }
}

}  // namespace recvae
