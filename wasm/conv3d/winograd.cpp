#include "winograd.h"

#include "winograd_multiply.h"
#include "winograd_result.h"
#include "winograd_source.h"

namespace recvae {
namespace winograd {
namespace {

/* `longest` pieces of equal length that cover n, at most `most` each. */
RECVAE_INLINE int32_t even_piece(int32_t n, int32_t most) { return ceil_div(n, ceil_div(n, most)); }

RECVAE_INLINE Axis axis(int32_t results) { return {ceil_div(results, 2), results % 2 == 1}; }

Shape shape_of(const Conv3dParams* p, bool forward) {
  const Volume in = {p->input, p->in_z, p->in_y, p->in_x};
  const Volume out = {p->output, p->out_z, p->out_y, p->out_x};
  Shape s = {};
  s.source = forward ? in : out;
  s.target = forward ? out : in;
  /* Results of the gradient come in pairs 2j − 1, 2j; j runs from 0 to in / 2. */
  s.z = axis(forward ? p->out_z : p->in_z / 2 + 1);
  s.y = axis(forward ? p->out_y : p->in_y / 2 + 1);
  s.x = axis(forward ? p->out_x : p->in_x / 2 + 1);
  s.bias = forward ? p->bias : 0;
  s.u = (const float*)p->workspace;
  s.block_columns = even_piece(s.x.tiles, kBlockTiles);
  s.block_rows = even_piece(s.y.tiles, larger(1, kBlockTiles / s.block_columns));
  return s;
}

/* Whether tap k belongs to u_f. Forward: g0 is tap `phase`, g1 tap `phase` + 2; gradient: the other way round. */
RECVAE_INLINE bool tap_counts(int32_t f, int32_t k, bool forward) {
  const int32_t g = forward ? k >> 1 : 1 - (k >> 1);
  return f == 1 || (f == 0 ? g == 0 : g == 1);
}

/* Four target channels (`step` floats apart) of u for product f and phase: the sum of its taps. */
v128_t sum_taps(int32_t f, int32_t phase, bool forward, const float* filter, int32_t tap_floats, int32_t step) {
  v128_t sum = zero4();
  for (int32_t kz = phase >> 2; kz < 4; kz += 2) {
    if (!tap_counts(f / 9, kz, forward)) continue;
    for (int32_t ky = phase >> 1 & 1; ky < 4; ky += 2) {
      if (!tap_counts(f / 3 % 3, ky, forward)) continue;
      for (int32_t kx = phase & 1; kx < 4; kx += 2) {
        if (!tap_counts(f % 3, kx, forward)) continue;
        const float* at = filter + ((kz * 4 + ky) * 4 + kx) * tap_floats;
        const v128_t w = step == 1 ? load(at) : wasm_f32x4_make(at[0], at[step], at[2 * step], at[3 * step]);
        sum = wasm_f32x4_add(sum, w);
      }
    }
  }
  return sum;
}

/* The kernel for one pair of phases and channels: IP, IC of the source, OP, OC of the target. */
template <int IP, int IC, int OP, int OC>
struct Kernel {
  using From = Source<IP, IC>;
  using To = Result<OP, OC>;
  static constexpr int DEPTH = From::DEPTH, LANES = To::LANES;

  static int32_t scratch_floats(const Shape& s) {
    return round_up(s.source.x * IC, 16) + From::staged_floats(s) + kBlockTiles * (3 * DEPTH + 17 * LANES);
  }

  struct Buffers {
    float* zero_row;
    float* staged;
    float* v;
    float* m;
    float* kept;
    float* out;
  };

  static Buffers buffers(const Shape& s, char* scratch) {
    Buffers b;
    b.zero_row = (float*)scratch;
    b.staged = b.zero_row + round_up(s.source.x * IC, 16);
    b.v = b.staged + From::staged_floats(s);
    b.m = b.v + kBlockTiles * 3 * DEPTH;
    b.kept = b.m + kBlockTiles * 9 * LANES;
    b.out = b.kept + kBlockTiles * 4 * LANES;
    return b;
  }

  static void block(const Shape& s, const Block& b, const Buffers& to) {
    const bool two_planes = !(s.z.partial && b.plane + 1 == s.z.tiles);
    const int32_t staged_plane = cells(s.y) * cells(s.x) * DEPTH;
    for (int32_t i = 0; i < (two_planes ? 3 : 2); ++i) {
      const int32_t fz = i == 0 ? 1 : i == 1 ? 0 : 2; /* the middle first: the others are added to it */
      for (int32_t fy = 0; fy < 3; ++fy) {
        From::spread(s, b, fy, to.staged + fz * staged_plane, to.v);
        for (int32_t fx = 0; fx < 3; ++fx) {
          multiply<DEPTH, LANES>(to.v + fx * kBlockTiles * DEPTH, s.u + (9 * fz + 3 * fy + fx) * LANES * DEPTH,
                                 to.m + (3 * fy + fx) * To::PRODUCT, rows_of(s, b, fy) * columns_of(s, b, fx));
        }
      }
      if (fz == 1) {
        To::template combine<1>(s, b, to.m, to.kept, to.out);
      } else if (fz == 0) {
        To::template combine<0>(s, b, to.m, to.kept, to.out);
        To::write(s, b, 0, to.out);
      } else {
        To::template combine<2>(s, b, to.m, to.kept, to.out);
        To::write(s, b, 1, to.out);
      }
    }
  }

