/*
 * f32_conv3d_forward_direct_5x8: forward convolution, kernel 4, stride 2, padding 1, output channels in
 * blocks of 8.
 *
 * Loop order: output row, block of 8 output channels, tile of up to 5 output columns, (kz, ky), parity of kx,
 * input channel; then add_columns (columns.h). Weights are repacked to that order, so they stream. Padding
 * rows and planes are left out of the loops, padding columns out of the first and last tile.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace forward_direct {

bool fits(const Conv3dParams* p);
int32_t workspace_bytes(const Conv3dParams* p);
/* Filter to [out_c / 8][kz][ky][kx parity][in_c][kx / 2][8]; slice = (block, kz). */
int32_t pack_slices(const Conv3dParams* p);
void pack(const Conv3dParams* p, int32_t begin, int32_t end);
/* One slice = one output plane of one sample. */
void planes(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace forward_direct
}  // namespace recvae
