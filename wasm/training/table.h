/* Many tensors in one call: a table of addresses in memory, one row a tensor, cut into slices of equal work. */
#pragma once

#include "../kernel.h"

namespace recvae {

/* Last row whose `column` is at most `value`; rows of `width` words, ascending in that column. */
RECVAE_INLINE int32_t row_at(const int32_t* table, int32_t rows, int32_t width, int32_t column, int32_t value) {
  int32_t low = 0, high = rows - 1;
  while (low < high) {
    const int32_t middle = (low + high + 1) / 2;
    if (table[middle * width + column] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

}  // namespace recvae