  static void run(const Shape& s, int32_t begin, int32_t end, char* scratch) {
    const Buffers to = buffers(s, scratch);
    zero_floats(to.zero_row, s.source.x * IC);
    for (int32_t slice = begin; slice < end; ++slice) {
      Block b;
      b.sample = slice / s.z.tiles;
      b.plane = slice % s.z.tiles;
      From::stage(s, b.sample, b.plane, to.zero_row, to.staged);
      for (b.row = 0; b.row < s.y.tiles; b.row += s.block_rows) {
        b.rows = smaller(s.block_rows, s.y.tiles - b.row);
        for (b.column = 0; b.column < s.x.tiles; b.column += s.block_columns) {
          b.columns = smaller(s.block_columns, s.x.tiles - b.column);
          block(s, b, to);
        }
      }
    }
  }
};

/* Calls visit.operator()<Kernel>() for the parameters' channels. */
template <typename Visit>
auto with_kernel(const Conv3dParams* p, bool forward, Visit visit) {
  switch (p->in_c) {
    case 4: return forward ? visit((Kernel<2, 4, 1, 8>*)0) : visit((Kernel<1, 8, 2, 4>*)0);
    case 8: return forward ? visit((Kernel<2, 8, 1, 16>*)0) : visit((Kernel<1, 16, 2, 8>*)0);
    default: return forward ? visit((Kernel<2, 16, 1, 32>*)0) : visit((Kernel<1, 32, 2, 16>*)0);
  }
}

/*
 * Where it beats the direct kernels (README.md, measurements): with few channels the transforms outweigh the
 * saved products, with few voxels the odd tiles at the border do. Variant 3 asks for it anywhere.
 */
bool fits(const Conv3dParams* p, int32_t least_channels) {
  const bool channels = (p->in_c == 4 || p->in_c == 8 || p->in_c == 16) && p->out_c == 2 * p->in_c;
  const bool wins = p->in_c >= least_channels && p->out_x >= 8 && p->out_y >= 8;
  return channels && halves(p) && p->out_z > 0 && p->out_y > 0 && p->out_x > 0 &&
         (p->variant == 3 || (p->variant != 2 && wins));
}

}  // namespace

bool forward_fits(const Conv3dParams* p) { return fits(p, 4); }

bool gradient_fits(const Conv3dParams* p) { return fits(p, 8); }

int32_t workspace_bytes(const Conv3dParams* p) { return 4 * 27 * 8 * p->in_c * p->out_c; }

int32_t scratch_bytes(const Conv3dParams* p, bool forward) {
  const Shape s = shape_of(p, forward);
  return 4 * with_kernel(p, forward, [&]<typename K>(K*) { return K::scratch_floats(s); });
}

void transform_filter(const Conv3dParams* p, bool forward, int32_t begin, int32_t end) {
  const int32_t tap_floats = p->in_c * p->out_c;
  const int32_t source_c = forward ? p->in_c : p->out_c, target_c = forward ? p->out_c : p->in_c;
  const int32_t source_phases = forward ? 8 : 1, lanes = forward ? target_c : 8 * target_c;
  const int32_t source_step = forward ? p->out_c : 1, target_step = forward ? 1 : p->out_c;
  for (int32_t f = begin; f < end; ++f) {
    float* to = (float*)p->workspace + f * 8 * tap_floats;
    for (int32_t block = 0; block < lanes; block += 8) {
      for (int32_t depth = 0; depth < source_phases * source_c; ++depth) {
        for (int32_t lane = block; lane < block + 8; lane += 4, to += 4) {
          const int32_t phase = forward ? depth / source_c : lane / target_c;
          const float* from = p->filter + depth % source_c * source_step + lane % target_c * target_step;
          store(to, sum_taps(f, phase, forward, from, tap_floats, target_step));
        }
      }
    }
  }
}

int32_t slices(const Conv3dParams* p, bool forward) { return p->n * shape_of(p, forward).z.tiles; }

void run(const Conv3dParams* p, bool forward, int32_t begin, int32_t end, char* scratch) {
  const Shape s = shape_of(p, forward);
  with_kernel(p, forward, [&]<typename K>(K*) { K::run(s, begin, end, scratch); });
}

}  // namespace winograd
}  // namespace recvae
