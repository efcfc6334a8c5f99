#include "partial_filters.h"

namespace recvae {

void add_partial_filters(const Conv3dParams* p, int32_t parts, int32_t begin, int32_t end) {
  const int32_t floats = filter_floats(p);
  const int32_t last = smaller(floats, end * kFilterRun);
  const float* partial = (const float*)p->workspace;
  int32_t at = begin * kFilterRun;
  for (; at + 4 <= last; at += 4) {
    v128_t low = wasm_f64x2_const_splat(0.0), high = low;
    const float* from = partial + at;
    RECVAE_NO_UNROLL
    for (int32_t part = 0; part < parts; ++part, from += floats) {
      const v128_t v = load(from);
      low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(v));
      high = wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(wasm_i64x2_shuffle(v, v, 1, 1)));
    }
    store(p->filter + at,
          wasm_i64x2_shuffle(wasm_f32x4_demote_f64x2_zero(low), wasm_f32x4_demote_f64x2_zero(high), 0, 2));
  }
  for (; at < last; ++at) {
    double sum = 0.0;
    for (int32_t part = 0; part < parts; ++part) sum += partial[part * floats + at];
    p->filter[at] = (float)sum;
  }
}

}  // namespace recvae
