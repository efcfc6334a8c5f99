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
    const v128_t second = i + 1 < WIDTH ? acc[i + 1] : acc[i];
    const v128_t v = ROW ? wasm_i64x2_shuffle(acc[i], second, 1, 3) : wasm_i64x2_shuffle(acc[i], second, 0, 2);
    float* at = to + 2 * i;
    const bool first = i == 0 && target.left;
    const bool last = i + 2 >= WIDTH && target.right;
    if (WIDTH == 1) {
      if (!first) wasm_v128_store32_lane(at, v, 0);
      if (!last) wasm_v128_store32_lane(at + 1, v, 1);
    } else if (first || last) {
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
        v128_t w00 = load(w), w01 = load(w + 4), w10 = load(w + 8), w11 = load(w + 12);
        pin(w00);
        pin(w01);
        pin(w10);
        pin(w11);
        const float* dj = d;
        RECVAE_UNROLL
        for (int q = 0; q <= WIDTH; ++q, dj += t.channels) {
          if ((LEFT && q == 0) || (RIGHT && q == WIDTH)) continue;
          const v128_t v = wasm_v128_load64_zero(dj);
          const v128_t s0 = lane_splat(v, 0);
          if (q > 0) acc[q - 1] = fma(s0, w00, acc[q - 1]);
          if (q < WIDTH) acc[q] = fma(s0, w01, acc[q]);
          const v128_t s1 = lane_splat(v, 1);
          if (q > 0) acc[q - 1] = fma(s1, w10, acc[q - 1]);
          if (q < WIDTH) acc[q] = fma(s1, w11, acc[q]);
          if (q > 0) pin(acc[q - 1]);
          if (q < WIDTH) pin(acc[q]);
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
void row_pair(const Conv3dParams* p, const RowPair& pair) {
  const int32_t positions = p->in_x / 2 + 1;
  const int32_t tiles = ceil_div(positions, WIDTH);
  for (int32_t i = 0; i < tiles; ++i) {
    const int32_t first = smaller(i * WIDTH, positions - WIDTH);
    const bool left = first == 0, right = first + WIDTH == positions;
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
}

void plane(const Conv3dParams* p, int32_t slice) {
  const int32_t n = slice / p->in_z, iz = slice % p->in_z;
  const int32_t jz = (iz + 1) / 2, pz = (iz + 1) % 2;
  const int32_t row_floats = p->out_x * p->out_c, plane_floats = p->out_y * row_floats;
  const int32_t az = jz < p->out_z ? 0 : 1; /* first shift whose dy plane exists */
  const int32_t positions = p->in_x / 2 + 1;
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
    if (positions >= 8) {
      row_pair<8>(p, pair);
    } else if (positions >= 4) {
      row_pair<4>(p, pair);
    } else {
      row_pair<1>(p, pair);
    }
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->in_c == 1 && p->out_c % 2 == 0 && !p->output_scale && p->out_z > 0 && p->out_y > 0 &&
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
