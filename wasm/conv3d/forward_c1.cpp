#include "forward_c1.h"

namespace recvae {
namespace forward_c1 {
namespace {

struct Row {
  const float* x;       /* input column 2·(first output column) − 1 of the row of the first tap */
  int32_t plane_floats; /* from one input plane to the next */
  int32_t row_floats;   /* from one input row to the next */
  const float* w;       /* filter of the first tap row, this block of 4 output channels */
  int32_t tap_floats;   /* out_c */
  int32_t taps_z, taps_y;
  v128_t bias;
};

template <int COLS, bool LEFT, bool RIGHT>
RECVAE_INLINE void tile(const Row& row, float* to) {
  const Row r = row; /* in registers: pinned values make the compiler reload what is behind a reference */
  constexpr int POSITIONS = 2 * COLS + (RIGHT ? 1 : 2);
  v128_t acc[COLS];
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c) acc[c] = r.bias;
  const float* plane = r.x;
  const float* w_plane = r.w;
  RECVAE_NO_UNROLL
  for (int32_t a = r.taps_z; a > 0; --a, plane += r.plane_floats, w_plane += 16 * r.tap_floats) {
    const float* x = plane;
    const float* w = w_plane;
    RECVAE_NO_UNROLL
    for (int32_t b = r.taps_y; b > 0; --b, x += r.row_floats, w += 4 * r.tap_floats) {
      v128_t wk[4];
      RECVAE_UNROLL
      for (int k = 0; k < 4; ++k) wk[k] = load_here(w + k * r.tap_floats);
      RECVAE_UNROLL
      for (int v = 0; v < POSITIONS; v += 4) {
        const int base = v + 4 <= POSITIONS ? v : POSITIONS - 4;
        const v128_t xv = load_here(x + base);
        RECVAE_UNROLL
        for (int j = v; j < base + 4; ++j) {
          if (LEFT && j == 0) continue;
          v128_t s = lane_splat(xv, j - base);
          pin(s);
          const int c = j >> 1, k = j & 1;
          if (c > 0) add_product(acc[c - 1], s, wk[k + 2]);
          if (c < COLS) add_product(acc[c], s, wk[k]);
        }
      }
    }
  }
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c) store(to + c * r.tap_floats, acc[c]);
}

template <int COLS>
void row(const Conv3dParams* p, Row r, float* to) {
  const float* x = r.x;
  const bool padded_right = 2 * p->out_x == p->in_x;
  const int32_t tiles = ceil_div(p->out_x, COLS);
  for (int32_t t = 0; t < tiles; ++t) {
    const int32_t first = smaller(t * COLS, p->out_x - COLS);
    const bool left = first == 0, right = padded_right && first + COLS == p->out_x;
    r.x = x + 2 * first;
    float* out = to + first * p->out_c;
    if (!left && !right) {
      tile<COLS, false, false>(r, out);
    } else if (!right) {
      tile<COLS, true, false>(r, out);
    } else if (!left) {
      tile<COLS, false, true>(r, out);
    } else {
      tile<COLS, true, true>(r, out);
    }
  }
}

/* The tile width that covers `columns` with the least work; wider wins ties. */
RECVAE_INLINE int32_t tile_width(int32_t columns) {
  constexpr int32_t widths[] = {9, 8, 7, 5, 2, 1};
  int32_t best = 1, least = 0x7fffffff;
  for (const int32_t width : widths) {
    const int32_t cost = ceil_div(columns, width) * (width + 1); /* one column's worth of overhead a tile */
    if (width <= columns && cost < least) least = cost, best = width;
  }
  return best;
}

void plane(const Conv3dParams* p, int32_t width, int32_t slice) {
  const int32_t n = slice / p->out_z, oz = slice % p->out_z;
  const int32_t row_floats = p->in_x, plane_floats = p->in_y * p->in_x;
  const int32_t kz0 = oz == 0 ? 1 : 0, kz1 = smaller(4, p->in_z + 1 - 2 * oz);
  for (int32_t oy = 0; oy < p->out_y; ++oy) {
    const int32_t ky0 = oy == 0 ? 1 : 0, ky1 = smaller(4, p->in_y + 1 - 2 * oy);
    const int32_t iz = 2 * oz - 1 + kz0, iy = 2 * oy - 1 + ky0;
    for (int32_t channel = 0; channel < p->out_c; channel += 4) {
      Row r;
      r.x = p->input + (n * p->in_z + iz) * plane_floats + iy * row_floats - 1;
      r.plane_floats = plane_floats;
      r.row_floats = row_floats;
      r.w = p->filter + (kz0 * 16 + ky0 * 4) * p->out_c + channel;
      r.tap_floats = p->out_c;
      r.taps_z = kz1 - kz0;
      r.taps_y = ky1 - ky0;
      r.bias = p->bias ? load(p->bias + channel) : zero4();
      float* to = p->output + (slice * p->out_y + oy) * p->out_x * p->out_c + channel;
      switch (width) {
        case 9: row<9>(p, r, to); break;
        case 8: row<8>(p, r, to); break;
        case 7: row<7>(p, r, to); break;
        case 5: row<5>(p, r, to); break;
        case 2: row<2>(p, r, to); break;
        default: row<1>(p, r, to); break;
      }
    }
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->in_c == 1 && p->out_c % 4 == 0;
}

void planes(const Conv3dParams* p, int32_t begin, int32_t end) {
  const int32_t width = tile_width(p->out_x);
  for (int32_t slice = begin; slice < end; ++slice) plane(p, width, slice);
}

}  // namespace forward_c1
}  // namespace recvae
