/*
 * LSTM over time, PyTorch's gates i, f, g, o:
 *
 *   c_t = σ(f)·c_{t−1} + σ(i)·tanh(g),  h_t = σ(o)·tanh(c_t),  gates = x_t·W_ihᵀ + b + h_{t−1}·W_hhᵀ
 *
 * f32_lstm turns the sums in `gates` into the gates' values, which f32_lstm_gradient reads. See gated.h.
 */
#include "gated.h"

namespace recvae {

using namespace cell;

namespace {

RECVAE_INLINE Weights forward_weights(const CellParams* p) {
  return {p->weights, 1, p->width, p->width, 4 * p->width};
}
RECVAE_INLINE Weights backward_weights(const CellParams* p) {
  return {p->weights, p->width, 1, 4 * p->width, p->width};
}

/* Gates, cell and state of one sequence in one step. */
void apply_gates(const CellParams* p, float* gates, const float* cell_before, float* cell, float* state) {
  const int32_t width = p->width;
  for (int32_t j = 0; j < width; j += 4) {
    const int32_t count = width - j;
    v128_t z[4];
    RECVAE_UNROLL
    for (int g = 0; g < 4; ++g) {
      z[g] = load_some(gates + g * width + j, count);
      if (p->bias) z[g] = wasm_f32x4_add(z[g], load_some(p->bias + g * width + j, count));
      z[g] = g == 2 ? tanh4(z[g]) : sigmoid4(z[g]);
      store_some(gates + g * width + j, z[g], count);
    }
    const v128_t c = fma(z[1], load_some(cell_before + j, count), wasm_f32x4_mul(z[0], z[2]));
    store_some(cell + j, c, count);
    store_some(state + j, wasm_f32x4_mul(z[3], tanh4(c)), count);
  }
}

/* δ of one sequence in one step; `carry` is ∂/∂h, `carry_cell` ∂/∂c, the latter moves on to the step before. */
void differentiate_gates(const CellParams* p, const float* gates, const float* cell_before, const float* cell,
                         const float* towards, const float* carry, float* carry_cell, float* delta) {
  const int32_t width = p->width;
  const v128_t one = constant4(1.0f);
  for (int32_t j = 0; j < width; j += 4) {
    const int32_t count = width - j;
    const v128_t i = load_some(gates + j, count), f = load_some(gates + width + j, count);
    const v128_t g = load_some(gates + 2 * width + j, count), o = load_some(gates + 3 * width + j, count);
    v128_t dh = load_some(carry + j, count);
    if (towards) dh = wasm_f32x4_add(dh, load_some(towards + j, count));
    const v128_t squashed = tanh4(load_some(cell + j, count));
    const v128_t through = wasm_f32x4_mul(wasm_f32x4_mul(dh, o), fnma(squashed, squashed, one));
    const v128_t dc = wasm_f32x4_add(load_some(carry_cell + j, count), through);
    const auto slope = [&](v128_t s) { return wasm_f32x4_mul(s, wasm_f32x4_sub(one, s)); };
    store_some(carry_cell + j, wasm_f32x4_mul(dc, f), count);
    store_some(delta + j, wasm_f32x4_mul(wasm_f32x4_mul(dc, g), slope(i)), count);
    const v128_t df = wasm_f32x4_mul(dc, load_some(cell_before + j, count));
    store_some(delta + width + j, wasm_f32x4_mul(df, slope(f)), count);
    store_some(delta + 2 * width + j, wasm_f32x4_mul(wasm_f32x4_mul(dc, i), fnma(g, g, one)), count);
    store_some(delta + 3 * width + j, wasm_f32x4_mul(wasm_f32x4_mul(dh, squashed), slope(o)), count);
  }
}

void walk(const CellParams* p, int32_t b0, int32_t rows, float* tiles) {
  const int32_t width = p->width, steps = p->steps;
  const Weights w = forward_weights(p);
  for (int32_t s = 0; s < steps; ++s) {
    const int32_t t = time_of(p, s);
    float* gates = p->gates + (b0 * steps + t) * 4 * width;
    multiply(before_step(p, p->states, p->initial, s, b0), rows, w, p->workspace, gates, steps * 4 * width, false,
             tiles);
    const Rows cell_before = before_step(p, p->cells, p->initial_cell, s, b0);
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t at = ((b0 + r) * steps + t) * width;
      apply_gates(p, gates + r * steps * 4 * width, cell_before.at + r * cell_before.stride, p->cells + at,
                  p->states + at);
    }
  }
  for (int32_t b = b0; b < b0 + rows; ++b) {
    const int32_t at = (b * steps + time_of(p, steps - 1)) * width;
    copy_floats(p->last + b * width, p->states + at, width);
    copy_floats(p->last_cell + b * width, p->cells + at, width);
  }
}

void walk_back(const CellParams* p, int32_t b0, int32_t rows, float* tiles) {
  const int32_t width = p->width, steps = p->steps, size = rows * width;
  const Weights w = backward_weights(p);
  float* carry = p->last + b0 * width;
  float* carry_cell = p->last_cell + b0 * width;
  copy_rows(carry, p->towards_last ? p->towards_last + b0 * width : 0, size);
  copy_rows(carry_cell, p->towards_cell ? p->towards_cell + b0 * width : 0, size);
  for (int32_t s = steps - 1; s >= 0; --s) {
    const int32_t t = time_of(p, s);
    const Rows before = before_step(p, p->states, p->initial, s, b0);
    const Rows cell_before = before_step(p, p->cells, p->initial_cell, s, b0);
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t row = (b0 + r) * steps + t, at = row * width;
      copy_floats(p->before + at, before.at + r * before.stride, width);
      differentiate_gates(p, p->gates + row * 4 * width, cell_before.at + r * cell_before.stride, p->cells + at,
                          p->towards_states ? p->towards_states + at : 0, carry + r * width, carry_cell + r * width,
                          p->delta + row * 4 * width);
    }
    const Rows delta = {p->delta + (b0 * steps + t) * 4 * width, steps * 4 * width};
    multiply(delta, rows, w, p->workspace, carry, width, true, tiles);
  }
}

}  // namespace

