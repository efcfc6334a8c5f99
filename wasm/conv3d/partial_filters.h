/*
 * Filter gradients are summed in two steps so that the result does not depend on threads: every slice leaves
 * a partial filter in the workspace, the finish adds the partial filters in slice order, in float64.
 */
#pragma once

#include "../conv3d.h"

namespace recvae {

/* Values of the filter each finish slice adds up. */
constexpr int32_t kFilterRun = 256;

RECVAE_INLINE int32_t filter_floats(const Conv3dParams* p) {
  return p->k_z * p->k_y * p->k_x * p->in_c * p->out_c;
}

RECVAE_INLINE int32_t partial_slices(const Conv3dParams* p) { return ceil_div(filter_floats(p), kFilterRun); }

/* Adds values [begin·kFilterRun, end·kFilterRun) of `parts` partial filters that lie one after another. */
void add_partial_filters(const Conv3dParams* p, int32_t parts, int32_t begin, int32_t end);

}  // namespace recvae
