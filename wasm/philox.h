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
 * Blocks first … first + 7 of the sequence with this key and upper counter half, `first` below 2³² − 7: words 0 … 3 of
 * the first four blocks in out[0 … 3], of the others in out[4 … 7]. Two runs side by side hide each other's latency.
 */
RECVAE_INLINE void philox_blocks(uint32_t first, const uint32_t key[2], const uint32_t upper[2], v128_t out[8]) {
  const v128_t w0 = wasm_u32x4_const_splat(kWeyl0), w1 = wasm_u32x4_const_splat(kWeyl1);
  v128_t k0 = wasm_u32x4_splat(key[0]), k1 = wasm_u32x4_splat(key[1]);
  v128_t a[4], b[4];
  a[0] = wasm_i32x4_add(wasm_u32x4_splat(first), wasm_i32x4_const(0, 1, 2, 3));
  b[0] = wasm_i32x4_add(a[0], wasm_i32x4_const_splat(4));
  a[1] = b[1] = wasm_i32x4_const_splat(0);
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

/* Blocks `block` … `block` + 3, any numbers of 64 bits. */
RECVAE_INLINE void philox4(const StreamIdentity& stream, uint64_t block, v128_t out[4]) {
  const uint64_t b1 = block + 1, b2 = block + 2, b3 = block + 3;
  out[0] = wasm_u32x4_make((uint32_t)block, (uint32_t)b1, (uint32_t)b2, (uint32_t)b3);
  out[1] = wasm_u32x4_make((uint32_t)(block >> 32), (uint32_t)(b1 >> 32), (uint32_t)(b2 >> 32), (uint32_t)(b3 >> 32));
  out[2] = wasm_u32x4_splat(stream.word[2]);
  out[3] = wasm_u32x4_splat(stream.word[3]);
  uint32_t k0 = stream.word[0], k1 = stream.word[1];
  RECVAE_NO_UNROLL
  for (int round = 0; round < 10; ++round) {
    philox_round(out, wasm_u32x4_splat(k0), wasm_u32x4_splat(k1));
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
}

/* The upper 24 of the 53 bits of a draw, from its two words. */
RECVAE_INLINE v128_t upper_bits(v128_t high, v128_t low) {
  return wasm_v128_or(wasm_i32x4_shl(wasm_u32x4_shr(high, 11), 3), wasm_u32x4_shr(low, 29));
}

/* factors[i] = `keep` where draw number `first` + i is at least threshold/2²⁴, else 0. */
RECVAE_INLINE void keep_factors(const StreamIdentity& stream, uint64_t first, int32_t count, int32_t threshold,
                                float keep, float* factors) {
  const v128_t least = wasm_i32x4_splat(threshold), kept = wasm_f32x4_splat(keep);
  int32_t skip = (int32_t)(first & 7);
  uint64_t block = (first >> 3) << 2;
  for (int32_t at = 0; at < count; block += 4) {
    v128_t words[4];
    philox4(stream, block, words);
    const v128_t even = upper_bits(words[1], words[0]), odd = upper_bits(words[3], words[2]);
    float eight[8];
    store(eight, wasm_v128_and(kept, wasm_i32x4_ge(wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5), least)));
    store(eight + 4, wasm_v128_and(kept, wasm_i32x4_ge(wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7), least)));
    const int32_t some = smaller(8 - skip, count - at);
    for (int32_t i = 0; i < some; ++i) factors[at + i] = eight[skip + i];
    at += some;
    skip = 0;
  }
}

}  // namespace recvae
