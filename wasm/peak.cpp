/*
 * The multiply–add peak of one thread: twelve independent chains of fused multiply–adds that never leave
 * their registers. Benchmarks quote kernels as a share of what this reaches in the same run.
 */
#include "kernel.h"

using namespace recvae;

/* Runs `rounds` rounds of 12 vector multiply–adds (96 floating-point operations) and returns a value that depends on all. */
RECVAE_EXPORT(f32_multiply_add_peak)
float f32_multiply_add_peak(int32_t rounds, float seed) {
  v128_t acc[12];
  const v128_t a = wasm_f32x4_splat(seed), b = wasm_f32x4_splat(0.5f);
  RECVAE_UNROLL
  for (int i = 0; i < 12; ++i) acc[i] = wasm_f32x4_splat(seed + (float)i);
  RECVAE_NO_UNROLL
  for (int32_t r = 0; r < rounds; ++r) {
    RECVAE_UNROLL
    for (int i = 0; i < 12; ++i) acc[i] = fma(acc[i], b, a);
  }
  v128_t sum = acc[0];
  RECVAE_UNROLL
  for (int i = 1; i < 12; ++i) sum = wasm_f32x4_add(sum, acc[i]);
  return wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 1) +
         wasm_f32x4_extract_lane(sum, 2) + wasm_f32x4_extract_lane(sum, 3);
}
