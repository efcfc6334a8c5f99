/*
 * The exported convolution kernels. Each operation has a list of variants, fastest first; the first whose
 * conditions the parameters meet does the work, the general one meets them all.
 */
#include "../conv3d.h"
#include "filter_gradient_c1.h"
#include "filter_gradient_direct.h"
#include "filter_gradient_winograd.h"
#include "forward_c1.h"
#include "forward_direct.h"
#include "general.h"
#include "input_gradient_c1.h"
#include "input_gradient_direct.h"
#include "partial_filters.h"
#include "winograd.h"

using namespace recvae;

RECVAE_EXPORT(f32_conv3d_forward__workspace)
int32_t f32_conv3d_forward__workspace(const Conv3dParams* p) {
  if (forward_c1::fits(p)) return 0;
  if (winograd::forward_fits(p)) return winograd::workspace_bytes(p);
  if (forward_direct::fits(p)) return forward_direct::workspace_bytes(p);
  return 4 * general::packed_floats(p, true);
}
RECVAE_EXPORT(f32_conv3d_forward_prepare__slices)
int32_t f32_conv3d_forward_prepare__slices(const Conv3dParams* p) {
  if (forward_c1::fits(p)) return 0;
  if (winograd::forward_fits(p)) return p->n > 0 ? 27 : 0;
  if (forward_direct::fits(p)) return forward_direct::pack_slices(p);
  return general::pack_slices(p, true);
}
RECVAE_EXPORT(f32_conv3d_forward_prepare)
void f32_conv3d_forward_prepare(const Conv3dParams* p, int32_t begin, int32_t end, char*) {
  if (winograd::forward_fits(p)) return winograd::transform_filter(p, true, begin, end);
  if (forward_direct::fits(p)) return forward_direct::pack(p, begin, end);
  general::pack_filter(p, true, begin, end);
}
RECVAE_EXPORT(f32_conv3d_forward__slices)
int32_t f32_conv3d_forward__slices(const Conv3dParams* p) {
  if (!forward_c1::fits(p) && winograd::forward_fits(p)) return winograd::slices(p, true);
  return p->n * p->out_z;
}
RECVAE_EXPORT(f32_conv3d_forward__scratch)
int32_t f32_conv3d_forward__scratch(const Conv3dParams* p) {
  if (!forward_c1::fits(p) && winograd::forward_fits(p)) return winograd::scratch_bytes(p, true);
  return 0;
}
RECVAE_EXPORT(f32_conv3d_forward)
void f32_conv3d_forward(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch) {
  if (forward_c1::fits(p)) return forward_c1::planes(p, begin, end);
  if (winograd::forward_fits(p)) return winograd::run(p, true, begin, end, scratch);
  if (forward_direct::fits(p)) return forward_direct::planes(p, begin, end);
  general::gather_planes(p, general::forward_gather(p), begin, end);
}

