/*
 * Rows of minimal filtering along z and y (winograd.h has the arithmetic). For one product along z, which takes
 * one plane or joins two, the three products along y are formed together from two or three rows:
 *
 *   differences (input side):  rows r0, r1, r2 → r0 − r1, r1, r1 − r2
 *   sums (dy side):            rows r0, r1     → r0, r0 + r1, r1
 */
#pragma once

#include "../kernel.h"

namespace recvae {

/* near: rows of the plane, in order of y; far: those of the plane joined to it. */
struct RowSet {
  const float* near[3];
  const float* far[3];
};

/* Writes `floats` (a multiple of 4) values of each product to `to`, `to` + stride, `to` + 2·stride. */
template <bool PAIR_Z>
RECVAE_INLINE void difference_rows(const RowSet& rows, int32_t floats, float* to, int32_t stride) {
  const float* a = rows.near[0];
  const float* b = rows.near[1];
  const float* c = rows.near[2];
  const float* d = rows.far[0];
  const float* e = rows.far[1];
  const float* f = rows.far[2];
  RECVAE_NO_UNROLL
  for (int32_t at = 0; at < floats; at += 4, to += 4) {
    v128_t r0 = load(a + at), r1 = load(b + at), r2 = load(c + at);
    if (PAIR_Z) {
      r0 = wasm_f32x4_sub(r0, load(d + at));
      r1 = wasm_f32x4_sub(r1, load(e + at));
      r2 = wasm_f32x4_sub(r2, load(f + at));
    }
    store(to, wasm_f32x4_sub(r0, r1));
    store(to + stride, r1);
    store(to + 2 * stride, wasm_f32x4_sub(r1, r2));
  }
}

template <bool PAIR_Z>
RECVAE_INLINE void sum_rows(const RowSet& rows, int32_t floats, float* to, int32_t stride) {
  const float* a = rows.near[0];
  const float* b = rows.near[1];
  const float* d = rows.far[0];
  const float* e = rows.far[1];
  RECVAE_NO_UNROLL
  for (int32_t at = 0; at < floats; at += 4, to += 4) {
    v128_t r0 = load(a + at), r1 = load(b + at);
    if (PAIR_Z) {
      r0 = wasm_f32x4_add(r0, load(d + at));
      r1 = wasm_f32x4_add(r1, load(e + at));
    }
    store(to, r0);
    store(to + stride, wasm_f32x4_add(r0, r1));
    store(to + 2 * stride, r1);
  }
}

}  // namespace recvae
