#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/set_attention.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const SetAttention<double>& op) {
  const std::size_t set = op.set_size(), width = op.query.columns / op.heads;
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t h = 0; h < op.heads; ++h) {
      double total = 0;
      for (std::size_t m = 0; m < set; ++m) {
        double s = 0;
        for (std::size_t j = h * width; j < (h + 1) * width; ++j) s += op.query(i, j) * op.keys(i * set + m, j);
        op.weights(i, h * set + m) =
            static_cast<std::int32_t>(m) < op.length[i] ? std::exp(s / std::sqrt(static_cast<double>(width))) : 0;
        total += op.weights(i, h * set + m);
      }
      for (std::size_t j = h * width; j < (h + 1) * width; ++j) op.y(i, j) = 0;
      for (std::size_t m = 0; m < set; ++m) {
        op.weights(i, h * set + m) /= std::max(total, 1e-300);
        for (std::size_t j = h * width; j < (h + 1) * width; ++j)
          op.y(i, j) += op.weights(i, h * set + m) * op.values(i * set + m, j);
      }
    }
}

template <>
void execute(const SetAttentionBackward<double>& op) {
  const std::size_t set = op.set_size(), width = op.query.columns / op.heads;
  for (std::size_t i = 0; i < op.dy.rows; ++i)
    for (std::size_t h = 0; h < op.heads; ++h) {
      // Softmax: ds_m = w_m (dw_m - sum_k w_k dw_k).
      std::vector<double> dw(set, 0);
      double mean = 0;
      for (std::size_t m = 0; m < set; ++m) {
        for (std::size_t j = h * width; j < (h + 1) * width; ++j) dw[m] += op.dy(i, j) * op.values(i * set + m, j);
        mean += op.weights(i, h * set + m) * dw[m];
      }
      for (std::size_t j = h * width; j < (h + 1) * width; ++j) {
        op.dquery(i, j) = 0;
        for (std::size_t m = 0; m < set; ++m) {
          const double w = op.weights(i, h * set + m), ds = w * (dw[m] - mean) / std::sqrt(static_cast<double>(width));
          op.dquery(i, j) += ds * op.keys(i * set + m, j);
          op.dkeys(i * set + m, j) = ds * op.query(i, j);
          op.dvalues(i * set + m, j) = w * op.dy(i, j);
        }
      }
    }
}

}  // namespace perturbine::reference
