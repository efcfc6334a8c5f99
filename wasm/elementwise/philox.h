/*
 * Philox4x32-10 (src/base/philox.ts), eight blocks at a time, a block in each lane.
 */
#pragma once

#include "../kernel.h"

namespace recvae {

/* Low and high halves of four 32×32-bit products. */
RECVAE_INLINE void multiply_wide(v128_t a, v128_t b, v128_t* low, v128_t* high) {
  const v128_t first = wasm_u64x2_extmul_low_u32x4(a, b), second = wasm_u64x2_extmul_high_u32x4(a, b);
  *low = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6);
  *high = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
}

RECVAE_INLINE void philox_round(v128_t c[4], v128_t k0, v128_t k1, v128_t m0, v128_t m1) {
  v128_t low0, high0, low1, high1;
  multiply_wide(c[0], m0, &low0, &high0);
  multiply_wide(c[2], m1, &low1, &high1);
  c[0] = wasm_v128_xor(wasm_v128_xor(high1, c[1]), k0);
  c[1] = low1;
  c[2] = wasm_v128_xor(wasm_v128_xor(high0, c[3]), k1);
  c[3] = low0;
}

/*
 * Blocks first … first + 7 of the sequence with this key and upper counter half, `first` below 2³² − 7: words 0 … 3 of
 * the first four blocks in out[0 … 3], of the others in out[4 … 7]. Two runs side by side hide each other's latency.
 */
RECVAE_INLINE void philox_blocks(uint32_t first, const uint32_t key[2], const uint32_t upper[2], v128_t out[8]) {
  const v128_t m0 = wasm_u32x4_const_splat(0xd2511f53u), m1 = wasm_u32x4_const_splat(0xcd9e8d57u);
  const v128_t w0 = wasm_u32x4_const_splat(0x9e3779b9u), w1 = wasm_u32x4_const_splat(0xbb67ae85u);
  v128_t k0 = wasm_u32x4_splat(key[0]), k1 = wasm_u32x4_splat(key[1]);
  v128_t a[4], b[4];
  a[0] = wasm_i32x4_add(wasm_u32x4_splat(first), wasm_i32x4_const(0, 1, 2, 3));
  b[0] = wasm_i32x4_add(a[0], wasm_i32x4_const_splat(4));
  a[1] = b[1] = wasm_i32x4_const_splat(0);
  a[2] = b[2] = wasm_u32x4_splat(upper[0]);
  a[3] = b[3] = wasm_u32x4_splat(upper[1]);
  RECVAE_NO_UNROLL
  for (int32_t round = 0; round < 10; ++round) {
    philox_round(a, k0, k1, m0, m1);
    philox_round(b, k0, k1, m0, m1);
    k0 = wasm_i32x4_add(k0, w0);
    k1 = wasm_i32x4_add(k1, w1);
  }
  for (int w = 0; w < 4; ++w) out[w] = a[w], out[4 + w] = b[w];
}

}  // namespace recvae
