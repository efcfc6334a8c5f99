/* Copies of the matrices in the order in which the register tile reads them, see gemm.h. */
#include "gemm.h"

namespace recvae {
namespace gemm {
namespace {

RECVAE_INLINE void transpose(v128_t& r0, v128_t& r1, v128_t& r2, v128_t& r3) {
  const v128_t low01 = wasm_i32x4_shuffle(r0, r1, 0, 4, 1, 5), low23 = wasm_i32x4_shuffle(r2, r3, 0, 4, 1, 5);
  const v128_t high01 = wasm_i32x4_shuffle(r0, r1, 2, 6, 3, 7), high23 = wasm_i32x4_shuffle(r2, r3, 2, 6, 3, 7);
  r0 = wasm_i64x2_shuffle(low01, low23, 0, 2);
  r1 = wasm_i64x2_shuffle(low01, low23, 1, 3);
  r2 = wasm_i64x2_shuffle(high01, high23, 0, 2);
  r3 = wasm_i64x2_shuffle(high01, high23, 1, 3);
}

/* Any layout and width, element by element. */
void pack_panel_elements(const float* b, const GemmParams* p, int32_t depth, int32_t padded, int32_t width, float* to) {
  const int32_t row = p->b_row, column = p->b_column;
  for (int32_t k = 0; k < padded; ++k) {
    for (int32_t j = 0; j < kPanel; ++j) {
      to[k * kPanel + j] = k < depth && j < width ? b[k * row + j * column] : 0.0f;
    }
  }
}

/* A whole panel whose rows are contiguous. */
void pack_panel_rows(const float* b, int32_t row, int32_t depth, int32_t padded, float* to) {
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < depth; ++k, b += row, to += kPanel) {
    const v128_t low = load(b), high = load(b + 4);
    store(to, low);
    store(to + 4, high);
  }
  zero_floats(to, (padded - depth) * kPanel);
}

/* A whole panel whose columns lie contiguous along k: 8 × 4 transposed. */
void pack_panel_columns(const float* b, const GemmParams* p, int32_t depth, int32_t padded, float* to) {
  const int32_t column = p->b_column;
  int32_t k = 0;
  RECVAE_NO_UNROLL
  for (; k + 4 <= depth; k += 4, b += 4, to += 4 * kPanel) {
    RECVAE_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float* f = b + 4 * half * column;
      v128_t r0 = load(f), r1 = load(f + column), r2 = load(f + 2 * column), r3 = load(f + 3 * column);
      transpose(r0, r1, r2, r3);
      float* t = to + 4 * half;
      store(t, r0);
      store(t + kPanel, r1);
      store(t + 2 * kPanel, r2);
      store(t + 3 * kPanel, r3);
    }
  }
  pack_panel_elements(b, p, depth - k, padded - k, kPanel, to);
}

void pack_tile_elements(const float* a, const GemmParams* p, int32_t depth, int32_t padded, int32_t rows,
                        int32_t height, float* to) {
  const int32_t row = p->a_row, column = p->a_column;
  for (int32_t k = 0; k < padded; ++k) {
    float* pair = to + (k >> 1) * 2 * height;
    const int32_t second = k & 1;
    for (int32_t i = 0; i < height; ++i) {
      const int32_t at = i < 4 ? second * 4 + i : 8 + second * 2 + i - 4;
      pair[at] = k < depth && i < rows ? a[k * column + i * row] : 0.0f;
    }
  }
}

/* A whole tile whose rows are contiguous. */
template <int HEIGHT>
void pack_tile_rows(const float* a, const GemmParams* p, int32_t depth, int32_t padded, float* to) {
  const int32_t row = p->a_row;
  int32_t k = 0;
  RECVAE_NO_UNROLL
  for (; k + 4 <= depth; k += 4, a += 4, to += 4 * HEIGHT) {
    v128_t r0 = load(a), r1 = load(a + row), r2 = load(a + 2 * row), r3 = load(a + 3 * row);
    transpose(r0, r1, r2, r3);
    float* second = to + 2 * HEIGHT;
    store(to, r0);
    store(to + 4, r1);
    store(second, r2);
    store(second + 4, r3);
    if constexpr (HEIGHT == kTall) {
      const v128_t r4 = load(a + 4 * row), r5 = load(a + 5 * row);
      store(to + 8, wasm_i32x4_shuffle(r4, r5, 0, 4, 1, 5));
      store(second + 8, wasm_i32x4_shuffle(r4, r5, 2, 6, 3, 7));
    }
  }
  pack_tile_elements(a, p, depth - k, padded - k, HEIGHT, HEIGHT, to);
}

/* A whole tile whose columns are contiguous. */
template <int HEIGHT>
void pack_tile_columns(const float* a, const GemmParams* p, int32_t depth, int32_t padded, float* to) {
  const int32_t column = p->a_column;
  int32_t k = 0;
  RECVAE_NO_UNROLL
  for (; k + 2 <= depth; k += 2, a += 2 * column, to += 2 * HEIGHT) {
    store(to, load(a));
    store(to + 4, load(a + column));
    if constexpr (HEIGHT == kTall) {
      const v128_t x = wasm_v128_load64_zero(a + 4), y = wasm_v128_load64_zero(a + column + 4);
      store(to + 8, wasm_i64x2_shuffle(x, y, 0, 2));
    }
  }
  pack_tile_elements(a, p, depth - k, padded - k, HEIGHT, HEIGHT, to);
}

template <int HEIGHT>
RECVAE_INLINE void pack_tile(const float* a, const GemmParams* p, int32_t depth, int32_t padded, int32_t rows,
                             float* to) {
  if (rows < HEIGHT) pack_tile_elements(a, p, depth, padded, rows, HEIGHT, to);
  else if (p->a_column == 1) pack_tile_rows<HEIGHT>(a, p, depth, padded, to);
  else if (p->a_row == 1) pack_tile_columns<HEIGHT>(a, p, depth, padded, to);
  else pack_tile_elements(a, p, depth, padded, HEIGHT, HEIGHT, to);
}

}  // namespace

