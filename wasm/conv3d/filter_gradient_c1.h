/*
 * f32_conv3d_filter_gradient_c1_8x4: filter gradient for one input channel, kernel 4, stride 2, padding 1.
 *
 * An input row iy meets two output rows: oy = A with ky = q and oy = A − 1 with ky = q + 2 (iy = 2A − 1 + q),
 * and an input column meets two output columns in the same way. So each input value, splatted once from a
 * vector load, feeds four fma: the sums of 4 kx × 2 ky stay in 8 registers while a row passes; dy of the two
 * rows and of two neighbouring columns takes 4 more. Per 16 fma: 1 load of x, 4 of dy, 4 lane splats.
 * Loop order: run of output planes (a slice), plane, block of rows, (kz, q), row, 4 input columns.
 * Slices write partial filters to the workspace; the finish adds them in order in float64.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace filter_gradient_c1 {

bool fits(const Conv3dParams* p);
int32_t scratch_bytes(const Conv3dParams* p);
/* Slices, which are also the partial filters; 1 = written in place. */
int32_t slices(const Conv3dParams* p);
void run(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch);

}  // namespace filter_gradient_c1
}  // namespace recvae
