// sin and cos of t * w to float accuracy for angles of thousands of radians: the product's rounding error is kept.
#pragma once
#include "kernels/core/formulas.h"

namespace perturbine::formulas {

PERTURBINE_HOST_DEVICE inline void sincos_product(float t, float w, float& sine, float& cosine) {
  const float p = t * w, error = fused(t, w, -p);
  const float magic = 12582912.0f;
  const float n = (p * 0.15915494309189535f + magic) - magic;  // whole turns
  float r = fused(-n, 6.28125f, p);                            // 2 pi in three parts (Cody and Waite)
  r = fused(-n, 1.934051513671875e-3f, r);
  r = fused(-n, 1.2556659146e-6f, r) + error;
  portable_sincos_turns(r * 0.15915494309189535f, sine, cosine);
}

}  // namespace perturbine::formulas
