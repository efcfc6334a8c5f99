/*
 * f32_conv3d_{forward,input_gradient}_winograd_2x2x2: minimal filtering for kernel 4, stride 2, padding 1, and
 * the channel counts of the model.
 *
 * Such a convolution is a stride-1 convolution with two taps per axis over phases: those of the input
 * (forward: its even and odd voxels are 2 phases per axis) or those of the result (input gradient). Two
 * results y0, y1 of two taps g0, g1 need three products instead of four:
 *
 *   v0 = d0 − d1, v1 = d1, v2 = d1 − d2;  u0 = g0, u1 = g0 + g1, u2 = g1;  m_i = v_i·u_i
 *   y0 = m0 + m1 = g0·d0 + g1·d1,         y1 = m1 − m2 = g0·d1 + g1·d2
 *
 * and the three axes nest: 27 products instead of 64 for a tile of 2×2×2 results. Sums and differences only,
 * so accuracy stays that of direct summation to within a small factor. An axis with an odd number of results
 * has a last tile of one result, which needs the products 0 and 1 only.
 *
 * Per plane of tiles (a slice): stage the source as cells [fz][Y][X][depth], a cell holding all phases and
 * channels (depth = phases³ · channels), already transformed along z. Per block of about 12 tiles and product
 * fz: for fy = 0, 1, 2 transform along y and x to V [3][tiles][depth], multiply with the transformed filter U
 * [27][lanes / 8][depth][8] to M [9][tiles][lanes]; then transform M along y and x to 2×2 values per tile. The
 * middle plane (fz = 1) is kept, the outer two are added to it and written. V, M and the kept values stay in
 * the first-level cache, the staged cells in the second.
 */
#pragma once

#include "halving.h"

namespace recvae {
namespace winograd {

bool forward_fits(const Conv3dParams* p);
bool gradient_fits(const Conv3dParams* p);

int32_t workspace_bytes(const Conv3dParams* p);
int32_t scratch_bytes(const Conv3dParams* p, bool forward);
/* Transforms the filter to the workspace; 27 slices. */
void transform_filter(const Conv3dParams* p, bool forward, int32_t begin, int32_t end);
/* One slice = one plane of tiles of one sample. */
int32_t slices(const Conv3dParams* p, bool forward);
void run(const Conv3dParams* p, bool forward, int32_t begin, int32_t end, char* scratch);

}  // namespace winograd
}  // namespace recvae
