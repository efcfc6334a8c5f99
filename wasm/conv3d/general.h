/*
 * The general kernels: any kernel size, stride, padding and channel counts, vectorised over the channels of
 * the result, no blocking over voxels. Correct first; the shapes of the model have tuned kernels.
 */
#pragma once

#include "../conv3d.h"

namespace recvae {
namespace general {

/* The side that is read (source) and the side that is written (target) of a gather. */
struct Gather {
  const float* source;
  float* target;
  const float* weights; /* [k_z, k_y, k_x, source_c, weight_stride], lanes = target channels */
  const float* bias;    /* [target_c] or 0 */
  int32_t source_z, source_y, source_x, source_c;
  int32_t target_z, target_y, target_x, target_c;
  int32_t weight_stride; /* floats from one source channel's weights to the next: target_c rounded up to 4 */
  bool forward;
};

Gather forward_gather(const Conv3dParams* p);
Gather gradient_gather(const Conv3dParams* p);

/* Floats of the repacked filter in the workspace, 0 when the filter is used where it lies. */
int32_t packed_floats(const Conv3dParams* p, bool forward);
/* Slices of the repacking (one per tap), 0 when nothing is to be repacked. */
int32_t pack_slices(const Conv3dParams* p, bool forward);
void pack_filter(const Conv3dParams* p, bool forward, int32_t begin, int32_t end);

/* One slice = one depth plane of one sample of the target. */
void gather_planes(const Conv3dParams* p, const Gather& g, int32_t begin, int32_t end);

/* Filter gradient: slice = (tap, block of 4 input channels, part), parts being fixed runs of output planes. */
struct FilterPartition {
  int32_t taps;
  int32_t channel_blocks; /* ceil(in_c / 4) */
  int32_t parts;          /* partial sums per filter value; 1 writes the filter directly, more are added by the finish */
  int32_t planes;         /* n · out_z */
};
FilterPartition filter_partition(const Conv3dParams* p);
void filter_gradient(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace general
}  // namespace recvae
