/*
 * GRU over time, PyTorch's gates r, z, n:
 *
 *   r, z = σ(x_t·W_ihᵀ + b + h_{t−1}·W_hhᵀ),  n = tanh(x_t·W_inᵀ + b_in + r·m),  m = h_{t−1}·W_hnᵀ + b_hn
 *   h_t = n + z·(h_{t−1} − n)
 *
 * f32_gru turns the sums in `gates` into r, z, n and puts m behind them, which f32_gru_gradient reads. See gated.h.
 */
#include "gated.h"

namespace recvae {

using namespace cell;

namespace {

/* The columns of r and z, and those of n. */
RECVAE_INLINE Weights gate_weights(const CellParams* p) { return {p->weights, 1, p->width, p->width, 2 * p->width}; }
RECVAE_INLINE Weights new_weights(const CellParams* p) {
  return {p->weights + 2 * p->width * p->width, 1, p->width, p->width, p->width};
}
RECVAE_INLINE Weights backward_weights(const CellParams* p) {
  return {p->weights, p->width, 1, 3 * p->width, p->width};
}

/* Gates and state of one sequence in one step. */
void apply_gates(const CellParams* p, float* gates, const float* before, float* state) {
  const int32_t width = p->width;
  const float* bias = p->bias;
  for (int32_t j = 0; j < width; j += 4) {
    const int32_t count = width - j;
    v128_t r = load_some(gates + j, count), z = load_some(gates + width + j, count);
    v128_t m = load_some(gates + 3 * width + j, count);
    if (bias) {
      r = wasm_f32x4_add(r, load_some(bias + j, count));
      z = wasm_f32x4_add(z, load_some(bias + width + j, count));
      m = wasm_f32x4_add(m, load_some(bias + 2 * width + j, count));
    }
    r = sigmoid4(r);
    z = sigmoid4(z);
    const v128_t n = tanh4(fma(r, m, load_some(gates + 2 * width + j, count)));
    store_some(gates + j, r, count);
    store_some(gates + width + j, z, count);
    store_some(gates + 2 * width + j, n, count);
    store_some(gates + 3 * width + j, m, count);
    store_some(state + j, fma(z, wasm_f32x4_sub(load_some(before + j, count), n), n), count);
  }
}

/* δ of one sequence in one step; `carry` is ∂/∂h and becomes what reaches the step before past the gates. */
void differentiate_gates(const CellParams* p, const float* gates, const float* before, const float* towards,
                         float* carry, float* delta, float* delta_hidden) {
  const int32_t width = p->width;
  const v128_t one = constant4(1.0f);
  for (int32_t j = 0; j < width; j += 4) {
    const int32_t count = width - j;
    const v128_t r = load_some(gates + j, count), z = load_some(gates + width + j, count);
    const v128_t n = load_some(gates + 2 * width + j, count), m = load_some(gates + 3 * width + j, count);
    v128_t dh = load_some(carry + j, count);
    if (towards) dh = wasm_f32x4_add(dh, load_some(towards + j, count));
    const v128_t keep = wasm_f32x4_sub(one, z);
    const v128_t dn = wasm_f32x4_mul(wasm_f32x4_mul(dh, keep), fnma(n, n, one));
    const v128_t dz = wasm_f32x4_mul(wasm_f32x4_mul(dh, wasm_f32x4_sub(load_some(before + j, count), n)),
                                     wasm_f32x4_mul(z, keep));
    const v128_t dr = wasm_f32x4_mul(wasm_f32x4_mul(dn, m), wasm_f32x4_mul(r, wasm_f32x4_sub(one, r)));
    store_some(carry + j, wasm_f32x4_mul(dh, z), count);
    store_some(delta + j, dr, count);
    store_some(delta + width + j, dz, count);
    store_some(delta + 2 * width + j, dn, count);
    store_some(delta_hidden + j, dr, count);
    store_some(delta_hidden + width + j, dz, count);
    store_some(delta_hidden + 2 * width + j, wasm_f32x4_mul(dn, r), count);
  }
}

void walk(const CellParams* p, int32_t b0, int32_t rows, float* tiles) {
  const int32_t width = p->width, steps = p->steps, stride = steps * 4 * width;
  const Weights gate = gate_weights(p), fresh = new_weights(p);
  const float* packed_fresh = p->workspace + packed_floats(gate);
  for (int32_t s = 0; s < steps; ++s) {
    const int32_t t = time_of(p, s);
    float* gates = p->gates + (b0 * steps + t) * 4 * width;
    const Rows before = before_step(p, p->states, p->initial, s, b0);
    multiply(before, rows, gate, p->workspace, gates, stride, false, tiles);
    multiply(before, rows, fresh, packed_fresh, gates + 3 * width, stride, true, tiles);
    for (int32_t r = 0; r < rows; ++r) {
      apply_gates(p, gates + r * stride, before.at + r * before.stride,
                  p->states + ((b0 + r) * steps + t) * width);
    }
  }
  for (int32_t b = b0; b < b0 + rows; ++b) {
    const float* last = p->states + (b * steps + time_of(p, steps - 1)) * width;
    copy_floats(p->last + b * width, last, width);
  }
}

void walk_back(const CellParams* p, int32_t b0, int32_t rows, float* tiles) {
  const int32_t width = p->width, steps = p->steps;
  const Weights w = backward_weights(p);
  float* carry = p->last + b0 * width;
  copy_rows(carry, p->towards_last ? p->towards_last + b0 * width : 0, rows * width);
  for (int32_t s = steps - 1; s >= 0; --s) {
    const int32_t t = time_of(p, s);
    const Rows before = before_step(p, p->states, p->initial, s, b0);
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t row = (b0 + r) * steps + t, at = row * width;
      copy_floats(p->before + at, before.at + r * before.stride, width);
      differentiate_gates(p, p->gates + row * 4 * width, before.at + r * before.stride,
                          p->towards_states ? p->towards_states + at : 0, carry + r * width,
                          p->delta + row * 3 * width, p->delta_hidden + row * 3 * width);
    }
    const Rows delta = {p->delta_hidden + (b0 * steps + t) * 3 * width, steps * 3 * width};
    multiply(delta, rows, w, p->workspace, carry, width, false, tiles);
  }
}

}  // namespace

