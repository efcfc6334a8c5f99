/*
 * Sizes of a minimal-filtering convolution (winograd.h) and the blocks its work is cut into.
 */
#pragma once

#include "../kernel.h"

namespace recvae {
namespace winograd {

/* One side of the convolution. */
struct Volume {
  float* data;
  int32_t z, y, x;
};

/* Tiles along one axis. */
struct Axis {
  int32_t tiles;
  bool partial; /* the last tile has one result */
};

struct Shape {
  Volume source, target;
  Axis z, y, x;
  const float* bias;
  const float* u;
  int32_t block_rows, block_columns; /* tiles handled together */
};

/* Tiles [row, row + rows) × [column, column + columns) of tile plane `plane` of a sample. */
struct Block {
  int32_t sample, plane, row, rows, column, columns;
};

/* Rows and columns of tiles in the block that product (fy, fx) is needed for. */
RECVAE_INLINE int32_t rows_of(const Shape& s, const Block& b, int32_t fy) {
  return b.rows - (fy == 2 && s.y.partial && b.row + b.rows == s.y.tiles ? 1 : 0);
}
RECVAE_INLINE int32_t columns_of(const Shape& s, const Block& b, int32_t fx) {
  return b.columns - (fx == 2 && s.x.partial && b.column + b.columns == s.x.tiles ? 1 : 0);
}

/* Most tiles of a block. */
constexpr int32_t kBlockTiles = 12;

}  // namespace winograd
}  // namespace recvae
