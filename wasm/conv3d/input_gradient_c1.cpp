#include "input_gradient_c1.h"

namespace recvae {
namespace input_gradient_c1 {
namespace {

struct Tile {
  const float* dy;    /* dy[jz − az₀][jy − ay₀][jx₀ − 1] of the first (az, ay) that lies inside */
  const float* w;     /* its weights */
  int32_t plane_step; /* floats from az to az + 1 (negative) */
  int32_t row_step;   /* floats from ay to ay + 1 (negative) */
  int32_t count_z, count_y;
  int32_t channels; /* out_c */
};

/* What of a tile's outputs lies inside the volume. */
struct Target {
  float* upper; /* row 2jy − 1 at column 2jx₀ − 1, or 0 when that row is outside */
  float* lower; /* row 2jy, or 0 */
  bool left;    /* the first column is −1 */
  bool right;   /* the last column is outside */
};

/* Stores WIDTH pairs of a row; lanes (2·row, 2·row + 1) of the accumulators. */
template <int WIDTH, int ROW>
RECVAE_INLINE void store_row(float* to, const Target& target, const v128_t* acc) {
  RECVAE_UNROLL
  for (int i = 0; i < WIDTH; i += 2) {
    const v128_t v = ROW ? wasm_i64x2_shuffle(acc[i], acc[i + 1], 1, 3)
                         : wasm_i64x2_shuffle(acc[i], acc[i + 1], 0, 2);
    float* at = to + 2 * i;
    const bool first = i == 0 && target.left;
    const bool last = i + 2 >= WIDTH && target.right;
    if (first || last) {
      if (!first) wasm_v128_store32_lane(at, v, 0);
      wasm_v128_store32_lane(at + 1, v, 1);
      wasm_v128_store32_lane(at + 2, v, 2);
      if (!last) wasm_v128_store32_lane(at + 3, v, 3);
    } else {
      store(at, v);
    }
  }
}

/* WIDTH positions jx; LEFT: dy at jx₀ − 1 is outside; RIGHT: dy at the last jx is outside. */
template <int WIDTH, bool LEFT, bool RIGHT>
RECVAE_INLINE void tile(const Tile& t, const Target& target) {
  v128_t acc[WIDTH];
  RECVAE_UNROLL
  for (int i = 0; i < WIDTH; ++i) acc[i] = zero4();
  const float* plane = t.dy;
  const float* w_plane = t.w;
  RECVAE_NO_UNROLL
  for (int32_t a = t.count_z; a > 0; --a, plane += t.plane_step, w_plane += 16 * t.channels) {
    const float* row = plane;
    const float* w_row = w_plane;
    RECVAE_NO_UNROLL
    for (int32_t b = t.count_y; b > 0; --b, row += t.row_step, w_row += 8 * t.channels) {
      const float* d = row;
      const float* w = w_row;
      RECVAE_NO_UNROLL
      for (int32_t pairs = t.channels >> 1; pairs > 0; --pairs, d += 2, w += 16) {
        const v128_t w00 = load_here(w), w01 = load_here(w + 4);
        const v128_t w10 = load_here(w + 8), w11 = load_here(w + 12);
        const float* dj = d;
        RECVAE_UNROLL
        for (int q = 0; q <= WIDTH; ++q, dj += t.channels) {
          if ((LEFT && q == 0) || (RIGHT && q == WIDTH)) continue;
          v128_t v = wasm_v128_load64_zero(dj);
          pin(v);
          v128_t s = lane_splat(v, 0);
          pin(s);
          if (q > 0) add_product(acc[q - 1], s, w00);
          if (q < WIDTH) add_product(acc[q], s, w01);
          s = lane_splat(v, 1);
          pin(s);
          if (q > 0) add_product(acc[q - 1], s, w10);
          if (q < WIDTH) add_product(acc[q], s, w11);
        }
      }
    }
  }
  if (target.upper) store_row<WIDTH, 0>(target.upper, target, acc);
  if (target.lower) store_row<WIDTH, 1>(target.lower, target, acc);
}

struct RowPair {
  Tile tile;      /* for jx₀ = 0 */
  Target target;  /* for jx₀ = 0 */
};

template <int WIDTH>
void edge_tile(const Conv3dParams* p, const RowPair& pair, int32_t first) {
  const bool left = first == 0, right = first + WIDTH == p->in_x / 2 + 1;
  Tile t = pair.tile;
  Target target = pair.target;
  t.dy += first * p->out_c;
  if (target.upper) target.upper += 2 * first;
  if (target.lower) target.lower += 2 * first;
  target.left = left;
  target.right = right && p->in_x % 2 == 0;
  if (!left && !right) {
    tile<WIDTH, false, false>(t, target);
  } else if (!right) {
    tile<WIDTH, true, false>(t, target);
  } else if (!left) {
    tile<WIDTH, false, true>(t, target);
  } else {
    tile<WIDTH, true, true>(t, target);
  }
}

/* Tiles of 8, then of 6, 4 or 2; a tile may begin before the last one ended and repeat what it did. */
void row_pair(const Conv3dParams* p, const RowPair& pair) {
  const int32_t positions = p->in_x / 2 + 1;
  for (int32_t first = 0; first < positions;) {
    const int32_t left = positions - first;
    const int32_t width = left > 6 && positions >= 8   ? 8
                          : left > 4 && positions >= 6 ? 6
                          : left > 2 && positions >= 4 ? 4
                                                       : 2;
    first = smaller(first, positions - width);
    switch (width) {
      case 8: edge_tile<8>(p, pair, first); break;
      case 6: edge_tile<6>(p, pair, first); break;
      case 4: edge_tile<4>(p, pair, first); break;
      default: edge_tile<2>(p, pair, first); break;
    }
    first += width;
  }
}

void plane(const Conv3dParams* p, int32_t slice) {
  const int32_t n = slice / p->in_z, iz = slice % p->in_z;
  const int32_t jz = (iz + 1) / 2, pz = (iz + 1) % 2;
  const int32_t row_floats = p->out_x * p->out_c, plane_floats = p->out_y * row_floats;
  const int32_t az = jz < p->out_z ? 0 : 1; /* first shift whose dy plane exists */
  for (int32_t jy = 0; jy <= p->in_y / 2; ++jy) {
    const int32_t ay = jy < p->out_y ? 0 : 1;
    float* row = p->input + (slice * p->in_y + 2 * jy - 1) * p->in_x - 1;
    RowPair pair;
    pair.tile.dy = p->output + ((n * p->out_z + jz - az) * p->out_y + jy - ay) * row_floats - p->out_c;
    pair.tile.w = (const float*)p->workspace + ((pz * 2 + az) * 2 + ay) * 8 * p->out_c;
    pair.tile.plane_step = -plane_floats;
    pair.tile.row_step = -row_floats;
    pair.tile.count_z = jz - az >= 1 ? 2 - az : 1;
    pair.tile.count_y = jy - ay >= 1 ? 2 - ay : 1;
    pair.tile.channels = p->out_c;
    pair.target.upper = jy > 0 ? row : 0;
    pair.target.lower = 2 * jy < p->in_y ? row + p->in_x : 0;
    row_pair(p, pair);
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->in_c == 1 && p->out_c % 2 == 0 && p->out_z > 0 && p->out_y > 0 &&
         p->out_x > 0;
}

int32_t workspace_bytes(const Conv3dParams* p) { return 4 * 64 * p->out_c; }

int32_t pack_slices(const Conv3dParams* p) { return p->n > 0 ? 2 : 0; }

void pack(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t pz = begin; pz < end; ++pz) {
    float* to = (float*)p->workspace + pz * 32 * p->out_c;
    for (int32_t az = 0; az < 2; ++az) {
      for (int32_t ay = 0; ay < 2; ++ay) {
        for (int32_t c = 0; c < p->out_c; ++c) {
          for (int32_t lane = 0; lane < 8; ++lane, ++to) {
            const int32_t kz = pz + 2 * az, ky = (lane >> 1 & 1) + 2 * ay, kx = (lane & 1) + 2 * (lane >> 2);
            *to = p->filter[((kz * 4 + ky) * 4 + kx) * p->out_c + c];
          }
        }
      }
    }
  }
}

void planes(const Conv3dParams* p, int32_t begin, int32_t end) {
  for (int32_t slice = begin; slice < end; ++slice) plane(p, slice);
}

}  // namespace input_gradient_c1
}  // namespace recvae
