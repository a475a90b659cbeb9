#include <cmath>

#include "kernels/optimisation/adamw.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const GlobalNorm<double>& op) {
  double sum = 0;
  for (std::size_t s = 0; s < op.active.size; ++s)
    for (auto i = static_cast<std::size_t>(op.segment_begin[s]); i < static_cast<std::size_t>(op.segment_begin[s + 1]);
         ++i)
      if (op.active[s] != 0) sum += op.gradient[i] * op.gradient[i];
  op.norm[0] = std::sqrt(sum);
}

template <>
void execute(const AdamW<double>& op) {
  const double clip = op.norm.data != nullptr && op.norm[0] > op.clip ? op.clip / op.norm[0] : 1;
  for (std::size_t s = 0; s < op.active.size; ++s)
    for (auto i = static_cast<std::size_t>(op.segment_begin[s]); i < static_cast<std::size_t>(op.segment_begin[s + 1]);
         ++i) {
      if (op.active[s] != 0) {
        const double g = clip * op.gradient[i] + op.penalty[s] * op.value[i];
        op.first_moment[i] = op.beta1 * op.first_moment[i] + (1 - op.beta1) * g;
        op.second_moment[i] = op.beta2 * op.second_moment[i] + (1 - op.beta2) * g * g;
        const double m = op.first_moment[i] / op.step[AdamWStep::bias_correction_1];
        const double v = op.second_moment[i] / op.step[AdamWStep::bias_correction_2];
        op.value[i] -= op.step[AdamWStep::rate] * op.segment_rate[s] *
                       (m / (std::sqrt(v) + op.epsilon) + op.decay[s] * op.value[i]);
        op.average[i] =
            op.step[AdamWStep::average_decay] * op.average[i] + (1 - op.step[AdamWStep::average_decay]) * op.value[i];
        if (op.copy.data != nullptr) op.copy[i] = bfloat16(op.value[i]);
      }
    }
}

}  // namespace perturbine::reference
