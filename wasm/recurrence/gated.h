/*
 * What the recurrent cells over time share (lstm.cpp, gru.cpp). One call does all steps: the products x·Wᵀ of all steps lie in
 * `gates` already, a step adds h·Wᵀ of the state before and applies the gates. Sequences are independent; a slice is 6 of
 * them (4 where that divides better), a register tile of the matrix product. W is packed once by _prepare and
 * stays in the second-level cache while a slice walks through time.
 */
#pragma once

#include "../elementwise/functions.h"
#include "../linear/gemm.h"

namespace recvae {

struct CellParams {
  float* gates;                /*  0  [B, T, 4H]; gru: r, z, n and h's part of n */
  const float* weights;        /*  4  weight_hh [G·H, H], G = 4 or 3 gates */
  const float* bias;           /*  8  bias_hh [G·H], or 0; forward only */
  const float* initial;        /* 12  [B, H] */
  const float* initial_cell;   /* 16  [B, H], lstm */
  float* states;               /* 20  [B, T, H] */
  float* cells;                /* 24  [B, T, H], lstm */
  float* last;                 /* 28  [B, H] the last state; backward: gradient of the initial one */
  float* last_cell;            /* 32  the same of the cell, lstm */
  const float* towards_states; /* 36  [B, T, H]; from here on backward only */
  const float* towards_last;   /* 40  [B, H] */
  const float* towards_cell;   /* 44  [B, H], lstm */
  float* delta;                /* 48  [B, T, G·H] towards the gates' sums, on the side of x */
  float* delta_hidden;         /* 52  the same on the side of h, gru */
  float* before;               /* 56  [B, T, H] the state before each step */
  float* workspace;            /* 60  packed weights */
  int32_t batch;               /* 64  B */
  int32_t steps;               /* 68  T */
  int32_t width;               /* 72  H */
  int32_t reverse;             /* 76  from the last step to the first */
}; /* 80 bytes */

static_assert(sizeof(CellParams) == 80, "the host mirrors this layout");

namespace cell {

constexpr int32_t kPackPanels = 8; /* of one slice of _prepare */

RECVAE_INLINE int32_t slice_count(const CellParams* p) { return p->width == 0 ? 0 : ceil_div(p->batch, gemm::kTall); }
RECVAE_INLINE int32_t slice_rows(const CellParams* p) { return ceil_div(p->batch, larger(1, slice_count(p))); }

RECVAE_INLINE int32_t padded(int32_t k) { return round_up(larger(1, k), gemm::kStep); }
RECVAE_INLINE int32_t panels(int32_t columns) { return ceil_div(columns, gemm::kPanel); }

/* Time index of step s, and of the one before it in the direction of the walk (−1 or T at its start). */
RECVAE_INLINE int32_t time_of(const CellParams* p, int32_t s) { return p->reverse ? p->steps - 1 - s : s; }

/* State before step s of sequence b, and the distance between sequences there. */
struct Rows {
  const float* at;
  int32_t stride;
};
RECVAE_INLINE Rows before_step(const CellParams* p, const float* all, const float* first, int32_t s, int32_t b) {
  if (s == 0) return {first + b * p->width, p->width};
  return {all + (b * p->steps + time_of(p, s - 1)) * p->width, p->steps * p->width};
}

/* Up to four values. */
RECVAE_INLINE v128_t load_some(const float* from, int32_t count) {
  if (count >= 4) return load(from);
  float lanes[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int32_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
RECVAE_INLINE void store_some(float* to, v128_t v, int32_t count) {
  if (count >= 4) return store(to, v);
  float lanes[4];
  store(lanes, v);
  for (int32_t i = 0; i < count; ++i) to[i] = lanes[i];
}

/* A matrix of k rows and `columns` columns as it lies. */
struct Weights {
  const float* at;
  int32_t row;
  int32_t column;
  int32_t k;
  int32_t columns;
};

RECVAE_INLINE int32_t packed_floats(const Weights& w) { return panels(w.columns) * gemm::kPanel * padded(w.k); }

/* Packs panels `from` ≤ i < `to` of w. */
RECVAE_INLINE void pack(const Weights& w, int32_t from, int32_t to, float* packed) {
  GemmParams strides;
  strides.b_row = w.row;
  strides.b_column = w.column;
  for (int32_t i = from; i < smaller(to, panels(w.columns)); ++i) {
    const int32_t n = i * gemm::kPanel;
    gemm::pack_panel(w.at + n * w.column, &strides, w.k, padded(w.k), smaller(gemm::kPanel, w.columns - n),
                     packed + n * padded(w.k));
  }
}

/* c = (first) or += a·w for a few rows. */
RECVAE_INLINE void multiply(Rows a, int32_t rows, const Weights& w, const float* packed, float* c, int32_t stride,
                            bool first, float* tiles) {
  GemmParams strides;
  strides.a_row = a.stride;
  strides.a_column = 1;
  const int32_t depth = padded(w.k);
  gemm::pack_tiles(a.at, &strides, w.k, depth, rows, tiles);
  for (int32_t n = 0; n < w.columns; n += gemm::kPanel, packed += gemm::kPanel * depth) {
    const gemm::Block block = {0, 0, c + n, stride, rows, smaller(gemm::kPanel, w.columns - n)};
    for (int32_t k = 0; k < depth; k += gemm::kDepth) {
      const gemm::Panel panel = {packed + k * gemm::kPanel, gemm::kPanel, smaller(gemm::kDepth, depth - k)};
      gemm::multiply_tiles(tiles, depth, k, panel, block, first && k == 0);
    }
  }
}

RECVAE_INLINE int32_t tile_floats(const CellParams* p, int32_t k) {
  return padded(k) * gemm::padded_rows(larger(1, slice_rows(p)));
}

/* Copies the last step of `all` [B, T, H], or zeros or `from` where given, to [B, H] rows. */
RECVAE_INLINE void copy_rows(float* to, const float* from, int32_t count) {
  if (from) copy_floats(to, from, count);
  else zero_floats(to, count);
}

/* Takes slices begin … end of the sequences: `walk(p, first sequence, sequences, tiles)`. */
template <class Walk>
RECVAE_INLINE void walk_slices(const CellParams* p, int32_t begin, int32_t end, float* tiles, Walk walk) {
  const int32_t rows = slice_rows(p);
  for (int32_t s = begin; s < end; ++s) {
    if (s * rows < p->batch) walk(p, s * rows, smaller(rows, p->batch - s * rows), tiles);
  }
}

}  // namespace cell
}  // namespace recvae
