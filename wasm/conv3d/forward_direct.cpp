#include "forward_direct.h"

#include "columns.h"

namespace recvae {
namespace forward_direct {
namespace {

struct Row {
  const float* x; /* input row of the first tap row, column −1 */
  int32_t plane_step, row_step;
  const float* w; /* packed weights of the first tap row */
  int32_t taps_z, taps_y, in_c, out_c;
  const float* bias;
};

template <int COLS, bool LEFT, bool RIGHT>
void tile(const Row& row, int32_t first, float* to) {
  const Row r = row; /* in registers: pinned values make the compiler reload what is behind a reference */
  v128_t acc[COLS][2];
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c) {
    acc[c][0] = r.bias ? load(r.bias) : zero4();
    acc[c][1] = r.bias ? load(r.bias + 4) : zero4();
  }
  const int32_t parity_floats = 16 * r.in_c, step = 2 * r.in_c;
  const float* plane = r.x + first * step;
  const float* w_plane = r.w;
  RECVAE_NO_UNROLL
  for (int32_t a = r.taps_z; a > 0; --a, plane += r.plane_step, w_plane += 8 * parity_floats) {
    const float* x = plane;
    const float* w = w_plane;
    RECVAE_NO_UNROLL
    for (int32_t b = r.taps_y; b > 0; --b, x += r.row_step, w += 2 * parity_floats) {
      if constexpr (COLS == 6) {
        add_six_columns<LEFT, false>(acc, x, step, r.in_c, w);
        add_six_columns<false, RIGHT>(acc, x + r.in_c, step, r.in_c, w + parity_floats);
      } else {
        add_columns<COLS, LEFT, false>(acc, x, step, r.in_c, w);
        add_columns<COLS, false, RIGHT>(acc, x + r.in_c, step, r.in_c, w + parity_floats);
      }
    }
  }
  to += first * r.out_c;
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c) {
    store(to + c * r.out_c, acc[c][0]);
    store(to + c * r.out_c + 4, acc[c][1]);
  }
}

template <int COLS>
void edge_tile(const Row& r, int32_t first, bool left, bool right, float* to) {
  if (!left && !right) {
    tile<COLS, false, false>(r, first, to);
  } else if (!right) {
    tile<COLS, true, false>(r, first, to);
  } else if (!left) {
    tile<COLS, false, true>(r, first, to);
  } else {
    tile<COLS, true, true>(r, first, to);
  }
}

void row(const Conv3dParams* p, const Row& r, float* to) {
  const Tiling t = tiling(p->out_x);
  const bool padded_right = 2 * p->out_x == p->in_x;
  for (int32_t i = 0, first = 0; i < t.count; ++i) {
    const int32_t width = t.width + (i < t.wide ? 1 : 0);
    const bool left = i == 0, right = padded_right && i + 1 == t.count;
    switch (width) {
      case 6: edge_tile<6>(r, first, left, right, to); break;
      case 5: edge_tile<5>(r, first, left, right, to); break;
      case 4: edge_tile<4>(r, first, left, right, to); break;
      case 3: edge_tile<3>(r, first, left, right, to); break;
      case 2: edge_tile<2>(r, first, left, right, to); break;
      default: edge_tile<1>(r, first, left, right, to); break;
    }
    first += width;
  }
}

void plane(const Conv3dParams* p, int32_t slice) {
  const int32_t n = slice / p->out_z, oz = slice % p->out_z;
  const int32_t kz0 = oz == 0 ? 1 : 0, kz1 = smaller(4, p->in_z + 1 - 2 * oz);
  Row r;
  r.row_step = p->in_x * p->in_c;
  r.plane_step = p->in_y * r.row_step;
  r.taps_z = kz1 - kz0;
  r.in_c = p->in_c;
  r.out_c = p->out_c;
  const float* volume = p->input + n * p->in_z * r.plane_step;
  for (int32_t block = 0; block < p->out_c / 8; ++block) {
    const float* weights = (const float*)p->workspace + block * 512 * p->in_c;
    r.bias = p->bias ? p->bias + 8 * block : 0;
    for (int32_t oy = 0; oy < p->out_y; ++oy) {
      const int32_t ky0 = oy == 0 ? 1 : 0, ky1 = smaller(4, p->in_y + 1 - 2 * oy);
      r.x = volume + (2 * oz - 1 + kz0) * r.plane_step + (2 * oy - 1 + ky0) * r.row_step - p->in_c;
      r.w = weights + (kz0 * 4 + ky0) * 32 * p->in_c;
      r.taps_y = ky1 - ky0;
      row(p, r, p->output + (slice * p->out_y + oy) * p->out_x * p->out_c + 8 * block);
    }
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->out_c % 8 == 0 && p->out_x > 0;
}

int32_t workspace_bytes(const Conv3dParams* p) { return 4 * 64 * p->in_c * p->out_c; }

int32_t pack_slices(const Conv3dParams* p) { return p->n > 0 ? p->out_c / 8 * 4 : 0; }

void pack(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t block = slice / 4, kz = slice % 4;
    float* to = (float*)p->workspace + slice * 128 * p->in_c;
    for (int32_t ky = 0; ky < 4; ++ky) {
      for (int32_t parity = 0; parity < 2; ++parity) {
        for (int32_t c = 0; c < p->in_c; ++c) {
          for (int32_t half = 0; half < 2; ++half, to += 8) {
            const int32_t tap = (kz * 4 + ky) * 4 + parity + 2 * half;
            const float* from = p->filter + (tap * p->in_c + c) * p->out_c + 8 * block;
            store(to, load(from));
            store(to + 4, load(from + 4));
          }
        }
      }
    }
  }
}

void planes(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t slice = begin; slice < end; ++slice) plane(p, slice);
}

}  // namespace forward_direct
}  // namespace recvae
