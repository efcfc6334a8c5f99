/*
 * General filter gradient: dw[k,ci,co] = Σ_{n,o} x[n, stride·o − pad + k, ci] · dy[n,o,co].
 *
 * A slice owns one tap, four input channels and one part (a fixed run of output planes); loop order: block
 * of 8 output channels, plane, row, voxel. Per 8 fma: 4 splats of x and 2 loads of dy; 8 accumulators.
 * With several parts the sums go to the workspace and OP_finish adds them in order.
 */
#include "general.h"
#include "taps.h"

namespace recvae {
namespace general {

namespace {

/* Parts are made until there are about this many slices, so that any sensible number of threads is busy. */
constexpr int32_t kSlicesWanted = 128;

/* One axis: outputs o in [first, last) whose input index stride·o + offset lies inside the volume. */
struct Reach {
  int32_t first, last, offset;
};

RECVAE_INLINE Reach reach(int32_t k, int32_t stride, int32_t pad, int32_t in, int32_t out) {
  const int32_t offset = k - pad;
  const int32_t first = offset < 0 ? ceil_div(-offset, stride) : 0;
  const int32_t last = in - 1 - offset >= 0 ? smaller(out, (in - 1 - offset) / stride + 1) : 0;
  return {first, larger(first, last), offset};
}

struct Slice {
  Reach z, y, x;
  int32_t channel;  /* first input channel of the block */
  int32_t channels; /* 1 to 4 */
  int32_t plane_begin, plane_end;
};

/* Any channel counts: scalar. Handles output channels [co, co + count), count <= 8. */
void sum_scalar(const Conv3dParams* p, const Slice& s, int32_t co, int32_t count, float (*acc)[8]) {
  for (int32_t plane = s.plane_begin; plane < s.plane_end; ++plane) {
    const int32_t oz = plane % p->out_z;
    if (oz < s.z.first || oz >= s.z.last) continue;
    const int32_t n = plane / p->out_z;
    for (int32_t oy = s.y.first; oy < s.y.last; ++oy) {
      const int32_t iz = oz * p->stride_z + s.z.offset, iy = oy * p->stride_y + s.y.offset;
      const float* xr = p->input + ((n * p->in_z + iz) * p->in_y + iy) * p->in_x * p->in_c + s.channel;
      const float* dr = p->output + (plane * p->out_y + oy) * p->out_x * p->out_c + co;
      for (int32_t ox = s.x.first; ox < s.x.last; ++ox) {
        const float* x = xr + (ox * p->stride_x + s.x.offset) * p->in_c;
        const float* d = dr + ox * p->out_c;
        for (int32_t i = 0; i < s.channels; ++i) {
          for (int32_t j = 0; j < count; ++j) acc[i][j] += x[i] * d[j];
        }
      }
    }
  }
}

/* Four input channels, VECTORS·4 output channels. */
template <int VECTORS>
RECVAE_INLINE void sum_vector(const Conv3dParams* p, const Slice& s, int32_t co, v128_t (*acc)[2]) {
  for (int32_t plane = s.plane_begin; plane < s.plane_end; ++plane) {
    const int32_t oz = plane % p->out_z;
    if (oz < s.z.first || oz >= s.z.last) continue;
    const int32_t n = plane / p->out_z;
    for (int32_t oy = s.y.first; oy < s.y.last; ++oy) {
      const int32_t iz = oz * p->stride_z + s.z.offset, iy = oy * p->stride_y + s.y.offset;
      const int32_t ix = s.x.first * p->stride_x + s.x.offset;
      const float* x = p->input + (((n * p->in_z + iz) * p->in_y + iy) * p->in_x + ix) * p->in_c + s.channel;
      const float* d = p->output + ((plane * p->out_y + oy) * p->out_x + s.x.first) * p->out_c + co;
      const int32_t step = p->stride_x * p->in_c;
      RECVAE_NO_UNROLL
      for (int32_t left = s.x.last - s.x.first; left > 0; --left, x += step, d += p->out_c) {
        RECVAE_UNROLL
        for (int j = 0; j < VECTORS; ++j) {
          const v128_t dv = load(d + 4 * j);
          RECVAE_UNROLL
          for (int i = 0; i < 4; ++i) acc[i][j] = fma(splat(x + i), dv, acc[i][j]);
        }
      }
    }
  }
}

/* All output channels of one slice; `to` is the filter row of the tap's first input channel of the block. */
void write_slice(const Conv3dParams* p, const Slice& s, float* to) {
  const bool vector = s.channels == 4;
  int32_t co = 0;
  for (; co < p->out_c;) {
    const int32_t left = p->out_c - co;
    if (vector && left >= 4) {
      v128_t acc[4][2];
      for (int i = 0; i < 4; ++i) acc[i][0] = acc[i][1] = zero4();
      const int32_t vectors = left >= 8 ? 2 : 1;
      if (vectors == 2) {
        sum_vector<2>(p, s, co, acc);
      } else {
        sum_vector<1>(p, s, co, acc);
      }
      for (int i = 0; i < 4; ++i) {
        store(to + i * p->out_c + co, acc[i][0]);
        if (vectors == 2) store(to + i * p->out_c + co + 4, acc[i][1]);
      }
      co += 4 * vectors;
    } else {
      const int32_t count = smaller(8, left);
      float acc[4][8] = {};
      sum_scalar(p, s, co, count, acc);
      for (int32_t i = 0; i < s.channels; ++i) {
        for (int32_t j = 0; j < count; ++j) to[i * p->out_c + co + j] = acc[i][j];
      }
      co += count;
    }
  }
}

}  // namespace

FilterPartition filter_partition(const Conv3dParams* p) {
  const int32_t taps = p->k_z * p->k_y * p->k_x;
  const int32_t blocks = ceil_div(p->in_c, 4);
  const int32_t planes = p->n * p->out_z;
  const int32_t wanted = ceil_div(kSlicesWanted, taps * blocks);
  const int32_t parts = larger(1, smaller(wanted, planes));
  return {taps, blocks, parts, planes};
}

void filter_gradient(const Conv3dParams* p, int32_t begin, int32_t end) {
  const FilterPartition f = filter_partition(p);
  const int32_t filter_floats = f.taps * p->in_c * p->out_c;
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t part = slice / (f.taps * f.channel_blocks);
    const int32_t tap = slice / f.channel_blocks % f.taps;
    Slice s;
    s.channel = slice % f.channel_blocks * 4;
    s.channels = smaller(4, p->in_c - s.channel);
    s.z = reach(tap / (p->k_y * p->k_x), p->stride_z, p->pad_z, p->in_z, p->out_z);
    s.y = reach(tap / p->k_x % p->k_y, p->stride_y, p->pad_y, p->in_y, p->out_y);
    s.x = reach(tap % p->k_x, p->stride_x, p->pad_x, p->in_x, p->out_x);
    s.plane_begin = (int32_t)((int64_t)f.planes * part / f.parts);
    s.plane_end = (int32_t)((int64_t)f.planes * (part + 1) / f.parts);
    float* sums = f.parts == 1 ? p->filter : (float*)p->workspace + part * filter_floats;
    write_slice(p, s, sums + (tap * p->in_c + s.channel) * p->out_c);
  }
}

}  // namespace general
}  // namespace recvae
