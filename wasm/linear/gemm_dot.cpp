/* The matrix product of a few rows as dot products, see gemm.h. */
#include "gemm.h"

namespace recvae {
namespace gemm {
namespace {

constexpr int32_t kDotRows = 4;
constexpr int32_t kShortestDot = 64; /* below, adding the lanes costs more than it saves */

/* Four vectors of k per step, ROWS × COLUMNS accumulators, lanes added at the end. */
template <int ROWS, int COLUMNS>
void dot_tile(const GemmParams* p, const float* a, const float* b, int32_t depth, float* c, int32_t stride) {
  v128_t acc[ROWS][COLUMNS];
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    RECVAE_UNROLL
    for (int j = 0; j < COLUMNS; ++j) acc[i][j] = zero4();
  }
  const int32_t a_row = p->a_row, b_column = p->b_column;
  int32_t k = 0;
  RECVAE_NO_UNROLL
  for (; k + 4 <= depth; k += 4) {
    v128_t vb[COLUMNS];
    RECVAE_UNROLL
    for (int j = 0; j < COLUMNS; ++j) vb[j] = load(b + k + j * b_column);
    RECVAE_UNROLL
    for (int i = 0; i < ROWS; ++i) {
      const v128_t va = load(a + k + i * a_row);
      RECVAE_UNROLL
      for (int j = 0; j < COLUMNS; ++j) acc[i][j] = fma(va, vb[j], acc[i][j]);
    }
  }
  RECVAE_UNROLL
  for (int i = 0; i < ROWS; ++i) {
    RECVAE_UNROLL
    for (int j = 0; j < COLUMNS; ++j) {
      const v128_t v = acc[i][j];
      float sum = (wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1)) +
                  (wasm_f32x4_extract_lane(v, 2) + wasm_f32x4_extract_lane(v, 3));
      for (int32_t rest = k; rest < depth; ++rest) sum += a[rest + i * a_row] * b[rest + j * b_column];
      c[i * stride + j] = sum;
    }
  }
}

template <int COLUMNS>
RECVAE_INLINE void dot_rows(const GemmParams* p, const Block& block, int32_t column, int32_t depth) {
  const float* b = block.b + column * p->b_column;
  float* c = block.c + column;
  switch (block.rows) {
    case 1: return dot_tile<1, COLUMNS>(p, block.a, b, depth, c, block.stride);
    case 2: return dot_tile<2, COLUMNS>(p, block.a, b, depth, c, block.stride);
    case 3: return dot_tile<3, COLUMNS>(p, block.a, b, depth, c, block.stride);
    default: return dot_tile<kDotRows, COLUMNS>(p, block.a, b, depth, c, block.stride);
  }
}

}  // namespace

bool is_dot(const GemmParams* p) {
  return p->m <= kDotRows && p->b_row == 1 && p->b_column != 1 && p->a_column == 1 && p->k >= kShortestDot;
}

void dot_products(const GemmParams* p, Block block, int32_t depth) {
  int32_t n = 0;
  for (; n + 2 <= block.columns; n += 2) dot_rows<2>(p, block, n, depth);
  if (n < block.columns) dot_rows<1>(p, block, n, depth);
}

}  // namespace gemm
}  // namespace recvae
