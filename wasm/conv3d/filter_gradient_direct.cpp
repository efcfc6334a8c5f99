#include "filter_gradient_direct.h"

#include "outer_product.h"
#include "partial_filters.h"

namespace recvae {
namespace filter_gradient_direct {
namespace {

/* Terms summed in float32 before float64 takes over. */
constexpr int32_t kTerms = 4096;
/* Slices wanted, so that any sensible number of threads is busy. */
constexpr int32_t kSlicesWanted = 64;
/* Output rows per pass: two kinds of rows of about 700 bytes each stay in 32 KiB. */
constexpr int32_t kRows = 12;

struct Rows {
  const float* x;  /* sample's input plane of tap kz for output plane 0, row −1 + ky, column −1, at the tile */
  const float* dy; /* output plane 0, at the block */
  int32_t x_row, dy_row;     /* floats */
  int32_t x_step, dy_step;   /* floats per output column */
  int32_t out_x;
  int32_t skip_left;  /* leading values of the tile outside at the first column */
  int32_t skip_right; /* values of the tile inside at the last column */
};

/* One voxel at the border: only values [first, last) of the tile are inside. */
template <int R>
RECVAE_INLINE void add_border(v128_t (&acc)[R][2], const float* x, const float* dy, int32_t first, int32_t last) {
  const v128_t d0 = load(dy), d1 = load(dy + 4);
  RECVAE_UNROLL
  for (int r = 0; r < R; ++r) {
    if (r < first || r >= last) continue;
    const v128_t s = splat(x + r);
    add_product(acc[r][0], s, d0);
    add_product(acc[r][1], s, d1);
  }
}

template <int R>
void add_rows(const Rows& given, int32_t count, int32_t filter_row, float* sums) {
  const Rows rows = given; /* in registers: pinned values make the compiler reload what is behind a reference */
  v128_t acc[R][2];
  load_sums<R>(acc, sums, filter_row);
  const float* x_row = rows.x;
  const float* dy_row = rows.dy;
  RECVAE_NO_UNROLL
  for (; count > 0; --count, x_row += 2 * rows.x_row, dy_row += rows.dy_row) {
    const float* x = x_row;
    const float* dy = dy_row;
    int32_t inner = rows.out_x;
    if (rows.skip_left > 0) {
      add_border<R>(acc, x, dy, rows.skip_left, inner == 1 ? rows.skip_right : R);
      x += rows.x_step;
      dy += rows.dy_step;
      --inner;
    }
    const bool border = rows.skip_right < R && inner > 0;
    if (border) --inner;
    RECVAE_NO_UNROLL
    for (; inner > 0; --inner, x += rows.x_step, dy += rows.dy_step) add_voxel<R>(acc, x, dy);
    if (border) add_border<R>(acc, x, dy, 0, rows.skip_right);
  }
  store_sums<R>(acc, sums, filter_row);
}

/* All tiles of one (kz, ky) over `count` rows; `rows` is set up for the first value of the window. */
void add_window(const Conv3dParams* p, Rows rows, int32_t count, float* sums) {
  const int32_t values = 4 * p->in_c;
  const bool padded_right = 2 * p->out_x == p->in_x;
  const float* x = rows.x;
  for (int32_t i = 0, first = 0; first < values; ++i) {
    const int32_t width = piece_width(values, i);
    rows.x = x + first;
    rows.skip_left = larger(0, smaller(width, p->in_c - first));
    rows.skip_right = padded_right ? larger(0, smaller(width, 3 * p->in_c - first)) : width;
    float* to = sums + first * p->out_c;
    switch (width) {
      case 6: add_rows<6>(rows, count, p->out_c, to); break;
      case 5: add_rows<5>(rows, count, p->out_c, to); break;
      default: add_rows<4>(rows, count, p->out_c, to); break;
    }
    first += width;
  }
}

/* Output rows [first, last) of one plane for tap plane kz: all ky. */
void add_plane_rows(const Conv3dParams* p, int32_t plane, int32_t kz, int32_t block, int32_t first, int32_t last,
                    float* sums) {
  const int32_t n = plane / p->out_z, iz = 2 * (plane % p->out_z) - 1 + kz;
  if (iz < 0 || iz >= p->in_z) return;
  Rows rows;
  rows.x_row = p->in_x * p->in_c;
  rows.dy_row = p->out_x * p->out_c;
  rows.x_step = 2 * p->in_c;
  rows.dy_step = p->out_c;
  rows.out_x = p->out_x;
  const float* x = p->input + (n * p->in_z + iz) * p->in_y * rows.x_row - p->in_c;
  const float* dy = p->output + plane * p->out_y * rows.dy_row + 8 * block;
  for (int32_t ky = 0; ky < 4; ++ky) {
    const int32_t from = larger(first, ky == 0 ? 1 : 0);
    const int32_t to = smaller(last, (p->in_y - ky + 2) >> 1);
    if (from >= to) continue;
    rows.x = x + (2 * from - 1 + ky) * rows.x_row;
    rows.dy = dy + from * rows.dy_row;
    add_window(p, rows, to - from, sums + ky * 4 * p->in_c * p->out_c);
  }
}

}  // namespace

bool fits(const Conv3dParams* p) {
  return halves(p) && p->out_c % 8 == 0;
}

int32_t parts(const Conv3dParams* p) {
  const int32_t planes = p->n * p->out_z;
  const int32_t for_accuracy = ceil_div(planes, larger(1, kTerms / larger(1, p->out_y * p->out_x)));
  const int32_t for_threads = ceil_div(kSlicesWanted, p->out_c / 2);
  return larger(1, smaller(planes, larger(for_accuracy, for_threads)));
}

int32_t slices(const Conv3dParams* p) { return parts(p) * p->out_c / 2; }

void run(const Conv3dParams* p, int32_t begin, int32_t end) {
  const int32_t count = parts(p), blocks = p->out_c / 8, planes = p->n * p->out_z;
  const int32_t plane_taps = 16 * p->in_c * p->out_c;
  for (int32_t slice = begin; slice < end; ++slice) {
    const int32_t block = slice % blocks, kz = slice / blocks % 4, part = slice / blocks / 4;
    float* filter = count == 1 ? p->filter : (float*)p->workspace + part * 4 * plane_taps;
    float* sums = filter + kz * plane_taps + 8 * block;
    for (int32_t row = 0; row < 16 * p->in_c; ++row) {
      store(sums + row * p->out_c, zero4());
      store(sums + row * p->out_c + 4, zero4());
    }
    const int32_t last = (int32_t)((int64_t)planes * (part + 1) / count);
    for (int32_t plane = (int32_t)((int64_t)planes * part / count); plane < last; ++plane) {
      for (int32_t row = 0; row < p->out_y; row += kRows) {
        add_plane_rows(p, plane, kz, block, row, smaller(p->out_y, row + kRows), sums);
      }
    }
  }
}

}  // namespace filter_gradient_direct
}  // namespace recvae
