/*
 * The inner loop of the filter gradients: sums over voxels of the outer product of R values of the input with 8
 * channels of dy. Registers: 2·R accumulators, 2 dy, for R <= 5 one vector of values, 1 splat.
 */
#pragma once

#include "../kernel.h"

namespace recvae {

template <int R>
RECVAE_INLINE void add_voxel(v128_t (&acc)[R][2], const float* x, const float* dy) {
  const v128_t d0 = load_here(dy), d1 = load_here(dy + 4);
  /* Lane splats of one load are cheaper than checked loads, but need a register that 6 values leave no room for. */
  constexpr int LANES = R <= 5 ? 4 : 0;
  v128_t xv = d0;
  if (LANES > 0) xv = load_here(x);
  RECVAE_UNROLL
  for (int r = 0; r < R; ++r) {
    v128_t s = r < LANES ? lane_splat(xv, r) : splat(x + r);
    pin(s);
    add_product(acc[r][0], s, d0);
    add_product(acc[r][1], s, d1);
  }
}

/* sums[r · stride + 0 … 7], r < R. */
template <int R>
RECVAE_INLINE void load_sums(v128_t (&acc)[R][2], const float* sums, int32_t stride) {
  RECVAE_UNROLL
  for (int r = 0; r < R; ++r) {
    acc[r][0] = load(sums + r * stride);
    acc[r][1] = load(sums + r * stride + 4);
  }
}
template <int R>
RECVAE_INLINE void store_sums(const v128_t (&acc)[R][2], float* sums, int32_t stride) {
  RECVAE_UNROLL
  for (int r = 0; r < R; ++r) {
    store(sums + r * stride, acc[r][0]);
    store(sums + r * stride + 4, acc[r][1]);
  }
}

/* Width of piece i when `values` are cut into equal pieces of at most 6 (at least 4, if values >= 4). */
RECVAE_INLINE int32_t piece_width(int32_t values, int32_t i) {
  const int32_t pieces = ceil_div(values, 6);
  return values / pieces + (i < values % pieces ? 1 : 0);
}

}  // namespace recvae
