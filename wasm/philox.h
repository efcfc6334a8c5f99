/*
 * Philox4x32-10 (src/base/philox.ts), a block in each lane, and the draws of a RandomStream made of it
 * (src/base/random.ts): draw number n takes half a block; its upper 24 bits are what uniforms() gives.
 */
#pragma once

#include "kernel.h"

namespace recvae {

/* Identity of a stream: words 0, 1 are the key, words 2, 3 the upper half of the counter. */
struct StreamIdentity {
  uint32_t word[4];
};

/* Low and high halves of four 32×32-bit products. */
RECVAE_INLINE void multiply_wide(v128_t a, v128_t b, v128_t* low, v128_t* high) {
  const v128_t first = wasm_u64x2_extmul_low_u32x4(a, b), second = wasm_u64x2_extmul_high_u32x4(a, b);
  *low = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6);
  *high = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
}

constexpr uint32_t kMultiplier0 = 0xd2511f53u, kMultiplier1 = 0xcd9e8d57u;
constexpr uint32_t kWeyl0 = 0x9e3779b9u, kWeyl1 = 0xbb67ae85u;

RECVAE_INLINE void philox_round(v128_t c[4], v128_t k0, v128_t k1) {
  const v128_t m0 = wasm_u32x4_const_splat(kMultiplier0), m1 = wasm_u32x4_const_splat(kMultiplier1);
  v128_t low0, high0, low1, high1;
  multiply_wide(c[0], m0, &low0, &high0);
  multiply_wide(c[2], m1, &low1, &high1);
  c[0] = wasm_v128_xor(wasm_v128_xor(high1, c[1]), k0);
  c[1] = low1;
  c[2] = wasm_v128_xor(wasm_v128_xor(high0, c[3]), k1);
  c[3] = low0;
}

/*
 * Blocks `first` … `first` + 7, `first` a multiple of 8, of the sequence with this key and upper counter half: words 0 … 3
 * of the first four blocks in out[0 … 3], of the others in out[4 … 7]. Two runs side by side hide each other's latency.
 */
RECVAE_INLINE void philox_blocks(uint64_t first, const uint32_t key[2], const uint32_t upper[2], v128_t out[8]) {
  const v128_t w0 = wasm_u32x4_const_splat(kWeyl0), w1 = wasm_u32x4_const_splat(kWeyl1);
  v128_t k0 = wasm_u32x4_splat(key[0]), k1 = wasm_u32x4_splat(key[1]);
  v128_t a[4], b[4];
  a[0] = wasm_i32x4_add(wasm_u32x4_splat((uint32_t)first), wasm_i32x4_const(0, 1, 2, 3));
  b[0] = wasm_i32x4_add(a[0], wasm_i32x4_const_splat(4));
  a[1] = b[1] = wasm_u32x4_splat((uint32_t)(first >> 32));
  a[2] = b[2] = wasm_u32x4_splat(upper[0]);
  a[3] = b[3] = wasm_u32x4_splat(upper[1]);
  RECVAE_NO_UNROLL
  for (int32_t round = 0; round < 10; ++round) {
    philox_round(a, k0, k1);
    philox_round(b, k0, k1);
    k0 = wasm_i32x4_add(k0, w0);
    k1 = wasm_i32x4_add(k1, w1);
  }
  for (int w = 0; w < 4; ++w) out[w] = a[w], out[4 + w] = b[w];
}

/* The upper 24 of the 53 bits of a draw, from its two words. */
RECVAE_INLINE v128_t upper_bits(v128_t high, v128_t low) {
  return wasm_v128_or(wasm_i32x4_shl(wasm_u32x4_shr(high, 11), 3), wasm_u32x4_shr(low, 29));
}

constexpr int32_t kFactorSlack = 32;

/*
 * Factors of `count` draws from number `first` on: `keep` where a draw is at least threshold/2²⁴, else 0. They stand in
 * `room`, which has kFactorSlack values more than `count`, at the address that is returned.
 */
RECVAE_INLINE const float* keep_factors(const StreamIdentity& stream, uint64_t first, int32_t count, int32_t threshold,
                                        float keep, float* room) {
  const v128_t least = wasm_i32x4_splat(threshold), kept = wasm_f32x4_splat(keep);
  const int32_t skip = (int32_t)(first & 15);
  uint64_t block = (first >> 4) << 3;
  for (int32_t at = 0; at < skip + count; at += 16, block += 8) {
    v128_t words[8];
    philox_blocks(block, stream.word, stream.word + 2, words);
    RECVAE_UNROLL
    for (int half = 0; half < 2; ++half) {
      const v128_t* w = words + 4 * half;
      const v128_t even = upper_bits(w[1], w[0]), odd = upper_bits(w[3], w[2]);
      const v128_t low = wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5), high = wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7);
      store(room + at + 8 * half, wasm_v128_and(kept, wasm_i32x4_ge(low, least)));
      store(room + at + 8 * half + 4, wasm_v128_and(kept, wasm_i32x4_ge(high, least)));
    }
  }
  return room + skip;
}

}  // namespace recvae
