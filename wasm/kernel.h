/*
 * The calling convention every kernel of this folder follows, and the small things they share.
 *
 * An operation OP (for example f32_conv3d_forward) is up to three kernels run one after another, with a
 * barrier between them:
 *
 *   OP_prepare   repacks or transforms weights into the shared workspace        (optional)
 *   OP           the work
 *   OP_finish    combines partial results in a fixed order                      (optional)
 *
 * Each kernel K exports
 *
 *   int32_t K__slices(const Params*)            number of independent pieces of work; 0 = nothing to do
 *   void    K(const Params*, begin, end, scratch)   does slices begin <= s < end
 *
 * and each operation with a memory need exports
 *
 *   int32_t OP__scratch(const Params*)          bytes of scratch per thread (`scratch`, 16-byte aligned)
 *   int32_t OP__workspace(const Params*)        bytes shared by all threads and all three kernels
 *                                               (Params::workspace, 16-byte aligned); contents need not
 *                                               be initialised and are worthless afterwards
 *
 * A missing export means 0. Sizes are to be read as unsigned. Any thread may take any slice in any order; which thread does a slice never
 * changes a bit of the result, because the partition into slices depends on the parameters alone and
 * partial results are combined in slice order by OP_finish. Tensors need 4-byte alignment only; 16-byte
 * alignment is faster. No kernel keeps state between calls.
 *
 * Params is one plain struct per family of operations, made of 4-byte fields only, so that a host can
 * mirror it as an Int32Array/Float32Array over the same bytes. A pointer is a byte address, 0 = absent.
 *
 * Freestanding C++: no libc, no global variables, no static constructors.
 */
#pragma once

#include <stdint.h>
#include <wasm_simd128.h>

/* Exports a function under its own C name. */
#define RECVAE_EXPORT(name) extern "C" __attribute__((export_name(#name), used))

/* clang unrolls small loops by default, which spills registers in the engine's compiler. */
#define RECVAE_NO_UNROLL _Pragma("clang loop unroll(disable)")
#define RECVAE_UNROLL _Pragma("clang loop unroll(full)")
#define RECVAE_INLINE static inline __attribute__((always_inline))

namespace recvae {

/* a·b + c: fused where relaxed SIMD is compiled in, two roundings otherwise. */
RECVAE_INLINE v128_t fma(v128_t a, v128_t b, v128_t c) {
#ifdef __wasm_relaxed_simd__
  return wasm_f32x4_relaxed_madd(a, b, c);
#else
  return wasm_f32x4_add(c, wasm_f32x4_mul(a, b));
#endif
}

/* c − a·b. */
RECVAE_INLINE v128_t fnma(v128_t a, v128_t b, v128_t c) {
#ifdef __wasm_relaxed_simd__
  return wasm_f32x4_relaxed_nmadd(a, b, c);
#else
  return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b));
#endif
}

RECVAE_INLINE v128_t load(const float* p) { return wasm_v128_load(p); }
RECVAE_INLINE v128_t splat(const float* p) { return wasm_v128_load32_splat(p); }
RECVAE_INLINE void store(float* p, v128_t v) { wasm_v128_store(p, v); }
RECVAE_INLINE v128_t zero4() { return wasm_f32x4_const_splat(0.0f); }

/* All four lanes = lane `lane` of v, which must be known after unrolling. Runs beside the fma units. */
RECVAE_INLINE v128_t lane_splat(v128_t v, int lane) {
  switch (lane) {
    case 0: return wasm_i32x4_shuffle(v, v, 0, 0, 0, 0);
    case 1: return wasm_i32x4_shuffle(v, v, 1, 1, 1, 1);
    case 2: return wasm_i32x4_shuffle(v, v, 2, 2, 2, 2);
    default: return wasm_i32x4_shuffle(v, v, 3, 3, 3, 3);
  }
}

/*
 * Keeps the compiler from moving the computation of v across other pinned values, which it does to
 * shorten stack code at the price of registers. Produces no instruction.
 */
RECVAE_INLINE void pin(v128_t& v) { asm volatile("" : "+r"(v)); }

/* acc += a·b, at this place in the instruction stream. */
RECVAE_INLINE void add_product(v128_t& acc, v128_t a, v128_t b) {
  acc = fma(a, b, acc);
  pin(acc);
}

/* A load at this place in the instruction stream. */
RECVAE_INLINE v128_t load_here(const float* p) {
  v128_t v = load(p);
  pin(v);
  return v;
}

/*
 * Reads one value of each cache line of `floats` values, so that the lines are on their way when they are
 * needed: loads that depend on nothing keep many misses in flight, which a computing loop does not.
 */
RECVAE_INLINE void fetch_lines(const float* from, int32_t floats) {
  v128_t sum = zero4();
  RECVAE_NO_UNROLL
  for (int32_t at = 0; at < floats; at += 16) sum = wasm_v128_or(sum, wasm_v128_load32_zero(from + at));
  asm volatile("" ::"r"(sum));
}

RECVAE_INLINE void zero_floats(float* to, int32_t count) {
  __builtin_memset(to, 0, (uint32_t)count * 4u);
}
RECVAE_INLINE void copy_floats(float* to, const float* from, int32_t count) {
  __builtin_memcpy(to, from, (uint32_t)count * 4u);
}

RECVAE_INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
RECVAE_INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
RECVAE_INLINE int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }
RECVAE_INLINE int32_t round_up(int32_t a, int32_t unit) { return ceil_div(a, unit) * unit; }

}  // namespace recvae