RECVAE_EXPORT(f32_gru__workspace)
int32_t f32_gru__workspace(const CellParams* p) {
  return (packed_floats(gate_weights(p)) + packed_floats(new_weights(p))) * 4;
}

RECVAE_EXPORT(f32_gru__scratch)
int32_t f32_gru__scratch(const CellParams* p) { return tile_floats(p, p->width) * 4; }

RECVAE_EXPORT(f32_gru_prepare__slices)
int32_t f32_gru_prepare__slices(const CellParams* p) { return 2; }

RECVAE_EXPORT(f32_gru_prepare)
void f32_gru_prepare(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  const Weights gate = gate_weights(p), fresh = new_weights(p);
  if (begin == 0) pack(gate, 0, panels(gate.columns), p->workspace);
  if (end == 2) pack(fresh, 0, panels(fresh.columns), p->workspace + packed_floats(gate));
}

RECVAE_EXPORT(f32_gru__slices)
int32_t f32_gru__slices(const CellParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_gru)
void f32_gru(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  walk_slices(p, begin, end, scratch, walk);
}

RECVAE_EXPORT(f32_gru_gradient__workspace)
int32_t f32_gru_gradient__workspace(const CellParams* p) { return packed_floats(backward_weights(p)) * 4; }

RECVAE_EXPORT(f32_gru_gradient__scratch)
int32_t f32_gru_gradient__scratch(const CellParams* p) { return tile_floats(p, 3 * p->width) * 4; }

RECVAE_EXPORT(f32_gru_gradient_prepare__slices)
int32_t f32_gru_gradient_prepare__slices(const CellParams* p) { return ceil_div(panels(p->width), kPackPanels); }

RECVAE_EXPORT(f32_gru_gradient_prepare)
void f32_gru_gradient_prepare(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  pack(backward_weights(p), begin * kPackPanels, end * kPackPanels, p->workspace);
}

RECVAE_EXPORT(f32_gru_gradient__slices)
int32_t f32_gru_gradient__slices(const CellParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_gru_gradient)
void f32_gru_gradient(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  walk_slices(p, begin, end, scratch, walk_back);
}

}  // namespace recvae
