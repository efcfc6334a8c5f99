/*
 * The result side of minimal filtering (winograd.h): nine products of a plane to 2×2 values per tile, planes to
 * results, results to rows of the target. PHASES and CHANNELS are those of the target.
 */
#pragma once

#include "winograd_shape.h"

namespace recvae {
namespace winograd {

template <int PHASES, int CHANNELS>
struct Result {
  static constexpr int LANES = PHASES * PHASES * PHASES * CHANNELS;
  static constexpr int CHUNK = PHASES * CHANNELS; /* floats of a cell that lie together in a target row */
  static constexpr int PRODUCT = kBlockTiles * LANES;

  /* y of the three products (fy) that share fx. */
  RECVAE_INLINE void combine_column(const float* m, v128_t (&sum)[2]) {
    const v128_t m0 = load(m), m1 = load(m + 3 * PRODUCT), m2 = load(m + 6 * PRODUCT);
    sum[0] = wasm_f32x4_add(m0, m1);
    sum[1] = wasm_f32x4_sub(m1, m2);
  }

  /*
   * Tiles of a row: m [9] at fx = 0, `third` at fx = 2; values [2·y + x] go to `kept` (FZ = 1), or, added to
   * or subtracted from what was kept, to `out`.
   */
  template <int FZ>
  RECVAE_INLINE void combine_row(const float* m, const float* third, const float* bias, int32_t tiles, float* kept,
                                 float* out) {
    RECVAE_NO_UNROLL
    for (int32_t t = tiles * (LANES / 4); t > 0; --t, m += 4, third += 4, kept += 4, out += 4) {
      v128_t a[2], b[2], c[2];
      combine_column(m, a);
      combine_column(m + PRODUCT, b);
      combine_column(third, c);
      RECVAE_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int y = i >> 1;
        v128_t value = i & 1 ? wasm_f32x4_sub(b[y], c[y]) : wasm_f32x4_add(a[y], b[y]);
        if (FZ == 1) {
          if (bias) value = wasm_f32x4_add(value, load(bias + ((tiles * LANES - 4 * t) & (LANES - 1))));
          store(kept + i * PRODUCT, value);
        } else {
          const v128_t middle = load(kept + i * PRODUCT);
          store(out + i * PRODUCT, FZ == 0 ? wasm_f32x4_add(middle, value) : wasm_f32x4_sub(middle, value));
        }
      }
    }
  }

  /* kept, out: [4][kBlockTiles][LANES]. */
  template <int FZ>
  static void combine(const Shape& s, const Block& b, const float* m, float* kept, float* out) {
    const int32_t thirds = columns_of(s, b, 2);
    for (int32_t r = 0; r < b.rows; ++r) {
      const int32_t at = r * b.columns * LANES;
      combine_row<FZ>(m + at, m + 2 * PRODUCT + r * thirds * LANES, s.bias, b.columns, kept + at, out + at);
    }
  }

  /* A row of tiles to one row of the target: cells alternate between x = 0 and x = 1. `floats`: row length. */
  RECVAE_INLINE void write_row(const float* from, int32_t column, int32_t tiles, float* to, int32_t floats) {
    int32_t at = (2 * column * PHASES - (PHASES - 1)) * CHANNELS;
    RECVAE_NO_UNROLL
    for (int32_t t = tiles; t > 0; --t, from += LANES) {
      RECVAE_UNROLL
      for (int x = 0; x < 2; ++x, at += CHUNK) {
        const float* cell = from + x * PRODUCT;
        if (at >= 0 && at + CHUNK <= floats) {
          RECVAE_UNROLL
          for (int o = 0; o < CHUNK; o += 4) store(to + at + o, load(cell + o));
        } else {
          for (int32_t o = 0; o < CHUNK; o += 4) {
            if (at + o >= 0 && at + o < floats) store(to + at + o, load(cell + o));
          }
        }
      }
    }
  }

  /* First and second (half) plane of results of a block; out as combine left it. */
  static void write(const Shape& s, const Block& b, int32_t half, const float* out) {
    const Volume& v = s.target;
    const int32_t floats = v.x * CHANNELS;
    float* volume = v.data + b.sample * v.z * v.y * floats;
    for (int32_t pair = 0; pair < PHASES * PHASES; ++pair) {
      const int32_t z = PHASES * (2 * b.plane + half) + pair / PHASES - (PHASES - 1);
      if (z < 0 || z >= v.z) continue;
      for (int32_t r = 0; r < 2 * b.rows; ++r) {
        const int32_t y = PHASES * (2 * b.row + r) + pair % PHASES - (PHASES - 1);
        if (y < 0 || y >= v.y) continue;
        const float* from = out + (r & 1) * 2 * PRODUCT + (r >> 1) * b.columns * LANES + pair * CHUNK;
        write_row(from, b.column, b.columns, volume + (z * v.y + y) * floats, floats);
      }
    }
  }
};

}  // namespace winograd
}  // namespace recvae
