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
  int32_t variant;       /*  92  0 = the fastest kernel that fits; 1 = general; 2 = direct; 3 = minimal filtering */
}; /* 96 bytes */

static_assert(sizeof(Conv3dParams) == 96, "the host mirrors this layout");

}  // namespace recvae
