/*
 * The inner loop shared by the direct forward convolution and the direct input gradient, both of which step
 * along x in positions that two neighbouring columns of the result share:
 *
 *   acc[j]     += value(position j) · A      (position j = 0 … COLS − 1)
 *   acc[j − 1] += value(position j) · B      (position j = 1 … COLS)
 *
 * with 8 results per column (two vectors) and 16 weights (A, B) per channel that is summed over.
 * Registers: 2·COLS accumulators, 4 weights, 1 splat, so COLS <= 5. Loads per fma: (COLS + 5) / (4·COLS).
 */
#pragma once

#include "../kernel.h"

namespace recvae {

/*
 * Sums over `channels` channels lying one after another at x; `step` floats from one position to the next;
 * w advances by 16 floats a channel. SKIP_FIRST and SKIP_LAST leave out positions 0 and COLS (padding).
 */
template <int COLS, bool SKIP_FIRST, bool SKIP_LAST>
RECVAE_INLINE void add_columns(v128_t (&acc)[COLS][2], const float* x, int32_t step, int32_t channels,
                               const float* w) {
  RECVAE_NO_UNROLL
  for (; channels > 0; --channels, ++x, w += 16) {
    const v128_t a0 = load_here(w), a1 = load_here(w + 4), b0 = load_here(w + 8), b1 = load_here(w + 12);
    const float* at = SKIP_FIRST ? x + step : x;
    RECVAE_UNROLL
    for (int j = SKIP_FIRST ? 1 : 0; j <= (SKIP_LAST ? COLS - 1 : COLS); ++j, at += step) {
      v128_t s = splat(at);
      pin(s);
      if (j > 0) {
        add_product(acc[j - 1][0], s, b0);
        add_product(acc[j - 1][1], s, b1);
      }
      if (j < COLS) {
        add_product(acc[j][0], s, a0);
        add_product(acc[j][1], s, a1);
      }
    }
  }
}

/* Widths (at most 5) of the tiles that cover `columns`: as few tiles as possible, as equal as possible. */
struct Tiling {
  int32_t count; /* tiles */
  int32_t wide;  /* how many of them have width + 1 columns */
  int32_t width;
};

RECVAE_INLINE Tiling tiling(int32_t columns) {
  const int32_t count = ceil_div(columns, 5);
  return {count, columns % count, columns / count};
}

}  // namespace recvae
