/*
 * Philox4x32-10 (src/base/philox.ts), four blocks at a time: word w of blocks n … n + 3 in the lanes of out[w].
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

/* Blocks first … first + 3 of the sequence with this key and upper counter half; `first` below 2³² − 3. */
RECVAE_INLINE void philox_blocks(uint32_t first, const uint32_t key[2], const uint32_t upper[2], v128_t out[4]) {
  v128_t c0 = wasm_i32x4_add(wasm_u32x4_splat(first), wasm_i32x4_const(0, 1, 2, 3));
  v128_t c1 = wasm_i32x4_const_splat(0);
  v128_t c2 = wasm_u32x4_splat(upper[0]), c3 = wasm_u32x4_splat(upper[1]);
  uint32_t k0 = key[0], k1 = key[1];
  const v128_t m0 = wasm_u32x4_const_splat(0xd2511f53u), m1 = wasm_u32x4_const_splat(0xcd9e8d57u);
  RECVAE_NO_UNROLL
  for (int32_t round = 0; round < 10; ++round) {
    v128_t low0, high0, low1, high1;
    multiply_wide(c0, m0, &low0, &high0);
    multiply_wide(c2, m1, &low1, &high1);
    c0 = wasm_v128_xor(wasm_v128_xor(high1, c1), wasm_u32x4_splat(k0));
    c1 = low1;
    c2 = wasm_v128_xor(wasm_v128_xor(high0, c3), wasm_u32x4_splat(k1));
    c3 = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

}  // namespace recvae
