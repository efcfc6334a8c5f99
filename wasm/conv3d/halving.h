/*
 * The geometry of the model's levels: kernel 4, stride 2, padding 1 on every axis, which halves a volume
 * (floor). Tuned kernels exist for it.
 */
#pragma once

#include "../conv3d.h"

namespace recvae {

RECVAE_INLINE bool halves(const Conv3dParams* p) {
  return p->variant != 1 && p->k_z == 4 && p->k_y == 4 && p->k_x == 4 && p->stride_z == 2 && p->stride_y == 2 &&
         p->stride_x == 2 && p->pad_z == 1 && p->pad_y == 1 && p->pad_x == 1;
}

}  // namespace recvae