RECVAE_EXPORT(f32_lstm__workspace)
int32_t f32_lstm__workspace(const CellParams* p) { return packed_floats(forward_weights(p)) * 4; }

RECVAE_EXPORT(f32_lstm__scratch)
int32_t f32_lstm__scratch(const CellParams* p) { return tile_floats(p, p->width) * 4; }

RECVAE_EXPORT(f32_lstm_prepare__slices)
int32_t f32_lstm_prepare__slices(const CellParams* p) { return ceil_div(panels(4 * p->width), kPackPanels); }

RECVAE_EXPORT(f32_lstm_prepare)
void f32_lstm_prepare(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  pack(forward_weights(p), begin * kPackPanels, end * kPackPanels, p->workspace);
}

RECVAE_EXPORT(f32_lstm__slices)
int32_t f32_lstm__slices(const CellParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_lstm)
void f32_lstm(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  walk_slices(p, begin, end, scratch, walk);
}

RECVAE_EXPORT(f32_lstm_gradient__workspace)
int32_t f32_lstm_gradient__workspace(const CellParams* p) { return packed_floats(backward_weights(p)) * 4; }

RECVAE_EXPORT(f32_lstm_gradient__scratch)
int32_t f32_lstm_gradient__scratch(const CellParams* p) { return tile_floats(p, 4 * p->width) * 4; }

RECVAE_EXPORT(f32_lstm_gradient_prepare__slices)
int32_t f32_lstm_gradient_prepare__slices(const CellParams* p) { return ceil_div(panels(p->width), kPackPanels); }

RECVAE_EXPORT(f32_lstm_gradient_prepare)
void f32_lstm_gradient_prepare(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  pack(backward_weights(p), begin * kPackPanels, end * kPackPanels, p->workspace);
}

RECVAE_EXPORT(f32_lstm_gradient__slices)
int32_t f32_lstm_gradient__slices(const CellParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_lstm_gradient)
void f32_lstm_gradient(const CellParams* p, int32_t begin, int32_t end, float* scratch) {
  walk_slices(p, begin, end, scratch, walk_back);
}

}  // namespace recvae
