#include "filter_gradient_winograd.h"

#include "combine_rows.h"
#include "outer_product.h"

namespace recvae {
namespace filter_gradient_winograd {
namespace {

/* Terms summed in float32 before float64 takes over. */
constexpr int32_t kTerms = 4096;
/* Voxels per product: long enough to make the accumulators' loads and stores cheap, short enough for the cache. */
constexpr int32_t kVoxels = 56;
/* Floats of partial sums that are worth more parts, and the most parts made for the sake of threads. */
constexpr int32_t kPartFloats = 160000;
constexpr int32_t kThreadParts = 32;
/* Floats of one part's sums above which its products become slices of their own. */
constexpr int32_t kSplitFloats = 40000;
/* Values per finish slice. */
constexpr int32_t kFinishRun = 256;

struct Sizes {
  int32_t tiles_z, tiles_y;
  int32_t group_rows; /* tile rows per group */
  int32_t groups;     /* per plane of tiles */
  int32_t values;     /* 4 · in_c: a window along x */
  int32_t row_in;     /* floats of a combined input row: columns −1 … 2·out_x, phases of x together */
  int32_t row_out;    /* floats of a combined dy row, with one zero voxel */
  int32_t zero_row;   /* floats of a row of zeros */
  int32_t input;      /* floats of a group's combined input rows for one product */
  int32_t output;     /* floats of its combined dy rows */
  int32_t product;    /* floats of the sums of one of the 9 products: [pair][kx][in_c][out_c] */
  int32_t parts;
  int32_t splits; /* slices per part: 1, or one for each product along z and each half of the phase pairs */
};

Sizes sizes_of(const Conv3dParams* p) {
  Sizes s;
  s.tiles_z = ceil_div(p->out_z, 2);
  s.tiles_y = ceil_div(p->out_y, 2);
  const int32_t rows = larger(1, smaller(s.tiles_y, kVoxels / (p->out_x + 1)));
  s.groups = ceil_div(s.tiles_y, rows);
  s.group_rows = ceil_div(s.tiles_y, s.groups);
  s.values = 4 * p->in_c;
  s.row_in = (2 * p->out_x + 2) * p->in_c;
  s.row_out = (p->out_x + 1) * p->out_c;
  s.zero_row = larger(p->in_x * p->in_c, p->out_x * p->out_c);
  s.input = 4 * s.group_rows * s.row_in + 2 * p->in_c;
  s.output = s.group_rows * s.row_out;
  s.product = 4 * s.values * p->out_c;
  const int32_t all = p->n * s.tiles_z * s.groups;
  const int32_t for_accuracy = ceil_div(all * s.group_rows * p->out_x, kTerms);
  const int32_t for_threads = larger(1, smaller(kThreadParts, kPartFloats / (9 * s.product)));
  s.parts = larger(1, smaller(all, larger(for_accuracy, for_threads)));
  s.splits = 9 * s.product > kSplitFloats ? 6 : 1;
  return s;
}

/* Tile rows [row, row + rows) of a plane of tiles, for the pairs of phases [first_pair, last_pair). */
struct Group {
  int32_t sample, plane, row, rows, first_pair, last_pair;
};

/* A row of a volume, or the row of zeros. */
RECVAE_INLINE const float* row_or_zero(const float* volume, int32_t z, int32_t y, int32_t size_z, int32_t size_y,
                                       int32_t floats, const float* zero_row) {
  return z >= 0 && z < size_z && y >= 0 && y < size_y ? volume + (z * size_y + y) * floats : zero_row;
}

RECVAE_INLINE void zero_vectors(float* to, int32_t floats) {
  for (int32_t o = 0; o < floats; o += 4) store(to + o, zero4());
}

/* Input rows of the group for product fz: [fy][pair][row][column −1 …][in_c], `stride` floats from fy to fy. */
void combine_input(const Conv3dParams* p, const Sizes& s, const Group& g, int32_t fz, const float* zero_row,
                   float* x, int32_t stride) {
  const int32_t floats = p->in_x * p->in_c;
  const int32_t inside = smaller(floats, s.row_in - p->in_c);
  const float* volume = p->input + g.sample * p->in_z * p->in_y * floats;
  float* to = x;
  for (int32_t pair = g.first_pair; pair < g.last_pair; ++pair) {
    for (int32_t r = 0; r < g.rows; ++r, to += s.row_in) {
      const int32_t z = 4 * g.plane - 1 + (pair >> 1) + (fz > 0 ? 2 : 0), y = 4 * (g.row + r) - 1 + (pair & 1);
      RowSet from;
      RECVAE_UNROLL
      for (int i = 0; i < 3; ++i) {
        from.near[i] = row_or_zero(volume, z, y + 2 * i, p->in_z, p->in_y, floats, zero_row);
        from.far[i] = row_or_zero(volume, z + 2, y + 2 * i, p->in_z, p->in_y, floats, zero_row);
      }
      if (fz == 1) {
        difference_rows<false>(from, inside, to + p->in_c, stride);
      } else {
        difference_rows<true>(from, inside, to + p->in_c, stride);
      }
      for (int32_t fy = 0; fy < 3; ++fy) {
        zero_vectors(to + fy * stride, p->in_c);
        zero_vectors(to + fy * stride + p->in_c + inside, s.row_in - p->in_c - inside);
      }
    }
  }
  /* The zero voxel of the last dy row reads two columns further. */
  for (int32_t fy = 0; fy < 3; ++fy) zero_vectors(to + fy * stride, 2 * p->in_c);
}

/* Rows of dy of the group for product fz: [fy][row][column … zero voxel][out_c]. */
void combine_output(const Conv3dParams* p, const Sizes& s, const Group& g, int32_t fz, const float* zero_row,
                    float* to, int32_t stride) {
  const int32_t floats = p->out_x * p->out_c;
  const float* volume = p->output + g.sample * p->out_z * p->out_y * floats;
  for (int32_t r = 0; r < g.rows; ++r, to += s.row_out) {
    const int32_t z = 2 * g.plane + (fz == 2 ? 1 : 0), y = 2 * (g.row + r);
    RowSet from = {};
    RECVAE_UNROLL
    for (int i = 0; i < 2; ++i) {
      from.near[i] = row_or_zero(volume, z, y + i, p->out_z, p->out_y, floats, zero_row);
      from.far[i] = row_or_zero(volume, z + 1, y + i, p->out_z, p->out_y, floats, zero_row);
    }
    if (fz == 1) {
      sum_rows<true>(from, floats, to, stride);
    } else {
      sum_rows<false>(from, floats, to, stride);
    }
    for (int32_t fy = 0; fy < 3; ++fy) zero_vectors(to + fy * stride + floats, p->out_c);
  }
}

template <int R>
void add_voxels(const float* x, int32_t x_step, const float* dy, int32_t dy_step, int32_t voxels, float* sums) {
  v128_t acc[R][2];
  load_sums<R>(acc, sums, dy_step);
  RECVAE_NO_UNROLL
  for (; voxels > 0; --voxels, x += x_step, dy += dy_step) add_voxel<R>(acc, x, dy);
  store_sums<R>(acc, sums, dy_step);
}

/* All windows of one pair of phases: sums [kx][in_c][out_c]. */
void add_pair(const Conv3dParams* p, const Sizes& s, const float* x, const float* dy, int32_t voxels, float* sums) {
  for (int32_t block = 0; block < p->out_c; block += 8) {
    for (int32_t i = 0, first = 0; first < s.values; ++i) {
      const int32_t width = piece_width(s.values, i);
      float* to = sums + first * p->out_c + block;
      switch (width) {
        case 6: add_voxels<6>(x + first, 2 * p->in_c, dy + block, p->out_c, voxels, to); break;
        case 5: add_voxels<5>(x + first, 2 * p->in_c, dy + block, p->out_c, voxels, to); break;
        default: add_voxels<4>(x + first, 2 * p->in_c, dy + block, p->out_c, voxels, to); break;
      }
      first += width;
    }
  }
}

/* Brings the rows of a group nearer. */
void fetch_group(const Conv3dParams* p, const Group& g) {
  const int32_t in_row = p->in_x * p->in_c, out_row = p->out_x * p->out_c;
  const int32_t in_first = larger(0, 4 * g.row - 1), in_last = smaller(p->in_y, 4 * (g.row + g.rows) + 1);
  for (int32_t z = larger(0, 4 * g.plane - 1); z < smaller(p->in_z, 4 * g.plane + 5); ++z) {
    fetch_lines(p->input + ((g.sample * p->in_z + z) * p->in_y + in_first) * in_row, (in_last - in_first) * in_row);
  }
  const int32_t out_last = smaller(p->out_y, 2 * (g.row + g.rows));
  for (int32_t z = 2 * g.plane; z < smaller(p->out_z, 2 * g.plane + 2); ++z) {
    fetch_lines(p->output + ((g.sample * p->out_z + z) * p->out_y + 2 * g.row) * out_row,
                (out_last - 2 * g.row) * out_row);
  }
}

/* Products (fz, 0), (fz, 1), (fz, 2) of a group; sums: [3][pair][kx][in_c][out_c]. */
void add_group(const Conv3dParams* p, const Sizes& s, const Group& g, int32_t fz, float* scratch, float* sums) {
  /* The second half of an odd axis' last tile does not exist, so neither does its product 2. */
  if (fz == 2 && 2 * g.plane + 1 >= p->out_z) return;
  const bool half_row = 2 * (g.row + g.rows - 1) + 1 >= p->out_y;
  const float* zero_row = scratch;
  float* x = scratch + s.zero_row;
  float* dy = x + 3 * s.input;
  combine_input(p, s, g, fz, zero_row, x, s.input);
  combine_output(p, s, g, fz, zero_row, dy, s.output);
  for (int32_t fy = 0; fy < 3; ++fy) {
    const int32_t voxels = (fy == 2 && half_row ? g.rows - 1 : g.rows) * (p->out_x + 1);
    if (voxels == 0) continue;
    for (int32_t pair = g.first_pair; pair < g.last_pair; ++pair) {
      add_pair(p, s, x + fy * s.input + (pair - g.first_pair) * g.rows * s.row_in, dy + fy * s.output, voxels,
               sums + fy * s.product + pair * s.values * p->out_c);
    }
  }
}

/* Two float64 vectors: four values. */
struct Wide {
  v128_t low, high;
};

RECVAE_INLINE Wide plus(Wide a, Wide b) { return {wasm_f64x2_add(a.low, b.low), wasm_f64x2_add(a.high, b.high)}; }
RECVAE_INLINE Wide minus(Wide a, Wide b) { return {wasm_f64x2_sub(a.low, b.low), wasm_f64x2_sub(a.high, b.high)}; }

RECVAE_INLINE v128_t narrow(Wide v) {
  return wasm_i64x2_shuffle(wasm_f32x4_demote_f64x2_zero(v.low), wasm_f32x4_demote_f64x2_zero(v.high), 0, 2);
}

/* Four values of one product summed over the parts, in order. */
RECVAE_INLINE Wide add_parts(const float* from, int32_t parts, int32_t step) {
  Wide sum = {wasm_f64x2_const_splat(0.0), wasm_f64x2_const_splat(0.0)};
  RECVAE_NO_UNROLL
  for (; parts > 0; --parts, from += step) {
    const v128_t v = load(from);
    const v128_t high = wasm_i64x2_shuffle(v, v, 1, 1);
    sum = plus(sum, {wasm_f64x2_promote_low_f32x4(v), wasm_f64x2_promote_low_f32x4(high)});
  }
  return sum;
}

/* The four taps of four values: dw0 = m0 + m1, dw1 = m1 − m2 along z, then y. */
void finish_values(const float* sums, const Sizes& s, float* filter, int32_t tap_floats) {
  Wide taps[2][3];
  for (int32_t fy = 0; fy < 3; ++fy) {
    Wide m[3];
    for (int32_t fz = 0; fz < 3; ++fz) m[fz] = add_parts(sums + (3 * fz + fy) * s.product, s.parts, 9 * s.product);
    taps[0][fy] = plus(m[0], m[1]);
    taps[1][fy] = minus(m[1], m[2]);
  }
  for (int32_t z = 0; z < 2; ++z) { /* taps of one phase are 2 apart: 8 and 2 rows of kx */
    store(filter + 8 * z * tap_floats, narrow(plus(taps[z][0], taps[z][1])));
    store(filter + (8 * z + 2) * tap_floats, narrow(minus(taps[z][1], taps[z][2])));
  }
}

}  // namespace

/*
 * Below 4 voxels an axis the odd tiles at the border outweigh the saved products, and a tap that sums very few
 * terms would carry roundings of its tile's other terms. Variant 3 asks for it anyway.
 */
bool fits(const Conv3dParams* p) {
  const bool wins = p->out_z >= 4 && p->out_y >= 4 && p->out_x >= 4;
  return halves(p) && p->in_c % 4 == 0 && p->out_c % 8 == 0 && p->n > 0 && p->out_z > 0 && p->out_y > 0 &&
         p->out_x > 0 && (p->variant == 3 || (p->variant != 2 && wins));
}

int32_t workspace_bytes(const Conv3dParams* p) {
  const Sizes s = sizes_of(p);
  return 4 * s.parts * 9 * s.product;
}

int32_t scratch_bytes(const Conv3dParams* p) {
  const Sizes s = sizes_of(p);
  return 4 * (s.zero_row + 3 * (s.input + s.output));
}

int32_t slices(const Conv3dParams* p) {
  const Sizes s = sizes_of(p);
  return s.parts * s.splits;
}

void run(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch) {
  const Sizes s = sizes_of(p);
  const int32_t all = p->n * s.tiles_z * s.groups;
  const int32_t half = 2 * s.values * p->out_c; /* floats of two pairs' sums */
  zero_floats((float*)scratch, s.zero_row);
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t part = slice / s.splits, split = slice % s.splits;
    const int32_t first_fz = split / 2, last_fz = s.splits == 1 ? 3 : first_fz + 1;
    Group g;
    g.first_pair = s.splits == 1 ? 0 : 2 * (split % 2);
    g.last_pair = s.splits == 1 ? 4 : g.first_pair + 2;
    float* sums = (float*)p->workspace + part * 9 * s.product;
    for (int32_t f = 3 * first_fz; f < 3 * last_fz; ++f) {
      zero_floats(sums + f * s.product + g.first_pair / 2 * half, (g.last_pair - g.first_pair) / 2 * half);
    }
    const int32_t last = (int32_t)((int64_t)all * (part + 1) / s.parts);
    for (int32_t i = (int32_t)((int64_t)all * part / s.parts); i < last; ++i) {
      g.sample = i / (s.tiles_z * s.groups);
      g.plane = i / s.groups % s.tiles_z;
      g.row = i % s.groups * s.group_rows;
      g.rows = smaller(s.group_rows, s.tiles_y - g.row);
      if (g.rows <= 0) continue;
      fetch_group(p, g);
      for (int32_t fz = first_fz; fz < last_fz; ++fz) {
        add_group(p, s, g, fz, (float*)scratch, sums + fz * 3 * s.product);
      }
    }
  }
}

int32_t finish_slices(const Conv3dParams* p) { return 4 * ceil_div(4 * p->in_c * p->out_c, kFinishRun); }

void finish(const Conv3dParams* p, int32_t begin, int32_t end) {
  const Sizes s = sizes_of(p);
  const int32_t floats = s.values * p->out_c; /* of one (kz, ky) */
  const int32_t runs = ceil_div(floats, kFinishRun);
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t pair = slice / runs, first = slice % runs * kFinishRun;
    const float* sums = (const float*)p->workspace + pair * floats;
    float* filter = p->filter + ((pair >> 1) * 4 + (pair & 1)) * floats;
    for (int32_t at = first; at < smaller(floats, first + kFinishRun); at += 4) {
      finish_values(sums + at, s, filter + at, floats);
    }
  }
}

}  // namespace filter_gradient_winograd
}  // namespace recvae
