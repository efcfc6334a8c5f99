/*
 * Parameters of the convolution family. One struct serves the three operations
 *
 *   f32_conv3d_forward           reads input, filter, bias       writes output
 *   f32_conv3d_input_gradient    reads output (dy), filter       writes input (dx)
 *   f32_conv3d_filter_gradient   reads input, output (dy)        writes filter (dw)
 *
 * with "input" the side the stride divides, whichever direction data flow: a transposed convolution is
 * f32_conv3d_input_gradient. Cross-correlation, channels last:
 *
 *   output[n,o,co] = bias[co] + Σ_{k,ci} filter[k,ci,co] · input[n, stride·o − padding + k, ci]
 *
 * input [N, in_z, in_y, in_x, in_c], filter [k_z, k_y, k_x, in_c, out_c], output [N, out_z, out_y, out_x, out_c].
 * Kernel sizes 1 to 7, strides 1 to 3, any padding below the kernel size, any channel counts; N may be 0.
 *
 * Fused options (all optional, pointers 0 when unused):
 *   prologue  the operand named is read as leaky(scale[g,c]·v + shift[g,c]) with g = n / (N / sample_groups)
 *             and leaky(v) = v > 0 ? v : slope·v. Padding stays 0. slope = 1 leaves out the activation.
 *   epilogue  batch statistics of what is written (output of forward, input of input_gradient): mean and
 *             biased variance per (group, channel), [sample_groups, C], with the accuracy of two passes.
 */
#pragma once

#include "kernel.h"

namespace recvae {

/* Byte offsets stand at the right; every field is 4 bytes. */
struct Conv3dParams {
  float* input;          /*   0 */
  float* filter;         /*   4 */
  float* output;         /*   8 */
  const float* bias;     /*  12  [out_c], forward only */
  char* workspace;       /*  16  see kernel.h */
  int32_t n;             /*  20 */
  int32_t in_z;          /*  24 */
  int32_t in_y;          /*  28 */
  int32_t in_x;          /*  32 */
  int32_t in_c;          /*  36 */
  int32_t out_z;         /*  40 */
  int32_t out_y;         /*  44 */
  int32_t out_x;         /*  48 */
  int32_t out_c;         /*  52 */
  int32_t k_z;           /*  56 */
  int32_t k_y;           /*  60 */
  int32_t k_x;           /*  64 */
  int32_t stride_z;      /*  68 */
  int32_t stride_y;      /*  72 */
  int32_t stride_x;      /*  76 */
  int32_t pad_z;         /*  80 */
  int32_t pad_y;         /*  84 */
  int32_t pad_x;         /*  88 */
  int32_t sample_groups; /*  92  S, at least 1; divides n */
  const float* input_scale;  /*  96  [S, in_c]  prologue of input (forward, filter_gradient) */
  const float* input_shift;  /* 100  [S, in_c] */
  const float* output_scale; /* 104  [S, out_c] prologue of output (input_gradient, filter_gradient) */
  const float* output_shift; /* 108  [S, out_c] */
  float slope;           /* 112  of the prologue's leaky; 1 = none */
  float* mean;           /* 116  [S, C] epilogue statistics, or 0 */
  float* variance;       /* 120  [S, C] */
  int32_t variant;       /* 124  0 = the fastest kernel that fits; 1 = general; 2 = direct; 3 = minimal filtering */
}; /* 128 bytes */

static_assert(sizeof(Conv3dParams) == 128, "the host mirrors this layout");

}  // namespace recvae
