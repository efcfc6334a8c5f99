#include "filter_gradient_c1.h"

#include "partial_filters.h"

namespace recvae {
namespace filter_gradient_c1 {
namespace {

/* Output planes per slice: few enough for many slices, enough to make partial filters cheap. */
constexpr int32_t kPlanes = 3;
/* Output rows per pass over the taps: their dy and x stay in the first-level cache. */
constexpr int32_t kRows = 3;

/* Sums over one input row: acc[k] for the output row A (tap row q), acc[4 + k] for A − 1 (tap row q + 2). */
RECVAE_INLINE void add_row(const float* x, int32_t in_x, const float* da, const float* db, int32_t step,
                           int32_t out_x, v128_t* acc) {
  v128_t a0 = zero4(), b0 = zero4(); /* dy of column 2m − 1 */
  v128_t a1 = load(da), b1 = load(db);
  const int32_t full = smaller(in_x / 4, (out_x - 1) / 2);
  int32_t m = 0;
  RECVAE_NO_UNROLL
  for (; m < full; ++m, x += 4) {
    const v128_t xv = load_here(x);
    v128_t s = lane_splat(xv, 0);
    pin(s);
    add_product(acc[3], s, a0);
    add_product(acc[7], s, b0);
    add_product(acc[1], s, a1);
    add_product(acc[5], s, b1);
    da += step;
    db += step;
    a0 = load_here(da);
    b0 = load_here(db);
    s = lane_splat(xv, 1);
    pin(s);
    add_product(acc[2], s, a1);
    add_product(acc[6], s, b1);
    add_product(acc[0], s, a0);
    add_product(acc[4], s, b0);
    s = lane_splat(xv, 2);
    pin(s);
    add_product(acc[3], s, a1);
    add_product(acc[7], s, b1);
    add_product(acc[1], s, a0);
    add_product(acc[5], s, b0);
    da += step;
    db += step;
    a1 = load_here(da);
    b1 = load_here(db);
    s = lane_splat(xv, 3);
    pin(s);
    add_product(acc[2], s, a0);
    add_product(acc[6], s, b0);
    add_product(acc[0], s, a1);
    add_product(acc[4], s, b1);
  }
  /* The last columns one at a time: column c meets o = (c + 1 − k) / 2 for k of the parity of c + 1. */
  da -= 2 * m * step;
  db -= 2 * m * step;
  for (int32_t c = 4 * m; c < in_x; ++c, ++x) {
    const v128_t s = splat(x);
    const int32_t near = (c + 1) >> 1; /* with k = 0 or 1 */
    const bool odd = c & 1;
    if (near < out_x) {
      const v128_t va = load(da + near * step), vb = load(db + near * step);
      if (odd) {
        acc[0] = fma(s, va, acc[0]);
        acc[4] = fma(s, vb, acc[4]);
      } else {
        acc[1] = fma(s, va, acc[1]);
        acc[5] = fma(s, vb, acc[5]);
      }
    }
    if (near >= 1 && near - 1 < out_x) {
      const v128_t va = load(da + (near - 1) * step), vb = load(db + (near - 1) * step);
      if (odd) {
        acc[2] = fma(s, va, acc[2]);
        acc[6] = fma(s, vb, acc[6]);
      } else {
        acc[3] = fma(s, va, acc[3]);
        acc[7] = fma(s, vb, acc[7]);
      }
    }
  }
}

struct Plane {
  const float* x;    /* input plane */
  const float* dy;   /* output plane, this block of 4 channels */
  const float* zero; /* a row of zero dy */
  float* sums;       /* partial filter of tap plane kz, this block of channels */
};

/* Rows A in [first, last) of one (kz, q). */
RECVAE_INLINE void add_rows(const Conv3dParams* p, const Plane& plane, int32_t q, int32_t first, int32_t last) {
  const int32_t step = p->out_c, row_floats = p->out_x * p->out_c;
  float* sums = plane.sums + q * 4 * step; /* tap row q; tap row q + 2 lies 8 taps further */
  v128_t acc[8];
  RECVAE_UNROLL
  for (int k = 0; k < 4; ++k) {
    acc[k] = load(sums + k * step);
    acc[4 + k] = load(sums + (8 + k) * step);
  }
  RECVAE_NO_UNROLL
  for (int32_t a = first; a < last; ++a) {
    const int32_t iy = 2 * a - 1 + q;
    if (iy < 0 || iy >= p->in_y) continue;
    const float* da = a < p->out_y ? plane.dy + a * row_floats : plane.zero;
    const float* db = a > 0 ? plane.dy + (a - 1) * row_floats : plane.zero;
    add_row(plane.x + iy * p->in_x, p->in_x, da, db, step, p->out_x, acc);
  }
  RECVAE_UNROLL
  for (int k = 0; k < 4; ++k) {
    store(sums + k * step, acc[k]);
    store(sums + (8 + k) * step, acc[4 + k]);
  }
}

void add_plane(const Conv3dParams* p, int32_t index, const float* zero, float* sums) {
  const int32_t n = index / p->out_z, oz = index % p->out_z;
  const int32_t plane_floats = p->in_y * p->in_x;
  for (int32_t first = 0; first <= p->out_y; first += kRows) {
    const int32_t last = smaller(first + kRows, p->out_y + 1);
    for (int32_t channel = 0; channel < p->out_c; channel += 4) {
      for (int32_t kz = 0; kz < 4; ++kz) {
        const int32_t iz = 2 * oz - 1 + kz;
        if (iz < 0 || iz >= p->in_z) continue;
        const Plane plane = {p->input + (n * p->in_z + iz) * plane_floats,
                             p->output + index * p->out_y * p->out_x * p->out_c + channel, zero,
                             sums + kz * 16 * p->out_c + channel};
        add_rows(p, plane, 0, first, last);
        add_rows(p, plane, 1, first, last);
      }
    }
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->in_c == 1 && p->out_c % 4 == 0 && p->out_x > 0;
}

int32_t slices(const Conv3dParams* p) { return larger(1, ceil_div(p->n * p->out_z, kPlanes)); }

int32_t scratch_bytes(const Conv3dParams* p) { return 4 * p->out_x * p->out_c; }

void run(const Conv3dParams* p, int32_t begin, int32_t end, char* scratch) {
  zero_floats((float*)scratch, p->out_x * p->out_c);
  for (int32_t slice = begin; slice < end; ++slice) {
    float* sums = slices(p) == 1 ? p->filter : (float*)p->workspace + slice * filter_floats(p);
    zero_floats(sums, filter_floats(p));
    const int32_t last = smaller((slice + 1) * kPlanes, p->n * p->out_z);
    for (int32_t plane = slice * kPlanes; plane < last; ++plane) {
      add_plane(p, plane, (const float*)scratch, sums);
    }
  }
}

}  // namespace filter_gradient_c1
}  // namespace recvae
