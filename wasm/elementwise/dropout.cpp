/*
 * Dropout by a counter-based stream: y[i] = word i < threshold ? 0 : scale·x[i], where word i is word i mod 4 of block
 * i/4 of a Philox sequence. The gradient is the same call on dy: the mask is made again, never stored. A slice is 16384
 * values, a whole number of blocks.
 */
#include "../philox.h"

namespace recvae {

struct DropoutParams {
  const float* x;     /*  0 */
  float* y;           /*  4 */
  int32_t count;      /*  8 */
  uint32_t key[2];    /* 12 */
  uint32_t upper[2];  /* 20  of the counter */
  uint32_t threshold; /* 28  rate·2³² */
  float scale;        /* 32 */
}; /* 36 bytes */

static_assert(sizeof(DropoutParams) == 36, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceFloats = 16384;
constexpr int32_t kStep = 32;

/* Four blocks, one in each lane, to words in the order of the values they belong to. */
RECVAE_INLINE void transpose(const v128_t w[4], v128_t words[4]) {
  const v128_t a = wasm_i32x4_shuffle(w[0], w[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(w[2], w[3], 0, 4, 1, 5);
  const v128_t c = wasm_i32x4_shuffle(w[0], w[1], 2, 6, 3, 7), d = wasm_i32x4_shuffle(w[2], w[3], 2, 6, 3, 7);
  words[0] = wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), words[1] = wasm_i32x4_shuffle(a, b, 2, 3, 6, 7);
  words[2] = wasm_i32x4_shuffle(c, d, 0, 1, 4, 5), words[3] = wasm_i32x4_shuffle(c, d, 2, 3, 6, 7);
}

}  // namespace

RECVAE_EXPORT(f32_dropout__slices)
int32_t f32_dropout__slices(const DropoutParams* p) { return ceil_div(p->count, kSliceFloats); }

RECVAE_EXPORT(f32_dropout)
void f32_dropout(const DropoutParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t to = smaller(end * kSliceFloats, p->count);
  const v128_t threshold = wasm_u32x4_splat(p->threshold), scale = wasm_f32x4_splat(p->scale);
  for (int32_t i = begin * kSliceFloats; i < to; i += kStep) {
    v128_t blocks[8], words[8];
    philox_blocks((uint32_t)i / 4u, p->key, p->upper, blocks);
    transpose(blocks, words);
    transpose(blocks + 4, words + 4);
    if (i + kStep <= to) {
      RECVAE_UNROLL
      for (int q = 0; q < 8; ++q) {
        const v128_t kept = wasm_u32x4_ge(words[q], threshold);
        store(p->y + i + 4 * q, wasm_v128_and(wasm_f32x4_mul(load(p->x + i + 4 * q), scale), kept));
      }
      continue;
    }
    uint32_t rest[kStep];
    for (int q = 0; q < 8; ++q) wasm_v128_store(rest + 4 * q, words[q]);
    for (int32_t j = 0; i + j < to; ++j) p->y[i + j] = rest[j] >= p->threshold ? p->x[i + j] * p->scale : 0.0f;
  }
}

}  // namespace recvae
