/*
 * The register tile of the packed matrix product, see gemm.h: 6 rows × 8 columns, 12 accumulators, two vectors of b and
 * one of a. Rows 0–3 of a come as one vector that is rotated by a lane after each row, rows 4 and 5 by splat loads: 0.25
 * shuffles and 0.33 loads per multiply–add, 98.9 % of the peak in the cache (wasm/README.md has what else was tried:
 * shuffles take one of the two fma pipes part of the time, so a splat by lane costs more than a rotation every fourth).
 * After the loop, lane l of accumulator r < 4 holds row (r + l) mod 4; 8 blends a vector of columns put the lanes back.
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

using Accumulators = v128_t[kTileRows][2];

/* Two steps of k from one pair of a's tile; `a` and `b` move on. */
RECVAE_INLINE void multiply_pair(const float*& a, const float*& b, Accumulators& acc) {
  const float* last_rows = a + 8;
  RECVAE_UNROLL
  for (int second = 0; second < 2; ++second) {
    v128_t rows = next(a), b0 = next(b), b1 = next(b);
    RECVAE_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (i) rotate(rows);
      add_product(acc[i][0], rows, b0);
      add_product(acc[i][1], rows, b1);
    }
    RECVAE_UNROLL
    for (int i = 4; i < 6; ++i) {
      v128_t row = splat(last_rows + second * 2 + i - 4);
      pin(row);
      add_product(acc[i][0], row, b0);
      add_product(acc[i][1], row, b1);
    }
  }
  a += 4;
  pin_pointer(a);
}

RECVAE_INLINE void unrotate(Accumulators& acc) {
  RECVAE_UNROLL
  for (int j = 0; j < 2; ++j) {
    v128_t even[4];
    RECVAE_UNROLL
    for (int r = 0; r < 4; ++r) even[r] = wasm_i32x4_shuffle(acc[r][j], acc[(r + 3) & 3][j], 0, 5, 2, 7);
    RECVAE_UNROLL
    for (int r = 0; r < 4; ++r) acc[r][j] = wasm_i32x4_shuffle(even[r], even[(r + 2) & 3], 0, 1, 6, 7);
  }
}

template <bool FIRST>
RECVAE_INLINE void put_tile(float* c, int32_t stride, const Accumulators& acc, int32_t rows, int32_t width) {
  if (rows >= kTileRows && width == kPanel) {
    RECVAE_UNROLL
    for (int i = 0; i < kTileRows; ++i, c += stride) {
      store(c, FIRST ? acc[i][0] : wasm_f32x4_add(load(c), acc[i][0]));
      store(c + 4, FIRST ? acc[i][1] : wasm_f32x4_add(load(c + 4), acc[i][1]));
    }
    return;
  }
  float lanes[kTileRows * kPanel];
  RECVAE_UNROLL
  for (int i = 0; i < kTileRows; ++i) {
    store(lanes + i * kPanel, acc[i][0]);
    store(lanes + i * kPanel + 4, acc[i][1]);
  }
  for (int32_t i = 0; i < smaller(kTileRows, rows); ++i) {
    for (int32_t j = 0; j < width; ++j) {
      const float value = lanes[i * kPanel + j];
      c[i * stride + j] = FIRST ? value : c[i * stride + j] + value;
    }
  }
}

template <bool FIRST>
__attribute__((noinline)) void multiply(const float* a, const float* panel, int32_t padded, float* c, int32_t stride,
                                        int32_t rows, int32_t width) {
  const float* end = panel + padded * kPanel;
  for (; rows > 0; rows -= kTileRows, c += kTileRows * stride) {
    const float* b = panel;
    Accumulators acc;
    RECVAE_UNROLL
    for (int i = 0; i < kTileRows; ++i) acc[i][0] = acc[i][1] = zero4();
    RECVAE_NO_UNROLL
    do {
      RECVAE_UNROLL
      for (int k = 0; k < kStep; k += 2) multiply_pair(a, b, acc);
    } while (b != end);
    unrotate(acc);
    put_tile<FIRST>(c, stride, acc, rows, width);
  }
}

}  // namespace

void multiply_tiles(const float* tiles, const float* panel, int32_t padded, Block block, bool first) {
  if (first) multiply<true>(tiles, panel, padded, block.c, block.stride, block.rows, block.columns);
  else multiply<false>(tiles, panel, padded, block.c, block.stride, block.rows, block.columns);
}

}  // namespace gemm
}  // namespace recvae
