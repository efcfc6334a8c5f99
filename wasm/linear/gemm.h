/*
 * Batched matrix product c[i, h] = f(a[i, h]·b[i, h] + bias), float32, for every combination of transposes and for
 * matrices that lie between others (heads of an attention) through strides:
 *
 *   c[i, h][m, n] = Σ_k a[i·a_batch + h·a_head + m·a_row + k·a_column] · b[i·b_batch + h·b_head + k·b_row + n·b_column]
 *
 * a is copied into tiles of 6 and 4 rows, b into panels [k][8]; a register tile (gemm_tile.cpp) multiplies one by the other
 * with 12 or 8 accumulators. Loop order: slice (matrix, row block, column block, range of k), k block, panel, tile, k. What
 * several slices use is copied once by _prepare: b from kManyRows rows on (below, each element is used so seldom that it
 * is read where it lies while its rows are contiguous, and copied by its slice otherwise), a where there are several
 * column blocks. Up to four rows times a transposed b are dot products (gemm_dot.cpp).
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
constexpr int32_t kTall = 6;          /* rows of one register tile */
constexpr int32_t kLow = 4;           /* rows of the tiles that fit the rest */
constexpr int32_t kStep = 4;          /* k per round of the innermost loop */
constexpr int32_t kDepth = 384;       /* k block: a panel of b takes 12 KiB of the first-level cache */
constexpr int32_t kMostTiles = 16;    /* of a row block: 96 rows of a take 147 KiB of the second-level cache */
constexpr int32_t kPackColumns = 32;  /* of b that one slice of _prepare copies: two cache lines of each row */
constexpr int32_t kManyRows = 16;     /* from here on b is packed once for all slices */
constexpr int32_t kFewRowsDepth = 256;  /* k block below: unpacked rows of b stay in the first-level cache */
constexpr int32_t kFewRowsColumns = 64; /* of one slice below */
constexpr int32_t kWork = 131072;     /* multiply-adds a slice should at least hold (about 5 µs) */
constexpr int32_t kWantedSlices = 16; /* for balance between threads */

/* Tiles of a block of rows: first the tall ones, then the low ones. */
struct Tiles {
  int32_t tall;
  int32_t low;
};

RECVAE_INLINE Tiles tiles_of(int32_t rows) {
  const int32_t whole = rows / kTall, rest = rows % kTall;
  if (rest == 0) return {whole, 0};
  if (rest == 5) return {whole + 1, 0};
  if (rest > 2 || whole == 0) return {whole, 1};
  return {whole - 1, 2}; /* 7 or 8 rows as 4 + 4 */
}

RECVAE_INLINE int32_t padded_rows(int32_t rows) {
  const Tiles tiles = tiles_of(rows);
  return tiles.tall * kTall + tiles.low * kLow;
}

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
 * Copies `rows` rows and `depth` k of a into tiles, zeros behind the last row and up to `padded` k. A tile is made of pairs
 * of k: [rows 0–3 of k][rows 0–3 of k + 1], and in a tall one [rows 4, 5 of k][rows 4, 5 of k + 1].
 */
void pack_tiles(const float* a, const GemmParams* p, int32_t depth, int32_t padded, int32_t rows, float* to);

/* b as multiply_tiles reads it: `depth` rows of 8 columns, `row` floats apart. */
struct Panel {
  const float* b;
  int32_t row;
  int32_t depth; /* a multiple of kStep */
};

/*
 * c = (first) or += a·b for one panel of up to 8 columns and all tiles of a block. Tiles hold `padded` k, of which those
 * from `from` on are multiplied.
 */
void multiply_tiles(const float* tiles, int32_t padded, int32_t from, Panel panel, Block block, bool first);

/* Whether the product is one of few rows and a transposed b, whose copy would cost as much as the products. */
bool is_dot(const GemmParams* p);

/* c = a·bᵀ as dot products along k. */
void dot_products(const GemmParams* p, Block block, int32_t depth);

}  // namespace gemm
}  // namespace recvae
