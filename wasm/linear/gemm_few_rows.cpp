/*
 * The matrix product of few rows, see gemm.h: tiles of 4 rows and 8 columns. b is read where it lies while its rows are
 * contiguous and few rows use it, copied into panels otherwise.
 */
#include "gemm.h"

namespace recvae {
namespace gemm {
namespace {

/* How a's elements lie. A load costs three instruction slots (wasm/README.md), a lane of a loaded vector one. */
enum Layout { kAnyLayout, kRowsContiguous /* a_column = 1 */, kColumnsContiguous /* a_row = 1 */ };

/* Writes or adds a register tile to c. */
template <int ROWS>
RECVAE_INLINE void put_tile(float* c, int32_t stride, v128_t (&acc)[ROWS][2], int32_t width, bool first) {
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    float* to = c + i * stride;
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

/* One step of k: acc += a[·]·b[0 … 8). */
template <int ROWS>
RECVAE_INLINE void step(const float* a, int32_t a_row, const float* b, v128_t (&acc)[ROWS][2]) {
  const v128_t b0 = load_here(b), b1 = load_here(b + 4);
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    v128_t v = splat(a + i * a_row);
    pin(v);
    add_product(acc[i][0], v, b0);
    add_product(acc[i][1], v, b1);
  }
}

/* acc[i] += lane LANE of a[i] · b[0 … 8). */
template <int ROWS, int LANE>
RECVAE_INLINE void lane_step(const v128_t (&a)[ROWS], const float* b, v128_t (&acc)[ROWS][2]) {
  const v128_t b0 = load_here(b), b1 = load_here(b + 4);
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    v128_t v = lane_splat(a[i], LANE);
    pin(v);
    add_product(acc[i][0], v, b0);
    add_product(acc[i][1], v, b1);
  }
}

/* Four steps of k where a's rows are contiguous: one load per row, lanes instead of splat loads. */
template <int ROWS>
RECVAE_INLINE void four_steps(const float* a, int32_t a_row, const float* b, v128_t (&acc)[ROWS][2]) {
  v128_t va[ROWS];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) va[i] = load_here(a + i * a_row);
  lane_step<ROWS, 0>(va, b, acc);
  lane_step<ROWS, 1>(va, b + kPanel, acc);
  lane_step<ROWS, 2>(va, b + 2 * kPanel, acc);
  lane_step<ROWS, 3>(va, b + 3 * kPanel, acc);
}

/* One step of k where a's columns are contiguous: one load for four rows. */
RECVAE_INLINE void column_step(const float* a, const float* b, v128_t (&acc)[4][2]) {
  const v128_t va = load_here(a), b0 = load_here(b), b1 = load_here(b + 4);
  RECVAE_UNROLL
  for (int i = 0; i < 4; ++i) {
    v128_t v = lane_splat(va, i);
    pin(v);
    add_product(acc[i][0], v, b0);
    add_product(acc[i][1], v, b1);
  }
}

/* c tile (ROWS × up to 8) = or += a·b over `depth`, b in panels of 8. */
template <int ROWS, Layout LAYOUT>
void tile(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c, int32_t stride, int32_t width,
          bool first) {
  v128_t acc[ROWS][2];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) acc[i][0] = acc[i][1] = zero4();
  const int32_t a_row = p->a_row, a_column = p->a_column;
  int32_t k = 0;
  if constexpr (LAYOUT == kColumnsContiguous && ROWS == 4) {
    RECVAE_NO_UNROLL
    for (; k < depth; ++k, a += a_column, b += kPanel) column_step(a, b, acc);
  }
  if constexpr (LAYOUT == kRowsContiguous) {
    RECVAE_NO_UNROLL
    for (; k + 4 <= depth; k += 4, a += 4, b += 4 * kPanel) four_steps<ROWS>(a, a_row, b, acc);
  }
  RECVAE_NO_UNROLL
  for (; k < depth; ++k, a += a_column, b += kPanel) step<ROWS>(a, a_row, b, acc);
  put_tile<ROWS>(c, stride, acc, width, first);
}

/* The same with b where it lies, rows of b_row floats. */
template <int ROWS>
void direct_tile(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c, int32_t stride,
                 bool first) {
  v128_t acc[ROWS][2];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) acc[i][0] = acc[i][1] = zero4();
  const int32_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row;
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < depth; ++k, a += a_column, b += b_row) step<ROWS>(a, a_row, b, acc);
  put_tile<ROWS>(c, stride, acc, kPanel, first);
}

template <Layout LAYOUT>
RECVAE_INLINE void packed_rows(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c,
                               int32_t stride, int32_t rows, int32_t width, bool first) {
  switch (rows) {
    case 1: return tile<1, LAYOUT>(p, a, b, depth, c, stride, width, first);
    case 2: return tile<2, LAYOUT>(p, a, b, depth, c, stride, width, first);
    case 3: return tile<3, LAYOUT>(p, a, b, depth, c, stride, width, first);
    default: return tile<4, LAYOUT>(p, a, b, depth, c, stride, width, first);
  }
}

/* c = or += a·b: one packed panel of columns over all rows of the block. */
void panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first) {
  const int32_t width = smaller(kPanel, block.columns - column);
  for (int32_t m = 0; m < block.rows; m += kFewTile) {
    const float* a = block.a + m * p->a_row;
    float* c = block.c + m * block.stride + column;
    const int32_t rows = block.rows - m;
    if (p->a_column == 1) packed_rows<kRowsContiguous>(p, a, b, depth, c, block.stride, rows, width, first);
    else if (p->a_row == 1) packed_rows<kColumnsContiguous>(p, a, b, depth, c, block.stride, rows, width, first);
    else packed_rows<kAnyLayout>(p, a, b, depth, c, block.stride, rows, width, first);
  }
}

/* The same for a whole panel of columns of b where it lies. */
void direct_panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first) {
  for (int32_t m = 0; m < block.rows; m += kFewTile) {
    const float* a = block.a + m * p->a_row;
    float* c = block.c + m * block.stride + column;
    switch (block.rows - m) {
      case 1: direct_tile<1>(p, a, b, depth, c, block.stride, first); break;
      case 2: direct_tile<2>(p, a, b, depth, c, block.stride, first); break;
      case 3: direct_tile<3>(p, a, b, depth, c, block.stride, first); break;
      default: direct_tile<4>(p, a, b, depth, c, block.stride, first); break;
    }
  }
}

}  // namespace

void multiply_few_rows(const GemmParams* p, Block block, int32_t depth, float* scratch) {
  if (is_dot(p, block.rows)) return dot_products(p, block, depth);
  const bool direct = p->b_column == 1 && block.rows <= 2 * kFewTile;
  const int32_t whole = direct ? block.columns / kPanel * kPanel : 0;
  for (int32_t k = 0; k < depth; k += kFewRowsDepth) {
    const int32_t count = smaller(kFewRowsDepth, depth - k);
    const float* b = block.b + k * p->b_row;
    for (int32_t n = 0; n < whole; n += kPanel) direct_panel(p, block, n, b + n, count, k == 0);
    for (int32_t n = whole; n < block.columns; n += kPanel) {
      pack_panel(b + n * p->b_column, p, count, count, smaller(kPanel, block.columns - n), scratch);
      panel(p, block, n, scratch, count, k == 0);
    }
    block.a += count * p->a_column;
  }
}

}  // namespace gemm
}  // namespace recvae
