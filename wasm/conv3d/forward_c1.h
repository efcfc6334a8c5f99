/*
 * f32_conv3d_forward_c1_9x4: the forward convolution of one input channel, kernel 4, stride 2, padding 1.
 *
 * Loop order: output row, tile of up to 9 output columns, (kz, ky), then everything unrolled: 4 weight
 * vectors stay in registers while the 2·9 + 2 input values of the row are splatted one by one, each serving
 * the two output columns it reaches. Registers: 9 accumulators, 4 weights, 1 splat. Loads per fma: 24/36.
 * Nothing is staged: padding rows and planes are left out of the tap loops, padding columns out of the first
 * and last tile. Input bytes read per output value: 4·20/9 per tap row, from L1.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace forward_c1 {

bool fits(const Conv3dParams* p);
/* One slice = one output plane of one sample. */
void planes(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace forward_c1
}  // namespace recvae
