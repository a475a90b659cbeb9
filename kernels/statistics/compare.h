// One gene of CompareSorted, shared by the executors.
#pragma once
#include "kernels/core/views.h"

namespace perturbine::formulas {

/// Walks the merged samples once: between neighbouring values F_a = i / n and F_b = j / m are constant, so that
/// W1 = sum width |F_a - F_b| and mean_ij |a_i - b_j| = sum width (F_a (1 - F_b) + F_b (1 - F_a)); the same with b = a
/// for the spread of the ensemble.
PERTURBINE_HOST_DEVICE inline void compare_sorted(const float* a, std::size_t n, const float* b, std::size_t m,
                                                  float& wasserstein, float& crps) {
  std::size_t i = 0, j = 0;
  double w = 0, cross = 0, spread = 0;
  float at = a[0] < b[0] ? a[0] : b[0];
  const double da = 1.0 / static_cast<double>(n), db = 1.0 / static_cast<double>(m);
  while (i < n || j < m) {
    const bool take_a = j == m || (i < n && a[i] <= b[j]);
    const float next = take_a ? a[i] : b[j];
    const double width = static_cast<double>(next) - static_cast<double>(at);
    if (width > 0) {
      const double fa = static_cast<double>(i) * da, fb = static_cast<double>(j) * db;
      w += width * (fa > fb ? fa - fb : fb - fa);
      cross += width * (fa * (1 - fb) + fb * (1 - fa));
      spread += width * 2 * fa * (1 - fa);
    }
    at = next;
    if (take_a)
      ++i;
    else
      ++j;
  }
  wasserstein = static_cast<float>(w);
  crps = static_cast<float>(cross - spread * 0.5 * static_cast<double>(n) / static_cast<double>(n - 1));
}

}  // namespace perturbine::formulas