RECVAE_EXPORT(f32_conv3d_input_gradient__workspace)
int32_t f32_conv3d_input_gradient__workspace(const Conv3dParams* p) {
  if (input_gradient_c1::fits(p)) return input_gradient_c1::workspace_bytes(p);
  if (winograd::gradient_fits(p)) return winograd::workspace_bytes(p);
  if (input_gradient_direct::fits(p)) return input_gradient_direct::workspace_bytes(p);
  return 4 * general::packed_floats(p, false);
}
RECVAE_EXPORT(f32_conv3d_input_gradient_prepare__slices)
int32_t f32_conv3d_input_gradient_prepare__slices(const Conv3dParams* p) {
  if (input_gradient_c1::fits(p)) return input_gradient_c1::pack_slices(p);
  if (winograd::gradient_fits(p)) return p->n > 0 ? 27 : 0;
  if (input_gradient_direct::fits(p)) return input_gradient_direct::pack_slices(p);
  return general::pack_slices(p, false);
}
RECVAE_EXPORT(f32_conv3d_input_gradient_prepare)
void f32_conv3d_input_gradient_prepare(const Conv3dParams* p, int32_t begin, int32_t end, char*) {
  if (input_gradient_c1::fits(p)) return input_gradient_c1::pack(p, begin, end);
  if (winograd::gradient_fits(p)) return winograd::transform_filter(p, false, begin, end);
  if (input_gradient_direct::fits(p)) return input_gradient_direct::pack(p, begin, end);
  general::pack_filter(p, false, begin, end);
}
RECVAE_EXPORT(f32_conv3d_input_gradient__slices)
int32_t f32_conv3d_input_gradient__slices(const Conv3dParams* p) {
  if (!input_gradient_c1::fits(p) && winograd::gradient_fits(p)) return winograd::slices(p, false);
  return p->n * p->in_z;
}
RECVAE_EXPORT(f32_conv3d_input_gradient__scratch)
int32_t f32_conv3d_input_gradient__scratch(const Conv3dParams* p) {
  if (!input_gradient_c1::fits(p) && winograd::gradient_fits(p)) return winograd::scratch_bytes(p, false);
  return 0;
}
RECVAE_EXPORT(f32_conv3d_input_gradient)
void f32_conv3d_input_gradient(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch) {
  if (input_gradient_c1::fits(p)) return input_gradient_c1::planes(p, begin, end);
  if (winograd::gradient_fits(p)) return winograd::run(p, false, begin, end, scratch);
  if (input_gradient_direct::fits(p)) return input_gradient_direct::planes(p, begin, end);
  general::gather_planes(p, general::gradient_gather(p), begin, end);
}

/* Partial filters of the chosen variant; 1 = the filter is written in place. */
static int32_t filter_parts(const Conv3dParams* p) {
  if (filter_gradient_c1::fits(p)) return filter_gradient_c1::slices(p);
  if (filter_gradient_direct::fits(p)) return filter_gradient_direct::parts(p);
  return general::filter_partition(p).parts;
}

RECVAE_EXPORT(f32_conv3d_filter_gradient__workspace)
int32_t f32_conv3d_filter_gradient__workspace(const Conv3dParams* p) {
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::workspace_bytes(p);
  const int32_t parts = filter_parts(p);
  return parts > 1 ? 4 * parts * filter_floats(p) : 0;
}
RECVAE_EXPORT(f32_conv3d_filter_gradient__scratch)
int32_t f32_conv3d_filter_gradient__scratch(const Conv3dParams* p) {
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::scratch_bytes(p);
  return filter_gradient_c1::fits(p) ? filter_gradient_c1::scratch_bytes(p) : 0;
}
RECVAE_EXPORT(f32_conv3d_filter_gradient__slices)
int32_t f32_conv3d_filter_gradient__slices(const Conv3dParams* p) {
  if (filter_gradient_c1::fits(p)) return filter_gradient_c1::slices(p);
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::slices(p);
  if (filter_gradient_direct::fits(p)) return filter_gradient_direct::slices(p);
  const general::FilterPartition f = general::filter_partition(p);
  return f.parts * f.taps * f.channel_blocks;
}
RECVAE_EXPORT(f32_conv3d_filter_gradient)
void f32_conv3d_filter_gradient(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch) {
  if (filter_gradient_c1::fits(p)) return filter_gradient_c1::run(p, begin, end, scratch);
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::run(p, begin, end, scratch);
  if (filter_gradient_direct::fits(p)) return filter_gradient_direct::run(p, begin, end);
  general::filter_gradient(p, begin, end);
}
RECVAE_EXPORT(f32_conv3d_filter_gradient_finish__slices)
int32_t f32_conv3d_filter_gradient_finish__slices(const Conv3dParams* p) {
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::finish_slices(p);
  return filter_parts(p) > 1 ? partial_slices(p) : 0;
}
RECVAE_EXPORT(f32_conv3d_filter_gradient_finish)
void f32_conv3d_filter_gradient_finish(const Conv3dParams* p, int32_t begin, int32_t end, char*) {
  if (filter_gradient_winograd::fits(p)) return filter_gradient_winograd::finish(p, begin, end);
  add_partial_filters(p, filter_parts(p), begin, end);
}
