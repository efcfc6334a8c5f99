#include "input_gradient_direct.h"

#include "columns.h"

namespace recvae {
namespace input_gradient_direct {
namespace {

struct Row {
  const float* dy; /* dy[jz − az₀][jy − ay₀], column −1 */
  int32_t plane_step, row_step; /* to az + 1, ay + 1: negative */
  const float* w;
  int32_t count_z, count_y, in_c, out_c;
  bool inside_right; /* the last pair's second column is inside */
};

template <int COLS, bool LEFT, bool RIGHT>
void tile(const Row& source, int32_t first, float* to) {
  const Row r = source; /* in registers: pinned values make the compiler reload what is behind a reference */
  v128_t acc[COLS][2];
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c) acc[c][0] = acc[c][1] = zero4();
  const float* plane = r.dy + first * r.out_c;
  const float* w_plane = r.w;
  RECVAE_NO_UNROLL
  for (int32_t a = r.count_z; a > 0; --a, plane += r.plane_step, w_plane += 32 * r.out_c) {
    const float* row = plane;
    const float* w = w_plane;
    RECVAE_NO_UNROLL
    for (int32_t b = r.count_y; b > 0; --b, row += r.row_step, w += 16 * r.out_c) {
      if constexpr (COLS == 6) {
        add_six_columns<LEFT, RIGHT>(acc, row, r.out_c, r.out_c, w);
      } else {
        add_columns<COLS, LEFT, RIGHT>(acc, row, r.out_c, r.out_c, w);
      }
    }
  }
  to += 2 * first * r.in_c;
  RECVAE_UNROLL
  for (int c = 0; c < COLS; ++c, to += 2 * r.in_c) {
    if (!(LEFT && c == 0)) store(to, acc[c][0]);
    if (!(RIGHT && c == COLS - 1) || r.inside_right) store(to + r.in_c, acc[c][1]);
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

/* `to` is the row's column −1. */
void row(const Conv3dParams* p, const Row& r, float* to) {
  const Tiling t = tiling(p->in_x / 2 + 1);
  for (int32_t i = 0, first = 0; i < t.count; ++i) {
    const int32_t width = t.width + (i < t.wide ? 1 : 0);
    const bool left = i == 0, right = i + 1 == t.count;
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
  const int32_t n = slice / p->in_z, iz = slice % p->in_z;
  const int32_t jz = (iz + 1) / 2, pz = (iz + 1) % 2, az = jz < p->out_z ? 0 : 1;
  const int32_t row_floats = p->out_x * p->out_c, plane_floats = p->out_y * row_floats;
  Row r;
  r.plane_step = -plane_floats;
  r.row_step = -row_floats;
  r.count_z = jz - az >= 1 ? 2 - az : 1;
  r.in_c = p->in_c;
  r.out_c = p->out_c;
  r.inside_right = p->in_x % 2 == 1;
  for (int32_t block = 0; block < p->in_c / 4; ++block) {
    for (int32_t iy = 0; iy < p->in_y; ++iy) {
      const int32_t jy = (iy + 1) / 2, py = (iy + 1) % 2, ay = jy < p->out_y ? 0 : 1;
      r.dy = p->output + ((n * p->out_z + jz - az) * p->out_y + jy - ay) * row_floats - p->out_c;
      r.w = (const float*)p->workspace + (((block * 4 + pz * 2 + py) * 2 + az) * 2 + ay) * 16 * p->out_c;
      r.count_y = jy - ay >= 1 ? 2 - ay : 1;
      row(p, r, p->input + ((slice * p->in_y + iy) * p->in_x - 1) * p->in_c + 4 * block);
    }
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->in_c % 4 == 0 && p->out_z > 0 && p->out_y > 0 && p->out_x > 0;
}

int32_t workspace_bytes(const Conv3dParams* p) { return 4 * 64 * p->in_c * p->out_c; }

int32_t pack_slices(const Conv3dParams* p) { return p->n > 0 ? p->in_c / 4 * 2 : 0; }

void pack(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t block = slice / 2, pz = slice % 2;
    float* to = (float*)p->workspace + slice * 128 * p->out_c;
    for (int32_t index = 0; index < 8; ++index) { /* py, az, ay */
      const int32_t py = index >> 2, az = index >> 1 & 1, ay = index & 1;
      const int32_t tap_row = (pz + 2 * az) * 4 + py + 2 * ay;
      for (int32_t c = 0; c < p->out_c; ++c) {
        for (int32_t kx = 2; kx >= 0; kx -= 2) {
          for (int32_t px = 0; px < 2; ++px) {
            const float* from = p->filter + ((tap_row * 4 + kx + px) * p->in_c + 4 * block) * p->out_c + c;
            for (int32_t lane = 0; lane < 4; ++lane, ++to) *to = from[lane * p->out_c];
          }
        }
      }
    }
  }
}

void planes(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t slice = begin; slice < end; ++slice) plane(p, slice);
}

}  // namespace input_gradient_direct
}  // namespace recvae
