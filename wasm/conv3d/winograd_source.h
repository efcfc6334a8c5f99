/*
 * The source side of minimal filtering (winograd.h): staging with the transform along z, and the transform
 * along y and x. PHASES and CHANNELS are those of the source.
 */
#pragma once

#include "winograd_shape.h"

namespace recvae {
namespace winograd {

/* Cells of the staged source per axis: tile t uses cells 2t, 2t + 1, 2t + 2. */
RECVAE_INLINE int32_t cells(const Axis& a) { return 2 * a.tiles + 1; }

template <int PHASES, int CHANNELS>
struct Source {
  static constexpr int DEPTH = PHASES * PHASES * PHASES * CHANNELS;
  static constexpr int CHUNK = PHASES * CHANNELS; /* floats of a cell that lie together in a source row */

  static int32_t staged_floats(const Shape& s) { return 3 * cells(s.y) * cells(s.x) * DEPTH; }

  /* One vector of three rows to the three products along z; `third` false leaves out the last. */
  RECVAE_INLINE void put(const float* const (&row)[3], int32_t at, bool inside, float* to, int32_t plane,
                         bool third) {
    const v128_t d1 = inside ? load(row[1] + at) : zero4();
    store(to, inside ? wasm_f32x4_sub(load(row[0] + at), d1) : zero4());
    store(to + plane, d1);
    if (third) store(to + 2 * plane, inside ? wasm_f32x4_sub(d1, load(row[2] + at)) : zero4());
  }

  /* One source row of each of three planes to the chunks of a row of cells. `floats`: length of a row. */
  RECVAE_INLINE void stage_row(const float* const (&row)[3], int32_t floats, int32_t columns, float* to,
                               int32_t plane, bool third) {
    const int32_t full = smaller(columns, (floats + CHANNELS) / CHUNK); /* cells from 1 to full − 1 are inside */
    for (int32_t o = 0; o < CHUNK; o += 4) {
      const int32_t at = o - CHANNELS;
      put(row, at, at >= 0 && at < floats, to + o, plane, third);
    }
    const float* r0 = row[0] + CHUNK - CHANNELS;
    const float* r1 = row[1] + CHUNK - CHANNELS;
    const float* r2 = row[2] + CHUNK - CHANNELS;
    float* cell = to + DEPTH;
    int32_t x = 1;
    RECVAE_NO_UNROLL
    for (; x < full; ++x, cell += DEPTH, r0 += CHUNK, r1 += CHUNK, r2 += CHUNK) {
      RECVAE_UNROLL
      for (int o = 0; o < CHUNK; o += 4) {
        const v128_t d0 = load(r0 + o), d1 = load(r1 + o), d2 = load(r2 + o);
        store(cell + o, wasm_f32x4_sub(d0, d1));
        store(cell + plane + o, d1);
        if (third) store(cell + 2 * plane + o, wasm_f32x4_sub(d1, d2));
      }
    }
    for (; x < columns; ++x, cell += DEPTH) {
      for (int32_t o = 0; o < CHUNK; o += 4) {
        const int32_t at = x * CHUNK - CHANNELS + o;
        put(row, at, at < floats, cell + o, plane, third);
      }
    }
  }

  /* All cells of tile plane `plane`: staged[fz][Y][X][pz][py][px][channel]. zero_row: a source row of zeros. */
  static void stage(const Shape& s, int32_t sample, int32_t plane, const float* zero_row, float* staged) {
    const int32_t rows = cells(s.y), columns = cells(s.x), floats = s.source.x * CHANNELS;
    const bool third = !(s.z.partial && plane + 1 == s.z.tiles);
    const float* volume = s.source.data + sample * s.source.z * s.source.y * floats;
    for (int32_t Y = 0; Y < rows; ++Y) {
      for (int32_t pair = 0; pair < PHASES * PHASES; ++pair) {
        const int32_t y = PHASES * Y - 1 + pair % PHASES;
        const float* row[3];
        for (int i = 0; i < 3; ++i) {
          const int32_t z = PHASES * (2 * plane + i) - 1 + pair / PHASES;
          const bool inside = z >= 0 && z < s.source.z && y >= 0 && y < s.source.y;
          row[i] = inside ? volume + (z * s.source.y + y) * floats : zero_row;
        }
        stage_row(row, floats, columns, staged + Y * columns * DEPTH + pair * CHUNK, rows * columns * DEPTH, third);
      }
    }
  }

  template <bool PAIR>
  RECVAE_INLINE v128_t combined(const float* cell, int32_t next_row) {
    return PAIR ? wasm_f32x4_sub(load(cell), load(cell + next_row)) : load(cell);
  }

  /* A row of tiles: `cell` is its first cell, PAIR subtracts the cell one row further. */
  template <bool PAIR>
  RECVAE_INLINE void spread_row(const float* cell, int32_t next_row, int32_t tiles, int32_t thirds, float* v0,
                                float* v1, float* v2) {
    RECVAE_NO_UNROLL
    for (int32_t o = 0; o < DEPTH; o += 4, cell += 4, v0 += 4, v1 += 4, v2 += 4) {
      const float* from = cell;
      v128_t d0 = combined<PAIR>(from, next_row);
      int32_t to = 0;
      RECVAE_NO_UNROLL
      for (int32_t t = thirds; t > 0; --t, to += DEPTH) {
        const v128_t d1 = combined<PAIR>(from + DEPTH, next_row);
        from += 2 * DEPTH;
        const v128_t d2 = combined<PAIR>(from, next_row);
        store(v0 + to, wasm_f32x4_sub(d0, d1));
        store(v1 + to, d1);
        store(v2 + to, wasm_f32x4_sub(d1, d2));
        d0 = d2;
      }
      if (thirds < tiles) {
        const v128_t d1 = combined<PAIR>(from + DEPTH, next_row);
        store(v0 + to, wasm_f32x4_sub(d0, d1));
        store(v1 + to, d1);
      }
    }
  }

  /* Products (fy, 0), (fy, 1), (fy, 2) of a block from the staged plane of cells of one fz; v: [3][kBlockTiles][DEPTH]. */
  static void spread(const Shape& s, const Block& b, int32_t fy, const float* staged, float* v) {
    const int32_t columns = cells(s.x), thirds = columns_of(s, b, 2), rows = rows_of(s, b, fy);
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t Y = 2 * (b.row + r) + (fy > 0 ? 1 : 0);
      const float* cell = staged + (Y * columns + 2 * b.column) * DEPTH;
      float* v0 = v + r * b.columns * DEPTH;
      float* v1 = v0 + kBlockTiles * DEPTH;
      float* v2 = v + (2 * kBlockTiles + r * thirds) * DEPTH;
      if (fy == 1) {
        spread_row<false>(cell, columns * DEPTH, b.columns, thirds, v0, v1, v2);
      } else {
        spread_row<true>(cell, columns * DEPTH, b.columns, thirds, v0, v1, v2);
      }
    }
  }
};

}  // namespace winograd
}  // namespace recvae
