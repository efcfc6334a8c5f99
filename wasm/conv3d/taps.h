/*
 * Which taps of a convolution reach a given voxel, per axis, as arithmetic runs, so that one gather loop
 * serves the forward convolution and its input gradient. Part of the general kernels.
 */
#pragma once

#include "../conv3d.h"

namespace recvae {

/* `count` taps k = tap, tap + tap_step, … paired with source indices source, source + source_step, … */
struct TapRun {
  int32_t tap;
  int32_t tap_step;
  int32_t source;
  int32_t source_step;
  int32_t count;
};

/* Forward, output index o: all k with 0 <= stride·o − pad + k < in. */
RECVAE_INLINE TapRun forward_taps(int32_t o, int32_t kernel, int32_t stride, int32_t pad, int32_t in) {
  const int32_t first = stride * o - pad;
  const int32_t k0 = larger(0, -first);
  const int32_t k1 = smaller(kernel, in - first);
  return {k0, 1, first + k0, 1, larger(0, k1 - k0)};
}

/* Input gradient, input index i: all k with i + pad − k = stride·o and 0 <= o < out. */
RECVAE_INLINE TapRun gradient_taps(int32_t i, int32_t kernel, int32_t stride, int32_t pad, int32_t out) {
  const int32_t reach = i + pad;
  int32_t k = reach % stride;
  int32_t o = reach / stride; /* o belongs to tap k and falls by one per step of `stride` taps */
  if (o >= out) {
    k += (o - out + 1) * stride;
    o = out - 1;
  }
  const int32_t by_kernel = k < kernel ? (kernel - 1 - k) / stride + 1 : 0;
  return {k, stride, o, -1, larger(0, smaller(by_kernel, o + 1))};
}

}  // namespace recvae
