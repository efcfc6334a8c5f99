/*
 * The inner loop shared by the direct forward convolution and the direct input gradient, both of which step
 * along x in positions that two neighbouring columns of the result share:
 *
 *   acc[j]     += value(position j) · A      (position j = 0 … COLS − 1)
 *   acc[j − 1] += value(position j) · B      (position j = 1 … COLS)
 *
 * with 8 results per column (two vectors) and 16 weights (A, B) per channel that is summed over.
 * Registers: 2·COLS accumulators, 4 weights, 1 splat, so COLS <= 5. Loads per fma: (COLS + 5) / (4·COLS). Six
 * columns take A and B one after the other, each with 2 weights and its own splats: 16 loads per 24 fma.
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

/* One of the two halves for six columns: positions [first, last) meet column position − shift. */
template <int FIRST, int LAST, int SHIFT>
RECVAE_INLINE void add_half(v128_t (&acc)[6][2], const float* x, int32_t step, const float* w) {
  const v128_t w0 = load_here(w), w1 = load_here(w + 4);
  const float* at = FIRST > 0 ? x + step : x;
  RECVAE_UNROLL
  for (int j = FIRST; j < LAST; ++j, at += step) {
    v128_t s = splat(at);
    pin(s);
    add_product(acc[j - SHIFT][0], s, w0);
    add_product(acc[j - SHIFT][1], s, w1);
  }
}

template <bool SKIP_FIRST, bool SKIP_LAST>
RECVAE_INLINE void add_six_columns(v128_t (&acc)[6][2], const float* x, int32_t step, int32_t channels,
                                   const float* w) {
  /* A second pointer, of which neither compiler can tell that it is the first: otherwise the splats of one half
   * are kept for the other, in registers that are not there. */
  const float* again = x;
  asm volatile("" : "+r"(again));
  RECVAE_NO_UNROLL
  for (; channels > 0; --channels, ++x, ++again, w += 16) {
    add_half<SKIP_FIRST ? 1 : 0, 6, 0>(acc, x, step, w);
    add_half<1, SKIP_LAST ? 6 : 7, 1>(acc, again, step, w + 8);
  }
}

/* Widths of the tiles that cover `columns`: at most 5 (or one of 6), as few as possible, as equal as possible. */
struct Tiling {
  int32_t count; /* tiles */
  int32_t wide;  /* how many of them have width + 1 columns */
  int32_t width;
};

RECVAE_INLINE Tiling tiling(int32_t columns) {
  const int32_t count = columns == 6 ? 1 : ceil_div(columns, 5);
  return {count, columns % count, columns / count};
}

}  // namespace recvae
