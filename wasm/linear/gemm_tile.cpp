/*
 * The register tile of the matrix product, see gemm.h: 6 rows × 8 columns, 12 accumulators, two vectors of b and one of a.
 * Rows 0–3 of a come as one vector that is rotated by a lane after each row, rows 4 and 5 by splat loads: 0.25 shuffles and
 * 0.33 loads per multiply–add, 98.9 % of the peak in the cache (wasm/README.md has what else was tried: shuffles take one
 * of the two fma pipes part of the time, so a splat by lane costs more than a rotation every fourth). What 6 does not
 * divide goes through the same tile with 4 rows (92 %). After the loop, lane l of accumulator r < 4 holds row (r + l) mod 4;
 * 8 blends a vector of columns put the lanes back.
 */
#include "gemm.h"

namespace recvae {
namespace gemm {
namespace {

template <typename T>
RECVAE_INLINE void pin_pointer(T*& p) {
  asm volatile("" : "+r"(p));
}

/* A load and an increment at this place in the instruction stream. */
RECVAE_INLINE v128_t next(const float*& p) {
  v128_t v = load_here(p);
  p += 4;
  pin_pointer(p);
  return v;
}

RECVAE_INLINE void rotate(v128_t& v) {
  v = wasm_i32x4_shuffle(v, v, 1, 2, 3, 0);
  pin(v);
}

template <int HEIGHT>
using Accumulators = v128_t[HEIGHT][2];

/* One step of k; `a` and `b` move on. */
template <int HEIGHT, bool PACKED>
RECVAE_INLINE void multiply_row(const float*& a, const float* last_rows, const float*& b, int32_t b_row,
                                Accumulators<HEIGHT>& acc) {
  v128_t rows = next(a), b0, b1;
  if constexpr (PACKED) {
    b0 = next(b);
    b1 = next(b);
  } else {
    b0 = load_here(b);
    b1 = load_here(b + 4);
    b += b_row;
    pin_pointer(b);
  }
  RECVAE_UNROLL
  for (int i = 0; i < 4; ++i) {
    if (i) rotate(rows);
    add_product(acc[i][0], rows, b0);
    add_product(acc[i][1], rows, b1);
  }
  RECVAE_UNROLL
  for (int i = 4; i < HEIGHT; ++i) {
    v128_t row = splat(last_rows + i - 4);
    pin(row);
    add_product(acc[i][0], row, b0);
    add_product(acc[i][1], row, b1);
  }
}

/* Two steps of k from one pair of a's tile. */
template <int HEIGHT, bool PACKED>
RECVAE_INLINE void multiply_pair(const float*& a, const float*& b, int32_t b_row, Accumulators<HEIGHT>& acc) {
  const float* last_rows = a + 8;
  multiply_row<HEIGHT, PACKED>(a, last_rows, b, b_row, acc);
  multiply_row<HEIGHT, PACKED>(a, last_rows + 2, b, b_row, acc);
  if constexpr (HEIGHT == kTall) {
    a += 4;
    pin_pointer(a);
  }
}

template <int HEIGHT>
RECVAE_INLINE void unrotate(Accumulators<HEIGHT>& acc) {
  RECVAE_UNROLL
  for (int j = 0; j < 2; ++j) {
    v128_t even[4];
    RECVAE_UNROLL
    for (int r = 0; r < 4; ++r) even[r] = wasm_i32x4_shuffle(acc[r][j], acc[(r + 3) & 3][j], 0, 5, 2, 7);
    RECVAE_UNROLL
    for (int r = 0; r < 4; ++r) acc[r][j] = wasm_i32x4_shuffle(even[r], even[(r + 2) & 3], 0, 1, 6, 7);
  }
}

template <int HEIGHT, bool FIRST>
RECVAE_INLINE void put_tile(float* c, int32_t stride, const Accumulators<HEIGHT>& acc, int32_t rows, int32_t width) {
  if (rows >= HEIGHT && width == kPanel) {
    RECVAE_UNROLL
    for (int i = 0; i < HEIGHT; ++i, c += stride) {
      store(c, FIRST ? acc[i][0] : wasm_f32x4_add(load(c), acc[i][0]));
      store(c + 4, FIRST ? acc[i][1] : wasm_f32x4_add(load(c + 4), acc[i][1]));
    }
    return;
  }
  float lanes[HEIGHT * kPanel];
  RECVAE_UNROLL
  for (int i = 0; i < HEIGHT; ++i) {
    store(lanes + i * kPanel, acc[i][0]);
    store(lanes + i * kPanel + 4, acc[i][1]);
  }
  for (int32_t i = 0; i < smaller(HEIGHT, rows); ++i) {
    for (int32_t j = 0; j < width; ++j) {
      const float value = lanes[i * kPanel + j];
      c[i * stride + j] = FIRST ? value : c[i * stride + j] + value;
    }
  }
}

/* `count` tiles; those of a lie `a_tile` floats apart. */
template <int HEIGHT, bool PACKED, bool FIRST>
__attribute__((noinline)) void multiply(const float* tiles, int32_t a_tile, Panel panel, Block block, int32_t count) {
  const float* end = panel.b + panel.depth * panel.row;
  const int32_t b_row = panel.row, stride = block.stride, width = block.columns;
  float* c = block.c;
  int32_t rows = block.rows;
  for (; count > 0; --count, tiles += a_tile, rows -= HEIGHT, c += HEIGHT * stride) {
    const float* a = tiles;
    const float* b = panel.b;
    Accumulators<HEIGHT> acc;
    RECVAE_UNROLL
    for (int i = 0; i < HEIGHT; ++i) acc[i][0] = acc[i][1] = zero4();
    RECVAE_NO_UNROLL
    do {
      RECVAE_UNROLL
      for (int k = 0; k < kStep; k += 2) multiply_pair<HEIGHT, PACKED>(a, b, b_row, acc);
    } while (b != end);
    unrotate<HEIGHT>(acc);
    put_tile<HEIGHT, FIRST>(c, stride, acc, rows, width);
  }
}

template <bool PACKED, bool FIRST>
RECVAE_INLINE void multiply_all(const float* a, int32_t padded, int32_t from, Panel panel, Block block) {
  const Tiles tiles = tiles_of(block.rows);
  if (tiles.tall) multiply<kTall, PACKED, FIRST>(a + from * kTall, padded * kTall, panel, block, tiles.tall);
  if (!tiles.low) return;
  const int32_t done = tiles.tall * kTall;
  block.rows -= done;
  block.c += done * block.stride;
  multiply<kLow, PACKED, FIRST>(a + done * padded + from * kLow, padded * kLow, panel, block, tiles.low);
}

}  // namespace

void multiply_tiles(const float* tiles, int32_t padded, int32_t from, Panel panel, Block block, bool first) {
  if (panel.row == kPanel) {
    if (first) multiply_all<true, true>(tiles, padded, from, panel, block);
    else multiply_all<true, false>(tiles, padded, from, panel, block);
  } else {
    if (first) multiply_all<false, true>(tiles, padded, from, panel, block);
    else multiply_all<false, false>(tiles, padded, from, panel, block);
  }
}

}  // namespace gemm
}  // namespace recvae
