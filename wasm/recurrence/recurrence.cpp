/*
 * The latent recurrence over all frames in one call, forward and backward [recurrent-vae §3.5, §12 step 4]:
 *
 *   f32_rollout            heads_t = drive_t + h_{t−1}·Wᵀ,  h_t = μ_t + exp(ℓ_t/2)·ε_t
 *   f32_rollout_gradient   G_t = towards_t + C_t,  δ_t = [G_t, G_t·spread_t] + further_t,  C_{t−1} = δ_t·W + carried_t
 *
 * Runs (subjects) are independent; a slice is as many of them as make about 65536 multiply-adds. Products are summed
 * in float64. A few microseconds a step: what it saves is some twenty calls per frame.
 */
#include "../elementwise/functions.h"

namespace recvae {

struct RolloutParams {
  const float* drive;   /*  0  [T, B, 2D] forward; towards_state [T, B, D] backward */
  const float* weights; /*  4  W [2D, D] */
  const float* noise;   /*  8  [T, B, D]; spread backward */
  const float* initial; /* 12  [B, D] forward only */
  const float* carried; /* 16  [T, B, D] backward only */
  const float* further; /* 20  [T, B, 2D] backward only, or 0 */
  float* states;        /* 24  [T, B, D] forward only */
  float* heads;         /* 28  [T, B, 2D]; δ backward */
  int32_t frames;       /* 32  T */
  int32_t runs;         /* 36  B */
  int32_t width;        /* 40  D */
}; /* 44 bytes */

static_assert(sizeof(RolloutParams) == 44, "the host mirrors this layout");

namespace {

constexpr int32_t kSliceWork = 65536;

RECVAE_INLINE int32_t runs_per_slice(const RolloutParams* p) {
  return larger(1, kSliceWork / larger(1, p->frames * 2 * p->width * p->width));
}

RECVAE_INLINE int32_t slice_count(const RolloutParams* p) {
  return p->frames == 0 || p->width == 0 ? 0 : ceil_div(p->runs, runs_per_slice(p));
}

RECVAE_INLINE float exponential(float v) { return wasm_f32x4_extract_lane(exp4(wasm_f32x4_splat(v)), 0); }

void roll(const RolloutParams* p, int32_t run) {
  const int32_t width = p->width;
  const float* h = p->initial + run * width;
  for (int32_t t = 0; t < p->frames; ++t) {
    const int32_t row = t * p->runs + run;
    float* heads = p->heads + row * 2 * width;
    for (int32_t j = 0; j < 2 * width; ++j) {
      double sum = p->drive[row * 2 * width + j];
      for (int32_t i = 0; i < width; ++i) sum += (double)h[i] * (double)p->weights[j * width + i];
      heads[j] = (float)sum;
    }
    float* next = p->states + row * width;
    for (int32_t i = 0; i < width; ++i) {
      next[i] = heads[i] + exponential(0.5f * heads[width + i]) * p->noise[row * width + i];
    }
    h = next;
  }
}

/* `carry` holds C_t, D values. */
void roll_back(const RolloutParams* p, int32_t run, float* carry) {
  const int32_t width = p->width;
  for (int32_t i = 0; i < width; ++i) carry[i] = 0.0f;
  for (int32_t t = p->frames - 1; t >= 0; --t) {
    const int32_t row = t * p->runs + run;
    float* delta = p->heads + row * 2 * width;
    for (int32_t i = 0; i < width; ++i) {
      const float g = p->drive[row * width + i] + carry[i];
      delta[i] = g;
      delta[width + i] = g * p->noise[row * width + i];
    }
    if (p->further) {
      for (int32_t j = 0; j < 2 * width; ++j) delta[j] += p->further[row * 2 * width + j];
    }
    for (int32_t i = 0; i < width; ++i) {
      double sum = p->carried[row * width + i];
      for (int32_t j = 0; j < 2 * width; ++j) sum += (double)delta[j] * (double)p->weights[j * width + i];
      carry[i] = (float)sum;
    }
  }
}

}  // namespace

RECVAE_EXPORT(f32_rollout__slices)
int32_t f32_rollout__slices(const RolloutParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_rollout)
void f32_rollout(const RolloutParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t last = smaller(end * runs_per_slice(p), p->runs);
  for (int32_t run = begin * runs_per_slice(p); run < last; ++run) roll(p, run);
}

RECVAE_EXPORT(f32_rollout_gradient__slices)
int32_t f32_rollout_gradient__slices(const RolloutParams* p) { return slice_count(p); }

RECVAE_EXPORT(f32_rollout_gradient__scratch)
int32_t f32_rollout_gradient__scratch(const RolloutParams* p) { return p->width * (int32_t)sizeof(float); }

RECVAE_EXPORT(f32_rollout_gradient)
void f32_rollout_gradient(const RolloutParams* p, int32_t begin, int32_t end, char* scratch) {
  const int32_t last = smaller(end * runs_per_slice(p), p->runs);
  for (int32_t run = begin * runs_per_slice(p); run < last; ++run) roll_back(p, run, (float*)scratch);
}

}  // namespace recvae
