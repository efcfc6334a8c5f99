/*
 * Batched matrix product c[i] = a[i]·b[i], float32, for every combination of transposes through strides:
 *
 *   c[i][m, n] = Σ_k a[i·a_batch + m·a_row + k·a_column] · b[i·b_batch + k·b_row + n·b_column]     (+ bias[n])
 *
 * Loop order: slice (matrix, row block, block of 64 columns, range of k), k block of 256, row tile of 4, column
 * panel of 8, k. Registers: 8 accumulators, 2 vectors of b, 1 splat of a; 8 multiply-adds per 6 loads. b is copied
 * into panels [k][8] in scratch unless it lies that way already and is read only once or twice. Where the
 * result is small and k long, k is split over slices and the parts are added in order by _finish.
 */
#include "../kernel.h"

namespace recvae {

struct GemmParams {
  const float* a;    /*  0 */
  const float* b;    /*  4 */
  float* c;          /*  8  [batch, m, n] */
  const float* bias; /* 12  [n] or 0 */
  float* workspace;  /* 16  partial results, [splits, batch, m, n] */
  int32_t batch;     /* 20 */
  int32_t m;         /* 24 */
  int32_t n;         /* 28 */
  int32_t k;         /* 32 */
  int32_t a_batch;   /* 36  strides in floats; 0 repeats one matrix */
  int32_t a_row;     /* 40 */
  int32_t a_column;  /* 44 */
  int32_t b_batch;   /* 48 */
  int32_t b_row;     /* 52 */
  int32_t b_column;  /* 56 */
}; /* 60 bytes */

static_assert(sizeof(GemmParams) == 60, "the host mirrors this layout");

namespace {

constexpr int32_t kColumns = 64;     /* of one slice */
constexpr int32_t kPanel = 8;        /* columns of one register tile */
constexpr int32_t kTile = 4;         /* rows of one register tile */
constexpr int32_t kDepth = 256;      /* k block: a panel of b takes 8 KiB */
constexpr int32_t kWork = 131072;    /* multiply-adds a slice should at least hold (about 5 µs) */
constexpr int32_t kWantedSlices = 16;
constexpr int32_t kFinishFloats = 16384;

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

/* One block of work: rows × columns of c over a range of k. */
struct Block {
  const float* a; /* at the block's first row and k */
  const float* b; /* at the block's first k and column */
  float* c;
  int32_t rows;
  int32_t columns;
};

/* Copies b[k][n] for `depth` k and `columns` n into panels [k][8], zeros behind the last column. */
void pack_panels(const GemmParams* p, const float* b, int32_t depth, int32_t columns, float* to) {
  for (int32_t n = 0; n < columns; n += kPanel, to += depth * kPanel) {
    const int32_t width = smaller(kPanel, columns - n);
    const float* from = b + n * p->b_column;
    if (width == kPanel && p->b_column == 1) {
      RECVAE_NO_UNROLL
      for (int32_t k = 0; k < depth; ++k) {
        store(to + k * kPanel, load(from + k * p->b_row));
        store(to + k * kPanel + 4, load(from + k * p->b_row + 4));
      }
      continue;
    }
    int32_t k = 0;
    if (width == kPanel && p->b_row == 1) {
      const int32_t step = p->b_column;
      for (; k + 4 <= depth; k += 4) {
        for (int32_t half = 0; half < kPanel; half += 4) {
          const float* f = from + k + half * step;
          const v128_t r0 = load(f), r1 = load(f + step), r2 = load(f + 2 * step), r3 = load(f + 3 * step);
          const v128_t low01 = wasm_i32x4_shuffle(r0, r1, 0, 4, 1, 5), low23 = wasm_i32x4_shuffle(r2, r3, 0, 4, 1, 5);
          const v128_t high01 = wasm_i32x4_shuffle(r0, r1, 2, 6, 3, 7), high23 = wasm_i32x4_shuffle(r2, r3, 2, 6, 3, 7);
          float* t = to + k * kPanel + half;
          store(t, wasm_i64x2_shuffle(low01, low23, 0, 2));
          store(t + kPanel, wasm_i64x2_shuffle(low01, low23, 1, 3));
          store(t + 2 * kPanel, wasm_i64x2_shuffle(high01, high23, 0, 2));
          store(t + 3 * kPanel, wasm_i64x2_shuffle(high01, high23, 1, 3));
        }
      }
    }
    for (; k < depth; ++k) {
      for (int32_t j = 0; j < kPanel; ++j) {
        to[k * kPanel + j] = j < width ? from[k * p->b_row + j * p->b_column] : 0.0f;
      }
    }
  }
}

/* c tile (ROWS × up to 8) = or += a·b over `depth`. */
template <int ROWS>
void tile(const GemmParams* p, const float* a, const float* b, int32_t b_step, int32_t depth, float* c,
          int32_t width, bool first) {
  v128_t acc[ROWS][2];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) acc[i][0] = acc[i][1] = zero4();
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < depth; ++k) {
    const v128_t b0 = load(b), b1 = load(b + 4);
    RECVAE_UNROLL
    for (int i = 0; i < ROWS; ++i) {
      const v128_t v = splat(a + i * p->a_row);
      acc[i][0] = fma(v, b0, acc[i][0]);
      acc[i][1] = fma(v, b1, acc[i][1]);
    }
    a += p->a_column;
    b += b_step;
  }
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    float* to = c + i * p->n;
    if (width == kPanel) {
      store(to, first ? acc[i][0] : wasm_f32x4_add(load(to), acc[i][0]));
      store(to + 4, first ? acc[i][1] : wasm_f32x4_add(load(to + 4), acc[i][1]));
    } else {
      float lanes[kPanel];
      store(lanes, acc[i][0]);
      store(lanes + 4, acc[i][1]);
      for (int32_t j = 0; j < width; ++j) to[j] = first ? lanes[j] : to[j] + lanes[j];
    }
  }
}

/* One panel of columns over all rows of the block. */
void panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t b_step, int32_t depth,
           bool first) {
  const int32_t width = smaller(kPanel, block.columns - column);
  for (int32_t m = 0; m < block.rows; m += kTile) {
    const float* a = block.a + m * p->a_row;
    float* c = block.c + m * p->n + column;
    switch (block.rows - m) {
      case 1: tile<1>(p, a, b, b_step, depth, c, width, first); break;
      case 2: tile<2>(p, a, b, b_step, depth, c, width, first); break;
      case 3: tile<3>(p, a, b, b_step, depth, c, width, first); break;
      default: tile<4>(p, a, b, b_step, depth, c, width, first); break;
    }
  }
}

void multiply(const GemmParams* p, Block block, int32_t depth, float* scratch) {
  const bool direct = p->b_column == 1 && block.rows <= 2 * kTile;
  for (int32_t k = 0; k < depth; k += kDepth) {
    const int32_t count = smaller(kDepth, depth - k);
    const float* b = block.b + k * p->b_row;
    if (!direct) pack_panels(p, b, count, block.columns, scratch);
    for (int32_t n = 0; n < block.columns; n += kPanel) {
      if (direct && block.columns - n >= kPanel) {
        panel(p, block, n, b + n, p->b_row, count, k == 0);
        continue;
      }
      if (direct) pack_panels(p, b + n, count, block.columns - n, scratch);
      panel(p, block, n, direct ? scratch : scratch + n * count, kPanel, count, k == 0);
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
