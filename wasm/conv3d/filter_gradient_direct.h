/*
 * f32_conv3d_filter_gradient_direct_6x8: filter gradient, kernel 4, stride 2, padding 1, output channels in
 * blocks of 8.
 *
 * For one (kz, ky) the 4·in_c values (kx, ci) an output voxel meets lie one after another in memory; a tile
 * is 4 to 6 of them by 8 output channels. Loop order: part (fixed run of output planes), kz and block of
 * output channels (these three make a slice), run of rows that stays in the first-level cache, ky, tile, row,
 * voxel. Per voxel: 2 loads of dy, 6 splats of x, 12 fma; registers: 12 accumulators, 2 dy, 1 splat. At the
 * first and last column the taps outside are left out by a separate step.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace filter_gradient_direct {

bool fits(const Conv3dParams* p);
/* Partial filters the finish adds; 1 = written in place. */
int32_t parts(const Conv3dParams* p);
int32_t slices(const Conv3dParams* p);
void run(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace filter_gradient_direct
}  // namespace recvae
