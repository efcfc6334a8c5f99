/*
 * f32_conv3d_input_gradient_direct_5x8: input gradient (transposed convolution), kernel 4, stride 2, padding
 * 1, input channels in blocks of 4.
 *
 * Voxels of the result come in pairs per axis: index 2j − 1 + p with parity p takes tap k = p + 2a from
 * dy[j − a], a = 0, 1. Loop order: row of the result, block of 4 channels, tile of up to 5 pairs jx, (az, ay),
 * output channel; then add_columns (columns.h), whose two vectors per column are the two px. Taps outside are
 * left out of the loops (z, y) and of the first and last tile (x).
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace input_gradient_direct {

bool fits(const Conv3dParams* p);
int32_t workspace_bytes(const Conv3dParams* p);
/* Filter to [in_c / 4][pz][py][az][ay][out_c][1 − ax][px][4]; slice = (block, pz). */
int32_t pack_slices(const Conv3dParams* p);
void pack(const Conv3dParams* p, int32_t begin, int32_t end);
/* One slice = one plane of the result, of one sample. */
void planes(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace input_gradient_direct
}  // namespace recvae
