/*
 * Batched matrix product c[i, h] = f(a[i, h]·b[i, h] + bias), float32, for every combination of transposes and for
 * matrices that lie between others (heads of an attention) through strides:
 *
 *   c[i, h][m, n] = Σ_k a[i·a_batch + h·a_head + m·a_row + k·a_column] · b[i·b_batch + h·b_head + k·b_row + n·b_column]
 *
 * Two ways, chosen by the number of rows alone:
 *
 * - packed (from kPackedRows rows on): _prepare copies b into panels [k][8] and, where several slices share them, a into
 *   tiles of 6 rows; the work multiplies tile by panel with 12 accumulators (gemm_tile.cpp). Loop order: slice (matrix,
 *   row block, column block, range of k), k block, panel, tile, k.
 * - few rows (gemm_few_rows.cpp, gemm_dot.cpp): b is read where it lies as far as possible, since copying it would cost as
 *   much as the products.
 *
 * Where the result is small and k long, k is split over slices and the parts are added in order by _finish. The
 * partition follows from the sizes alone and every sum has a fixed order: the bits do not depend on the threads.
 */
#pragma once

#include "../kernel.h"
#include "activations.h"

namespace recvae {

struct GemmParams {
  const float* a;       /*  0 */
  const float* b;       /*  4 */
  float* c;             /*  8 */
  const float* bias;    /* 12  [n] or 0 */
  float* preactivation; /* 16  a·b + bias before the activation, laid out as c; or 0 */
  float* workspace;     /* 20  packed matrices and partial results */
  int32_t activation;   /* 24  see activations.h */
  float slope;          /* 28  of leaky */
  int32_t batch;        /* 32 */
  int32_t heads;        /* 36 */
  int32_t m;            /* 40 */
  int32_t n;            /* 44 */
  int32_t k;            /* 48 */
  int32_t a_batch;      /* 52  strides in floats; 0 repeats one matrix */
  int32_t a_head;       /* 56 */
  int32_t a_row;        /* 60 */
  int32_t a_column;     /* 64 */
  int32_t b_batch;      /* 68 */
  int32_t b_head;       /* 72 */
  int32_t b_row;        /* 76 */
  int32_t b_column;     /* 80 */
  int32_t c_batch;      /* 84 */
  int32_t c_head;       /* 88 */
  int32_t c_row;        /* 92  columns of c are contiguous */
}; /* 96 bytes */

static_assert(sizeof(GemmParams) == 96, "the host mirrors this layout");

/* Pieces of the matrix product; gemm.cpp puts them together. */
namespace gemm {

constexpr int32_t kPanel = 8;         /* columns of one register tile */
constexpr int32_t kWork = 131072;     /* multiply-adds a slice should at least hold (about 5 µs) */
constexpr int32_t kWantedSlices = 16; /* for balance between threads */
constexpr int32_t kPackedRows = 16;   /* below, packing costs more than it saves */
constexpr int32_t kTileRows = 6;
constexpr int32_t kStep = 4;          /* k per round of the innermost loop */
constexpr int32_t kDepth = 384;       /* k block: a panel of b takes 12 KiB of the first-level cache */
constexpr int32_t kMostTiles = 16;    /* of a row block: 96 rows of a take 147 KiB of the second-level cache */
constexpr int32_t kPackColumns = 32;  /* of b that one slice of _prepare copies: two cache lines of each row */

/* One block of work: rows × columns of c over a range of k. */
struct Block {
  const float* a; /* at the block's first row and k */
  const float* b; /* at the block's first k and column */
  float* c;
  int32_t stride; /* of c's rows */
  int32_t rows;
  int32_t columns;
};

/* Copies `depth` k of one panel of `width` columns to [k][8], zeros behind the last column and up to `padded` k. */
void pack_panel(const float* b, const GemmParams* p, int32_t depth, int32_t padded, int32_t width, float* to);

/* Copies kPackColumns columns of b, whose rows lie contiguous, into four panels. */
void pack_four_panels(const float* b, int32_t row, int32_t depth, int32_t padded, float* to);

/*
 * Copies `rows` rows and `depth` k of a into tiles of 6 rows, zeros behind the last row and up to `padded` k. A tile is
 * made of pairs of k, 12 floats each: [rows 0–3 of k][rows 0–3 of k + 1][rows 4, 5 of k][rows 4, 5 of k + 1].
 */
void pack_tiles(const float* a, const GemmParams* p, int32_t depth, int32_t padded, int32_t rows, float* to);

/* c = (first) or += a·b for one panel of `width` columns and all tiles of `rows` rows. */
void multiply_tiles(const float* tiles, const float* panel, int32_t padded, Block block, bool first);

constexpr int32_t kFewTile = 4;         /* rows of a register tile of few rows */
constexpr int32_t kFewRowsColumns = 64; /* of one slice */
constexpr int32_t kFewRowsDepth = 256;  /* k block */

/* A block of few rows; `scratch` holds one panel, kFewRowsDepth × kPanel floats. */
void multiply_few_rows(const GemmParams* p, Block block, int32_t depth, float* scratch);

/* Whether dot_products can do a block of so many rows, and should. */
bool is_dot(const GemmParams* p, int32_t rows);

/*
 * c = a·bᵀ for a few rows where both lie along k: every element of b is used once per row, so copying it into panels
 * would cost as much as the products.
 */
void dot_products(const GemmParams* p, Block block, int32_t depth);

}  // namespace gemm
}  // namespace recvae
