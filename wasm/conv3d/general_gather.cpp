/*
 * General convolution forward and input gradient as one gather: every target voxel sums over the taps that
 * reach it. Loop order: voxel, block of up to 4 channel vectors, tap, source channel. Per fma: 1 weight
 * load and 1/4 … 1 splat of the source. Accumulators: 1 to 4 vectors.
 */
#include "general.h"
#include "taps.h"

namespace recvae {
namespace general {

namespace {

/* Stores `count` (1 to 4) lanes of v. */
RECVAE_INLINE void store_lanes(float* to, v128_t v, int32_t count) {
  if (count == 4) {
    store(to, v);
    return;
  }
  to[0] = wasm_f32x4_extract_lane(v, 0);
  if (count > 1) to[1] = wasm_f32x4_extract_lane(v, 1);
  if (count > 2) to[2] = wasm_f32x4_extract_lane(v, 2);
}

RECVAE_INLINE v128_t load_lanes(const float* from, int32_t count) {
  if (count == 4) return load(from);
  v128_t v = wasm_v128_load32_zero(from);
  if (count > 1) v = wasm_v128_load32_lane(from + 1, v, 1);
  if (count > 2) v = wasm_v128_load32_lane(from + 2, v, 2);
  return v;
}

struct Voxel {
  TapRun z, y, x;
  const float* sample; /* source of this sample */
};

/* Sums all taps of one voxel into VECTORS channel vectors starting at target channel `channel`. */
template <int VECTORS>
RECVAE_INLINE void sum_taps(const Conv3dParams* p, const Gather& g, const Voxel& voxel, int32_t channel,
                            v128_t* acc) {
  const int32_t tap_floats = g.source_c * g.weight_stride;
  for (int32_t a = 0; a < voxel.z.count; ++a) {
    const int32_t kz = voxel.z.tap + a * voxel.z.tap_step;
    const int32_t sz = voxel.z.source + a * voxel.z.source_step;
    for (int32_t b = 0; b < voxel.y.count; ++b) {
      const int32_t ky = voxel.y.tap + b * voxel.y.tap_step;
      const int32_t sy = voxel.y.source + b * voxel.y.source_step;
      const float* row = voxel.sample + (sz * g.source_y + sy) * g.source_x * g.source_c;
      const float* row_weights = g.weights + (kz * p->k_y + ky) * p->k_x * tap_floats + channel;
      for (int32_t c = 0; c < voxel.x.count; ++c) {
        const float* s = row + (voxel.x.source + c * voxel.x.source_step) * g.source_c;
        const float* w = row_weights + (voxel.x.tap + c * voxel.x.tap_step) * tap_floats;
        RECVAE_NO_UNROLL
        for (int32_t i = 0; i < g.source_c; ++i) {
          const v128_t v = splat(s + i);
          RECVAE_UNROLL
          for (int j = 0; j < VECTORS; ++j) acc[j] = fma(v, load(w + 4 * j), acc[j]);
          w += g.weight_stride;
        }
      }
    }
  }
}

template <int VECTORS>
RECVAE_INLINE void write_block(const Conv3dParams* p, const Gather& g, const Voxel& voxel, int32_t channel,
                               float* to) {
  v128_t acc[VECTORS];
  RECVAE_UNROLL
  for (int j = 0; j < VECTORS; ++j) {
    const int32_t lanes = smaller(4, g.target_c - channel - 4 * j);
    acc[j] = g.bias ? load_lanes(g.bias + channel + 4 * j, lanes) : zero4();
  }
  sum_taps<VECTORS>(p, g, voxel, channel, acc);
  RECVAE_UNROLL
  for (int j = 0; j < VECTORS; ++j) {
    store_lanes(to + channel + 4 * j, acc[j], smaller(4, g.target_c - channel - 4 * j));
  }
}

void write_voxel(const Conv3dParams* p, const Gather& g, const Voxel& voxel, float* to) {
  int32_t channel = 0;
  for (; g.weight_stride - channel >= 16; channel += 16) write_block<4>(p, g, voxel, channel, to);
  for (; g.weight_stride - channel >= 8; channel += 8) write_block<2>(p, g, voxel, channel, to);
  if (channel < g.weight_stride) write_block<1>(p, g, voxel, channel, to);
}

RECVAE_INLINE TapRun taps(bool forward, int32_t at, int32_t kernel, int32_t stride, int32_t pad, int32_t size) {
  return forward ? forward_taps(at, kernel, stride, pad, size) : gradient_taps(at, kernel, stride, pad, size);
}

}  // namespace

void gather_planes(const Conv3dParams* p, const Gather& g, int32_t begin, int32_t end) {
  const int32_t source_floats = g.source_z * g.source_y * g.source_x * g.source_c;
  const int32_t plane_floats = g.target_y * g.target_x * g.target_c;
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t sample = slice / g.target_z;
    Voxel voxel;
    voxel.sample = g.source + sample * source_floats;
    voxel.z = taps(g.forward, slice % g.target_z, p->k_z, p->stride_z, p->pad_z, g.source_z);
    float* to = g.target + slice * plane_floats;
    for (int32_t y = 0; y < g.target_y; ++y) {
      voxel.y = taps(g.forward, y, p->k_y, p->stride_y, p->pad_y, g.source_y);
      for (int32_t x = 0; x < g.target_x; ++x) {
        voxel.x = taps(g.forward, x, p->k_x, p->stride_x, p->pad_x, g.source_x);
        write_voxel(p, g, voxel, to);
        to += g.target_c;
      }
    }
  }
}

int32_t packed_floats(const Conv3dParams* p, bool forward) {
  const int32_t taps = p->k_z * p->k_y * p->k_x;
  if (!forward) return taps * p->out_c * round_up(p->in_c, 4);
  return p->out_c % 4 == 0 ? 0 : taps * p->in_c * round_up(p->out_c, 4);
}

int32_t pack_slices(const Conv3dParams* p, bool forward) {
  return p->n > 0 && packed_floats(p, forward) > 0 ? p->k_z * p->k_y * p->k_x : 0;
}

void pack_filter(const Conv3dParams* p, bool forward, int32_t begin, int32_t end) {
  const int32_t source_c = forward ? p->in_c : p->out_c;
  const int32_t target_c = forward ? p->out_c : p->in_c;
  const int32_t source_step = forward ? p->out_c : 1; /* in the filter [tap, in_c, out_c] */
  const int32_t target_step = forward ? 1 : p->out_c;
  const int32_t stride = round_up(target_c, 4);
  float* packed = (float*)p->workspace;
  for (int32_t tap = begin; tap < end; ++tap) {
    const float* from = p->filter + tap * p->in_c * p->out_c;
    float* to = packed + tap * source_c * stride;
    for (int32_t s = 0; s < source_c; ++s, to += stride) {
      for (int32_t t = 0; t < target_c; ++t) to[t] = from[s * source_step + t * target_step];
      for (int32_t t = target_c; t < stride; ++t) to[t] = 0.0f;
    }
  }
}

Gather forward_gather(const Conv3dParams* p) {
  const float* weights = packed_floats(p, true) ? (const float*)p->workspace : p->filter;
  return {p->input,  p->output, weights,  p->bias,  p->in_z,    p->in_y, p->in_x,
          p->in_c,   p->out_z,  p->out_y, p->out_x, p->out_c,   round_up(p->out_c, 4), true};
}

Gather gradient_gather(const Conv3dParams* p) {
  const float* weights = (const float*)p->workspace;
  return {p->output, p->input, weights, 0,       p->out_z, p->out_y, p->out_x,
          p->out_c,  p->in_z,  p->in_y, p->in_x, p->in_c,  round_up(p->in_c, 4), false};
}

}  // namespace general
}  // namespace recvae
