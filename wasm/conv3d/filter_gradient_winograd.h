/*
 * f32_conv3d_filter_gradient_winograd_2x2_5x8: filter gradient, kernel 4, stride 2, padding 1, with minimal
 * filtering along z and y.
 *
 * Along an axis a pair of output voxels (dy0, dy1) and three input voxels x0, x1, x2 of one phase give the two
 * taps of that phase from three products instead of four:
 *
 *   v0 = x0 − x1, v1 = x1, v2 = x1 − x2;  e0 = dy0, e1 = dy0 + dy1, e2 = dy1;  m_i = Σ v_i·e_i
 *   dw0 = m0 + m1 = Σ x0·dy0 + x1·dy1,    dw1 = m1 − m2 = Σ x1·dy0 + x2·dy1
 *
 * so z and y together need 9 row products instead of 16; x stays direct (4 taps), because a transform along x
 * costs more memory accesses than it saves. A slice is one part (a fixed run of groups of tile rows), or where
 * the sums are large, one of its 3 products along z for half of the pairs of phases. Per group: combine input
 * rows for the pairs of phases and dy rows, then for each pair a product as in filter_gradient_direct: 4 to 6 of
 * the 4·in_c values of a window by 8 output channels, over all voxels of the group in one loop (each row of dy
 * has a zero voxel at its end, so that rows join). The finish adds the parts in float64 and forms the taps.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace filter_gradient_winograd {

bool fits(const Conv3dParams* p);
int32_t workspace_bytes(const Conv3dParams* p);
int32_t scratch_bytes(const Conv3dParams* p);
int32_t slices(const Conv3dParams* p);
void run(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch);
/* Slice = pair of phases (pz, py) and run of values. */
int32_t finish_slices(const Conv3dParams* p);
void finish(const Conv3dParams* p, int32_t begin, int32_t end);

}  // namespace filter_gradient_winograd
}  // namespace recvae
