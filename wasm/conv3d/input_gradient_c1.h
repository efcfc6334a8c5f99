/*
 * f32_conv3d_input_gradient_c1_8x4: input gradient (transposed convolution) to one channel, kernel 4, stride
 * 2, padding 1; 8 of every 9 output values of the model's decoder come from here.
 *
 * Output voxels come in pairs per axis: index 2j − 1 + p with parity p takes tap k = p + 2a from dy[j − a],
 * a = 0, 1. The four lanes of an accumulator are the four (py, px) of one (jy, jx), so that one dy value,
 * splatted, serves four outputs with one fma, and both neighbours jx. Loop order: output plane, row pair,
 * tile of 8 jx, (az, ay), pair of dy channels; then everything unrolled. Registers: 8 accumulators, 4
 * weights, dy, splat. Per 32 fma: 9 half loads of dy, 4 loads of weights, 18 lane splats. Rows of outputs
 * are put together from lane pairs with one shuffle per four values.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace input_gradient_c1 {

bool fits(const Conv3dParams* p);
int32_t workspace_bytes(const Conv3dParams* p);
int32_t pack_slices(const Conv3dParams* p);
/* Filter [4,4,4,1,out_c] to [pz][az][ay][out_c][ax][py][px]; slice = pz. */
void pack(const Conv3dParams* p, int32_t begin, int32_t end);
/* One slice = one input plane of one sample. */
void planes(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace input_gradient_c1
}  // namespace recvae
