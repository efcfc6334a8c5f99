/* Register tiles of the matrix product, see gemm.h: panels of 8 columns, packed or where they lie. */
#include "gemm.h"

namespace recvae {
namespace gemm {

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
void tile(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c, int32_t width, bool first) {
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
  put_tile<ROWS>(c, p->n, acc, width, first);
}

/* The same with b where it lies, rows of b_row floats. */
template <int ROWS>
void direct_tile(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c, bool first) {
  v128_t acc[ROWS][2];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) acc[i][0] = acc[i][1] = zero4();
  const int32_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row;
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < depth; ++k, a += a_column, b += b_row) step<ROWS>(a, a_row, b, acc);
  put_tile<ROWS>(c, p->n, acc, kPanel, first);
}

template <Layout LAYOUT>
RECVAE_INLINE void packed_rows(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c,
                               int32_t rows, int32_t width, bool first) {
  switch (rows) {
    case 1: return tile<1, LAYOUT>(p, a, b, depth, c, width, first);
    case 2: return tile<2, LAYOUT>(p, a, b, depth, c, width, first);
    case 3: return tile<3, LAYOUT>(p, a, b, depth, c, width, first);
    default: return tile<4, LAYOUT>(p, a, b, depth, c, width, first);
  }
}

}  // namespace

void panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first) {
  const int32_t width = smaller(kPanel, block.columns - column);
  for (int32_t m = 0; m < block.rows; m += kTile) {
    const float* a = block.a + m * p->a_row;
    float* c = block.c + m * p->n + column;
    const int32_t rows = block.rows - m;
    if (p->a_column == 1) packed_rows<kRowsContiguous>(p, a, b, depth, c, rows, width, first);
    else if (p->a_row == 1) packed_rows<kColumnsContiguous>(p, a, b, depth, c, rows, width, first);
    else packed_rows<kAnyLayout>(p, a, b, depth, c, rows, width, first);
  }
}

void direct_panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first) {
  for (int32_t m = 0; m < block.rows; m += kTile) {
    const float* a = block.a + m * p->a_row;
    float* c = block.c + m * p->n + column;
    switch (block.rows - m) {
      case 1: direct_tile<1>(p, a, b, depth, c, first); break;
      case 2: direct_tile<2>(p, a, b, depth, c, first); break;
      case 3: direct_tile<3>(p, a, b, depth, c, first); break;
      default: direct_tile<4>(p, a, b, depth, c, first); break;
    }
  }
}

}  // namespace gemm
}  // namespace recvae
