/* The exported matrix product, see gemm.h. */
#include "gemm.h"

namespace recvae {

using namespace gemm;

namespace {

constexpr int32_t kFinishFloats = 16384;

/* The partition, from the sizes alone. */
struct Plan {
  bool dot;           /* dot products: nothing is packed */
  bool shared_panels; /* b is packed by _prepare */
  bool shared_tiles;  /* a is packed by _prepare: several column blocks use it */
  int32_t matrices;   /* batch · heads */
  int32_t rows;       /* of one slice */
  int32_t row_blocks;
  int32_t columns; /* of one slice */
  int32_t column_blocks;
  int32_t splits; /* of k over slices */
  int32_t depth;  /* k of one block */
  int32_t blocks; /* of k, in one split */
};

/* Rows and columns of a slice where b is packed once: large blocks, and at least 12 panels of columns. */
RECVAE_INLINE void plan_many_rows(const GemmParams* p, Plan& plan) {
  const int32_t tiles = ceil_div(p->m, kTall), panels = ceil_div(p->n, kPanel);
  plan.rows = kTall * ceil_div(tiles, ceil_div(tiles, kMostTiles));
  plan.row_blocks = ceil_div(p->m, plan.rows);
  const int32_t wanted = ceil_div(kWantedSlices, larger(1, plan.matrices * plan.row_blocks));
  const int32_t column_blocks = larger(1, smaller(wanted, panels / 12));
  plan.columns = kPanel * larger(1, ceil_div(panels, column_blocks));
}

/* k over slices, as many as there are slices wanting while each keeps enough work, and into blocks. */
RECVAE_INLINE void plan_depth(const GemmParams* p, Plan& plan, int32_t most_depth) {
  const int32_t slices = plan.matrices * plan.row_blocks * plan.column_blocks;
  int32_t splits = 1;
  if (slices > 0 && slices < kWantedSlices) {
    const int64_t work = (int64_t)smaller(plan.rows, p->m) * smaller(plan.columns, p->n) * p->k;
    splits = smaller(smaller(kWantedSlices / slices, (int32_t)(work / kWork)), p->k / kFewRowsDepth);
    splits = larger(splits, 1);
  }
  const int32_t k = round_up(larger(p->k, 1), kStep);
  plan.blocks = ceil_div(ceil_div(k, splits), most_depth);
  plan.depth = round_up(ceil_div(k, splits * plan.blocks), kStep);
  plan.splits = ceil_div(k, plan.depth * plan.blocks);
}

RECVAE_INLINE Plan plan_of(const GemmParams* p) {
  Plan plan;
  plan.dot = is_dot(p);
  plan.matrices = p->batch * p->heads;
  plan.shared_panels = p->m >= kManyRows;
  if (plan.shared_panels) {
    plan_many_rows(p, plan);
  } else {
    plan.rows = larger(1, p->m);
    plan.row_blocks = p->m > 0;
    plan.columns = kFewRowsColumns;
  }
  plan.column_blocks = ceil_div(p->n, plan.columns);
  plan.shared_tiles = plan.column_blocks > 1 && !plan.dot;
  plan_depth(p, plan, plan.dot ? 0x7ffffffc : plan.shared_panels ? kDepth : kFewRowsDepth);
  return plan;
}

/* k with the zeros that packing adds, and floats of one packed matrix. */
RECVAE_INLINE int32_t padded_depth(const GemmParams* p) { return round_up(larger(p->k, 1), kStep); }
RECVAE_INLINE int32_t panel_floats(const GemmParams* p) { return padded_depth(p) * round_up(p->n, kPanel); }

/* Rows before row block m0 and in all, in packed tiles: only the last block has a rest. */
RECVAE_INLINE int32_t tile_rows(const GemmParams* p, const Plan& plan) {
  const int32_t whole = (plan.row_blocks - 1) * plan.rows;
  return larger(0, whole) + padded_rows(p->m - larger(0, whole));
}
RECVAE_INLINE int32_t tile_floats(const GemmParams* p, const Plan& plan) {
  return padded_depth(p) * tile_rows(p, plan);
}

/* Different matrices among batch × heads, and the place of matrix `index` among them. */
RECVAE_INLINE int32_t distinct(const GemmParams* p, int32_t batch_stride, int32_t head_stride) {
  return (batch_stride == 0 ? smaller(p->batch, 1) : p->batch) * (head_stride == 0 ? smaller(p->heads, 1) : p->heads);
}
RECVAE_INLINE int32_t place_of(const GemmParams* p, int32_t index, int32_t batch_stride, int32_t head_stride) {
  const int32_t batch = batch_stride == 0 ? 0 : index / p->heads, head = head_stride == 0 ? 0 : index % p->heads;
  return batch * (head_stride == 0 ? 1 : p->heads) + head;
}

/* Where matrix number `place` of the distinct ones starts. */
RECVAE_INLINE int32_t offset_of(const GemmParams* p, int32_t place, int32_t batch_stride, int32_t head_stride) {
  const int32_t heads = head_stride == 0 ? 1 : p->heads;
  return place / heads * batch_stride + place % heads * head_stride;
}

/* The workspace: packed b, packed a where it is shared, partial results. */
struct Workspace {
  float* panels;
  float* tiles;
  float* parts;
  int32_t panel_matrices;
  int32_t tile_matrices;
};

RECVAE_INLINE Workspace workspace_of(const GemmParams* p, const Plan& plan) {
  Workspace w;
  w.panel_matrices = plan.shared_panels ? distinct(p, p->b_batch, p->b_head) : 0;
  w.tile_matrices = plan.shared_tiles ? distinct(p, p->a_batch, p->a_head) : 0;
  w.panels = p->workspace;
  w.tiles = w.panels + w.panel_matrices * panel_floats(p);
  w.parts = w.tiles + w.tile_matrices * tile_floats(p, plan);
  return w;
}

/* One k block of b, kPackColumns columns. */
RECVAE_INLINE void prepare_panels(const GemmParams* p, const Plan& plan, float* panels, int32_t slice) {
  const int32_t groups = ceil_div(p->n, kPackColumns), blocks = ceil_div(padded_depth(p), plan.depth);
  const int32_t n0 = slice % groups * kPackColumns, k0 = slice / groups % blocks * plan.depth;
  const int32_t place = slice / groups / blocks;
  const int32_t depth = smaller(plan.depth, p->k - k0), padded = smaller(plan.depth, padded_depth(p) - k0);
  const int32_t columns = smaller(kPackColumns, p->n - n0);
  const float* b = p->b + offset_of(p, place, p->b_batch, p->b_head) + k0 * p->b_row + n0 * p->b_column;
  float* to = panels + place * panel_floats(p) + k0 * round_up(p->n, kPanel) + n0 * padded;
  if (columns == kPackColumns && p->b_column == 1) return pack_four_panels(b, p->b_row, depth, padded, to);
  for (int32_t n = 0; n < columns; n += kPanel, to += padded * kPanel) {
    pack_panel(b + n * p->b_column, p, depth, padded, smaller(kPanel, columns - n), to);
  }
}

/* One k block of a, one row block. */
RECVAE_INLINE void prepare_tiles(const GemmParams* p, const Plan& plan, float* tiles, int32_t slice) {
  const int32_t blocks = ceil_div(padded_depth(p), plan.depth);
  const int32_t m0 = slice % plan.row_blocks * plan.rows, k0 = slice / plan.row_blocks % blocks * plan.depth;
  const int32_t place = slice / plan.row_blocks / blocks;
  const int32_t depth = smaller(plan.depth, p->k - k0), padded = smaller(plan.depth, padded_depth(p) - k0);
  const float* a = p->a + offset_of(p, place, p->a_batch, p->a_head) + m0 * p->a_row + k0 * p->a_column;
  float* to = tiles + place * tile_floats(p, plan) + k0 * tile_rows(p, plan) + m0 * padded;
  pack_tiles(a, p, depth, padded, smaller(plan.rows, p->m - m0), to);
}

/* Adds the bias to a finished block of c and applies the activation. */
void finish_strip(const GemmParams* p, Block block, int32_t column) {
  const v128_t slope = wasm_f32x4_splat(p->slope);
  const float* bias = p->bias ? p->bias + column : 0;
  const int32_t before = p->preactivation ? (int32_t)(p->preactivation - p->c) : 0;
  for (int32_t m = 0; m < block.rows; ++m, block.c += block.stride) {
    int32_t n = 0;
    for (; n + 4 <= block.columns; n += 4) {
      float* c = block.c + n;
      const v128_t value = bias ? wasm_f32x4_add(load(c), load(bias + n)) : load(c);
      if (before) store(c + before, value);
      store(c, activate(value, p->activation, slope));
    }
    for (; n < block.columns; ++n) {
      float* c = block.c + n;
      const v128_t value = wasm_f32x4_splat(bias ? *c + bias[n] : *c);
      if (before) c[before] = wasm_f32x4_extract_lane(value, 0);
      *c = wasm_f32x4_extract_lane(activate(value, p->activation, slope), 0);
    }
  }
}

RECVAE_INLINE bool has_finish(const GemmParams* p) {
  return p->bias || p->preactivation || p->activation != kLinear;
}

/* One panel that is not packed yet: read where it lies as far as that goes, the rest copied. */
RECVAE_INLINE void multiply_unpacked(const GemmParams* p, const float* b, int32_t depth, const float* tiles,
                                     const Block& block, bool first, float* scratch) {
  const int32_t padded = round_up(larger(depth, 1), kStep);
  const bool direct = p->b_column == 1 && block.columns == kPanel;
  const int32_t whole = direct ? depth / kStep * kStep : 0;
  if (whole) multiply_tiles(tiles, padded, 0, {b, p->b_row, whole}, block, first);
  if (whole == padded) return;
  pack_panel(b + whole * p->b_row, p, depth - whole, padded - whole, block.columns, scratch);
  multiply_tiles(tiles, padded, whole, {scratch, kPanel, padded - whole}, block, first && whole == 0);
}

/* Place of a slice: its matrix, first row and column, and split of k. */
struct Place {
  int32_t matrix;
  int32_t row;
  int32_t column;
  int32_t split;
};

/* All k blocks of a slice. */
RECVAE_INLINE void multiply_slice(const GemmParams* p, const Plan& plan, const Workspace& w, Place at, Block block,
                                  float* scratch) {
  const int32_t padded_k = padded_depth(p), columns = block.columns;
  const float* panels = w.panels + place_of(p, at.matrix, p->b_batch, p->b_head) * panel_floats(p);
  const float* shared = w.tiles + place_of(p, at.matrix, p->a_batch, p->a_head) * tile_floats(p, plan);
  const int32_t first = at.split * plan.blocks * plan.depth;
  const int32_t end = smaller(first + plan.blocks * plan.depth, padded_k);
  const bool finish = plan.splits == 1 && has_finish(p);
  float* c = block.c;
  for (int32_t k0 = first; k0 < end; k0 += plan.depth) {
    const int32_t padded = smaller(plan.depth, padded_k - k0), depth = smaller(plan.depth, p->k - k0);
    const float* tiles = scratch;
    if (plan.shared_tiles) tiles = shared + k0 * tile_rows(p, plan) + at.row * padded;
    else pack_tiles(block.a + k0 * p->a_column, p, depth, padded, block.rows, scratch);
    for (int32_t n = 0; n < columns; n += kPanel) {
      block.c = c + n;
      block.columns = smaller(kPanel, columns - n);
      if (plan.shared_panels) {
        const float* panel = panels + k0 * round_up(p->n, kPanel) + (at.column + n) * padded;
        multiply_tiles(tiles, padded, 0, {panel, kPanel, padded}, block, k0 == first);
      } else {
        const float* b = block.b + k0 * p->b_row + n * p->b_column;
        float* panel = scratch + (plan.shared_tiles ? 0 : padded * padded_rows(block.rows));
        multiply_unpacked(p, b, depth, tiles, block, k0 == first, panel);
      }
      if (finish && k0 + padded == end) finish_strip(p, block, at.column + n);
    }
  }
}

RECVAE_INLINE void multiply_dots(const GemmParams* p, const Plan& plan, Place at, Block block) {
  const int32_t k = at.split * plan.depth;
  block.a += k * p->a_column;
  block.b += k * p->b_row;
  dot_products(p, block, smaller(plan.depth, p->k - k));
  if (plan.splits == 1 && has_finish(p)) finish_strip(p, block, at.column);
}

}  // namespace

RECVAE_EXPORT(f32_gemm__workspace)
int32_t f32_gemm__workspace(const GemmParams* p) {
  const Plan plan = plan_of(p);
  const Workspace w = workspace_of(p, plan);
  const int32_t parts = plan.splits == 1 ? 0 : plan.splits * plan.matrices * p->m * p->n;
  return ((int32_t)(w.parts - p->workspace) + parts) * (int32_t)sizeof(float);
}

RECVAE_EXPORT(f32_gemm__scratch)
int32_t f32_gemm__scratch(const GemmParams* p) {
  const Plan plan = plan_of(p);
  if (plan.dot) return 0;
  const int32_t tiles = plan.shared_tiles ? 0 : plan.depth * padded_rows(plan.rows);
  return (tiles + (plan.shared_panels ? 0 : plan.depth * kPanel)) * (int32_t)sizeof(float);
}

RECVAE_EXPORT(f32_gemm_prepare__slices)
int32_t f32_gemm_prepare__slices(const GemmParams* p) {
  const Plan plan = plan_of(p);
  if (p->m * p->n == 0) return 0;
  const Workspace w = workspace_of(p, plan);
  const int32_t blocks = ceil_div(padded_depth(p), plan.depth);
  return blocks * (w.panel_matrices * ceil_div(p->n, kPackColumns) + w.tile_matrices * plan.row_blocks);
}

RECVAE_EXPORT(f32_gemm_prepare)
void f32_gemm_prepare(const GemmParams* p, int32_t begin, int32_t end, float* scratch) {
  const Plan plan = plan_of(p);
  const Workspace w = workspace_of(p, plan);
  const int32_t blocks = ceil_div(padded_depth(p), plan.depth);
  const int32_t panels = blocks * w.panel_matrices * ceil_div(p->n, kPackColumns);
  for (int32_t s = begin; s < end; ++s) {
    if (s < panels) prepare_panels(p, plan, w.panels, s);
    else prepare_tiles(p, plan, w.tiles, s - panels);
  }
}

RECVAE_EXPORT(f32_gemm__slices)
int32_t f32_gemm__slices(const GemmParams* p) {
  const Plan plan = plan_of(p);
  return plan.matrices * plan.row_blocks * plan.column_blocks * plan.splits;
}

RECVAE_EXPORT(f32_gemm)
void f32_gemm(const GemmParams* p, int32_t begin, int32_t end, float* scratch) {
  const Plan plan = plan_of(p);
  const Workspace w = workspace_of(p, plan);
  for (int32_t s = begin; s < end; ++s) {
    int32_t rest = s;
    Place at;
    at.column = rest % plan.column_blocks * plan.columns;
    rest /= plan.column_blocks;
    at.row = rest % plan.row_blocks * plan.rows;
    rest /= plan.row_blocks;
    at.matrix = rest % plan.matrices;
    at.split = rest / plan.matrices;
    const int32_t batch = at.matrix / p->heads, head = at.matrix % p->heads;
    Block block;
    block.a = p->a + batch * p->a_batch + head * p->a_head + at.row * p->a_row;
    block.b = p->b + batch * p->b_batch + head * p->b_head + at.column * p->b_column;
    if (plan.splits == 1) {
      block.stride = p->c_row;
      block.c = p->c + batch * p->c_batch + head * p->c_head + at.row * p->c_row + at.column;
    } else {
      block.stride = p->n;
      block.c = w.parts + ((at.split * plan.matrices + at.matrix) * p->m + at.row) * p->n + at.column;
    }
    block.rows = smaller(plan.rows, p->m - at.row);
    block.columns = smaller(plan.columns, p->n - at.column);
    if (plan.dot) multiply_dots(p, plan, at, block);
    else multiply_slice(p, plan, w, at, block, scratch);
  }
}

/* Rows of c that one slice of _finish adds up. */
RECVAE_INLINE int32_t finish_rows(const GemmParams* p) { return larger(1, kFinishFloats / larger(1, p->n)); }

RECVAE_EXPORT(f32_gemm_finish__slices)
int32_t f32_gemm_finish__slices(const GemmParams* p) {
  const Plan plan = plan_of(p);
  return plan.splits == 1 ? 0 : plan.matrices * ceil_div(p->m, finish_rows(p));
}

RECVAE_EXPORT(f32_gemm_finish)
void f32_gemm_finish(const GemmParams* p, int32_t begin, int32_t end, float* scratch) {
  const Plan plan = plan_of(p);
  const Workspace w = workspace_of(p, plan);
  const int32_t blocks = ceil_div(p->m, finish_rows(p)), size = plan.matrices * p->m * p->n;
  for (int32_t s = begin; s < end; ++s) {
    const int32_t matrix = s / blocks, m0 = s % blocks * finish_rows(p);
    Block block;
    block.rows = smaller(finish_rows(p), p->m - m0);
    block.columns = p->n;
    block.stride = p->c_row;
    block.c = p->c + matrix / p->heads * p->c_batch + matrix % p->heads * p->c_head + m0 * p->c_row;
    const float* from = w.parts + (matrix * p->m + m0) * p->n;
    for (int32_t m = 0; m < block.rows; ++m, from += p->n) {
      float* c = block.c + m * block.stride;
      for (int32_t n = 0; n < p->n; ++n) {
        float sum = from[n];
        for (int32_t part = 1; part < plan.splits; ++part) sum += from[part * size + n];
        c[n] = sum;
      }
    }
    if (has_finish(p)) finish_strip(p, block, 0);
  }
}

}  // namespace recvae