void pack_panel(const float* b, const GemmParams* p, int32_t depth, int32_t padded, int32_t width, float* to) {
  if (width == kPanel && p->b_column == 1) return pack_panel_rows(b, p->b_row, depth, padded, to);
  if (width == kPanel && p->b_row == 1) return pack_panel_columns(b, p, depth, padded, to);
  pack_panel_elements(b, p, depth, padded, width, to);
}

void pack_four_panels(const float* b, int32_t row, int32_t depth, int32_t padded, float* to) {
  const int32_t step = padded * kPanel;
  RECVAE_NO_UNROLL
  for (int32_t k = 0; k < depth; ++k, b += row, to += kPanel) {
    v128_t v[8];
    RECVAE_UNROLL
    for (int i = 0; i < 8; ++i) v[i] = load_here(b + 4 * i);
    float* t = to;
    RECVAE_UNROLL
    for (int i = 0; i < 4; ++i, t += step) {
      store(t, v[2 * i]);
      store(t + 4, v[2 * i + 1]);
    }
  }
  for (int32_t k = depth; k < padded; ++k, to += kPanel) {
    for (int i = 0; i < 4; ++i) zero_floats(to + i * step, kPanel);
  }
}

void pack_tiles(const float* a, const GemmParams* p, int32_t depth, int32_t padded, int32_t rows, float* to) {
  const int32_t tall = tiles_of(rows).tall * kTall;
  int32_t m = 0;
  for (; m < tall; m += kTall, a += kTall * p->a_row, to += kTall * padded) {
    pack_tile<kTall>(a, p, depth, padded, rows - m, to);
  }
  for (; m < rows; m += kLow, a += kLow * p->a_row, to += kLow * padded) {
    pack_tile<kLow>(a, p, depth, padded, rows - m, to);
  }
}

}  // namespace gemm
}  // namespace recvae
