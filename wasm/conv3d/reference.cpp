/*
 * The three convolutions straight from their definition (conv3d.h), scalar, sums in float64: what the kernels
 * beside this file are tested against at full size. Not used by the engine.
 */
#include "../conv3d.h"

using namespace recvae;

namespace {

/* Calls visit(input voxel, output voxel, tap) for all pairs of sample n that a tap connects. */
template <typename Visit>
void each_pair(const Conv3dParams* p, Visit visit) {
  for (int32_t o = 0; o < p->n * p->out_z * p->out_y * p->out_x; ++o) {
    const int32_t x = o % p->out_x, y = o / p->out_x % p->out_y, z = o / (p->out_x * p->out_y) % p->out_z;
    const int32_t n = o / (p->out_x * p->out_y * p->out_z);
    for (int32_t tap = 0; tap < p->k_z * p->k_y * p->k_x; ++tap) {
      const int32_t iz = z * p->stride_z - p->pad_z + tap / (p->k_x * p->k_y);
      const int32_t iy = y * p->stride_y - p->pad_y + tap / p->k_x % p->k_y;
      const int32_t ix = x * p->stride_x - p->pad_x + tap % p->k_x;
      const bool inside = iz >= 0 && iz < p->in_z && iy >= 0 && iy < p->in_y && ix >= 0 && ix < p->in_x;
      if (inside) visit(((n * p->in_z + iz) * p->in_y + iy) * p->in_x + ix, o, tap);
    }
  }
}

/* float64 sums in the workspace, rounded once at the end. */
void round_to(const double* sums, float* to, int32_t count) {
  for (int32_t i = 0; i < count; ++i) to[i] = (float)sums[i];
}

double* zeroed(const Conv3dParams* p, int32_t count) {
  double* sums = (double*)p->workspace;
  for (int32_t i = 0; i < count; ++i) sums[i] = 0.0;
  return sums;
}

}  // namespace

/* All three need 8 bytes of workspace per value written. */
RECVAE_EXPORT(f32_conv3d_forward__reference)
void f32_conv3d_forward__reference(const Conv3dParams* p) {
  const int32_t count = p->n * p->out_z * p->out_y * p->out_x * p->out_c;
  double* sums = zeroed(p, count);
  for (int32_t i = 0; i < count && p->bias; ++i) sums[i] = p->bias[i % p->out_c];
  each_pair(p, [&](int32_t i, int32_t o, int32_t tap) {
    for (int32_t ci = 0; ci < p->in_c; ++ci) {
      const double x = p->input[i * p->in_c + ci];
      const float* w = p->filter + (tap * p->in_c + ci) * p->out_c;
      for (int32_t co = 0; co < p->out_c; ++co) sums[o * p->out_c + co] += x * w[co];
    }
  });
  round_to(sums, p->output, count);
}

RECVAE_EXPORT(f32_conv3d_input_gradient__reference)
void f32_conv3d_input_gradient__reference(const Conv3dParams* p) {
  const int32_t count = p->n * p->in_z * p->in_y * p->in_x * p->in_c;
  double* sums = zeroed(p, count);
  each_pair(p, [&](int32_t i, int32_t o, int32_t tap) {
    for (int32_t ci = 0; ci < p->in_c; ++ci) {
      const float* w = p->filter + (tap * p->in_c + ci) * p->out_c;
      double sum = 0.0;
      for (int32_t co = 0; co < p->out_c; ++co) sum += (double)p->output[o * p->out_c + co] * w[co];
      sums[i * p->in_c + ci] += sum;
    }
  });
  round_to(sums, p->input, count);
}

RECVAE_EXPORT(f32_conv3d_filter_gradient__reference)
void f32_conv3d_filter_gradient__reference(const Conv3dParams* p) {
  const int32_t count = p->k_z * p->k_y * p->k_x * p->in_c * p->out_c;
  double* sums = zeroed(p, count);
  each_pair(p, [&](int32_t i, int32_t o, int32_t tap) {
    for (int32_t ci = 0; ci < p->in_c; ++ci) {
      const double x = p->input[i * p->in_c + ci];
      for (int32_t co = 0; co < p->out_c; ++co) {
        sums[(tap * p->in_c + ci) * p->out_c + co] += x * p->output[o * p->out_c + co];
      }
    }
  });
  round_to(sums, p->filter, count);
}
