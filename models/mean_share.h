// How much of a network's shift of the mean predictions take: judged on conditions the network did not learn from.
#pragma once
#include <cstddef>
#include <vector>

#include "io/batch.h"

namespace perturbine {

/// Mean of `values` [cells, width] over the cells of each perturbed condition and context of the data.
struct ConditionMean {
  Query query;
  std::vector<double> mean;  // [width]
};
std::vector<ConditionMean> condition_means(const TrainingData& data, const std::vector<float>& values);

/// Of one judged condition: missed . shift, |shift|^2 and |missed|^2, where `missed` is what the closed form misses of
/// its mean and `shift` what the network adds.
struct JudgedShift {
  double along = 0, length = 0, missed = 0;
  template <class A, class B>
  static JudgedShift of(const A& missed, const B& shift) {
    JudgedShift j;
    for (std::size_t k = 0; k < missed.size(); ++k) {
      const auto a = static_cast<double>(missed[k]), b = static_cast<double>(shift[k]);
      j.along += a * b, j.length += b * b, j.missed += a * a;
    }
    return j;
  }
};

struct MeanShare {
  double taken = 0;            // 0 unless the gain is larger than its standard error over the conditions
  double best = 0;             // the share in [0, 1] with the least squared error
  double gain = 0, error = 0;  // of the squared error, as shares of it
};
MeanShare choose_mean_share(const std::vector<JudgedShift>& judged);

}  // namespace perturbine
