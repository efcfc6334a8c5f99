/*
 * The products of minimal filtering (winograd.h): tiles × depth times depth × 8 lanes. Register tile of up to
 * 6 tiles × 8 lanes: 12 accumulators, 2 weights, 1 splat; per 12 fma 6 splats and 2 loads.
 */
#pragma once

#include "winograd_shape.h"

namespace recvae {
namespace winograd {

template <int TILES, int DEPTH, int LANES>
RECVAE_INLINE void multiply_tile(const float* v, const float* u, float* m) {
  v128_t acc[TILES][2];
  RECVAE_UNROLL
  for (int t = 0; t < TILES; ++t) acc[t][0] = acc[t][1] = zero4();
  RECVAE_NO_UNROLL
  for (int32_t k = DEPTH / 2; k > 0; --k, v += 2, u += 16) {
    RECVAE_UNROLL
    for (int h = 0; h < 2; ++h) {
      const v128_t u0 = load_here(u + 8 * h), u1 = load_here(u + 8 * h + 4);
      RECVAE_UNROLL
      for (int t = 0; t < TILES; ++t) {
        v128_t s = splat(v + t * DEPTH + h);
        pin(s);
        add_product(acc[t][0], s, u0);
        add_product(acc[t][1], s, u1);
      }
    }
  }
  RECVAE_UNROLL
  for (int t = 0; t < TILES; ++t) {
    store(m + t * LANES, acc[t][0]);
    store(m + t * LANES + 4, acc[t][1]);
  }
}

template <int TILES, int DEPTH, int LANES>
void multiply_lanes(const float* v, const float* u, float* m) {
  RECVAE_NO_UNROLL
  for (int32_t lane = LANES; lane > 0; lane -= 8, u += 8 * DEPTH, m += 8) {
    multiply_tile<TILES, DEPTH, LANES>(v, u, m);
  }
}

/* m [count][LANES] = v [count][DEPTH] · u [LANES / 8][DEPTH][8]. */
template <int DEPTH, int LANES>
void multiply(const float* v, const float* u, float* m, int32_t count) {
  const int32_t pieces = ceil_div(count, 6);
  for (int32_t i = 0; i < pieces; ++i) {
    const int32_t width = count / pieces + (i < count % pieces ? 1 : 0);
    switch (width) {
      case 6: multiply_lanes<6, DEPTH, LANES>(v, u, m); break;
      case 5: multiply_lanes<5, DEPTH, LANES>(v, u, m); break;
      case 4: multiply_lanes<4, DEPTH, LANES>(v, u, m); break;
      case 3: multiply_lanes<3, DEPTH, LANES>(v, u, m); break;
      case 2: multiply_lanes<2, DEPTH, LANES>(v, u, m); break;
      default: multiply_lanes<1, DEPTH, LANES>(v, u, m); break;
    }
    v += width * DEPTH;
    m += width * LANES;
  }
}

}  // namespace winograd
}  // namespace recvae
