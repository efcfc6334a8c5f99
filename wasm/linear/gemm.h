/*
 * Batched matrix product c[i] = a[i]·b[i], float32, for every combination of transposes through strides:
 *
 *   c[i][m, n] = Σ_k a[i·a_batch + m·a_row + k·a_column] · b[i·b_batch + k·b_row + n·b_column]     (+ bias[n])
 *
 * Loop order: slice (matrix, row block, block of 64 columns, range of k), k block of 256, column panel of 8, row tile
 * of 4, k. Registers: 8 accumulators, 2 vectors of b, 1 lane of a, 1 to 4 vectors of a. b is copied into
 * panels [k][8] in scratch unless there are few rows: then it is read where it lies, along n or (as dot
 * products) along k. Where the result is small and k long, k is split over slices and the parts are added in
 * order by _finish.
 */
#pragma once

#include "../kernel.h"

namespace recvae {

struct GemmParams {
  const float* a;    /*  0 */
  const float* b;    /*  4 */
  float* c;          /*  8  [batch, m, n] */
  const float* bias; /* 12  [n] or 0 */
  float* workspace;  /* 16  partial results, [splits, batch, m, n] */
  int32_t batch;     /* 20 */
  int32_t m;         /* 24 */
  int32_t n;         /* 28 */
  int32_t k;         /* 32 */
  int32_t a_batch;   /* 36  strides in floats; 0 repeats one matrix */
  int32_t a_row;     /* 40 */
  int32_t a_column;  /* 44 */
  int32_t b_batch;   /* 48 */
  int32_t b_row;     /* 52 */
  int32_t b_column;  /* 56 */
}; /* 60 bytes */

static_assert(sizeof(GemmParams) == 60, "the host mirrors this layout");

/* Pieces of the matrix product; gemm.cpp puts them together. */
namespace gemm {

constexpr int32_t kColumns = 64;     /* of one slice */
constexpr int32_t kPanel = 8;        /* columns of one register tile */
constexpr int32_t kTile = 4;         /* rows of one register tile */
constexpr int32_t kDepth = 256;      /* k block: a panel of b takes 8 KiB */
constexpr int32_t kWork = 131072;    /* multiply-adds a slice should at least hold (about 5 µs) */
constexpr int32_t kShortestDot = 64; /* below, adding the lanes costs more than it saves */
constexpr int32_t kWantedSlices = 16;
constexpr int32_t kFinishFloats = 16384;

/* One block of work: rows × columns of c over a range of k. */
struct Block {
  const float* a; /* at the block's first row and k */
  const float* b; /* at the block's first k and column */
  float* c;
  int32_t rows;
  int32_t columns;
};

/* Copies b[k][n] for `depth` k and `columns` n into panels [k][8], zeros behind the last column. */
void pack_panels(const GemmParams* p, const float* b, int32_t depth, int32_t columns, float* to);

/* c = or += a·b: one packed panel of columns over all rows of the block. */
void panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first);

/* The same for a whole panel of columns of b where it lies. */
void direct_panel(const GemmParams* p, Block block, int32_t column, const float* b, int32_t depth, bool first);

/* Whether dot_products can do a block of so many rows, and should. */
bool is_dot(const GemmParams* p, int32_t rows);

/*
 * c = a·bᵀ for a few rows where both lie along k: every element of b is used once per row, so copying it into panels
 * would cost as much as the products.
 */
void dot_products(const GemmParams* p, Block block, int32_t depth);

}  // namespace gemm
}  // namespace recvae
