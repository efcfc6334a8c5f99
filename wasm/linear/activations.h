/* Activations that a matrix product applies to its result, and the pass that does it together with the bias. */
#pragma once

#include "../elementwise/functions.h"

namespace recvae {

/* In the order of LINEAR_ACTIVATIONS in src/backends/linear_contract.ts. */
enum Activation { kLinear, kRelu, kLeakyRelu, kTanh, kSigmoid, kSilu, kGelu, kGeluTanh, kSoftplus };

RECVAE_INLINE v128_t activate(v128_t x, int32_t kind, v128_t slope) {
  switch (kind) {
    case kRelu: return wasm_f32x4_max(x, zero4());
    case kLeakyRelu: return wasm_v128_bitselect(wasm_f32x4_mul(x, slope), x, wasm_f32x4_lt(x, zero4()));
    case kTanh: return tanh4(x);
    case kSigmoid: return sigmoid4(x);
    case kSilu: return silu4(x);
    case kGelu: return gelu4(x);
    case kGeluTanh: return gelu_tanh4(x);
    case kSoftplus: return softplus4(x);
    default: return x;
  }
}

}  // namespace recvae
