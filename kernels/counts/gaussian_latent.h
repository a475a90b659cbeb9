// The latent variables of a variational autoencoder: drawing them, and their divergence from the prior.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// z = mean + exp(log_variance / 2) e, e standard normal by Philox, subsequence row << 32 | column / 4 of
/// (seed, *offset). With dz given y is the gradient in log_variance, dz e exp(log_variance / 2) / 2, with e drawn again
/// (the gradient in the mean is dz itself). Source: Kingma and Welling, arXiv:1312.6114, section 2.4.
template <class T>
struct Reparameterise {
  MatrixView<const T> mean, log_variance, dz;  // [rows, width]; dz empty: forward
  VectorView<const std::uint64_t> offset;      // [1]
  MatrixView<T> y;
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "reparameterise";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("mean", mean), visit("log_variance", log_variance), visit("dz", dz), visit("offset", offset), visit("y", y);
  }
  void check() const {
    require_shape(*this, "mean", mean, y.rows, y.columns);
    require_shape(*this, "log_variance", log_variance, y.rows, y.columns);
    if (dz.data != nullptr) require_shape(*this, "dz", dz, y.rows, y.columns);
    require_size(*this, "offset", offset, 1);
  }
  Cost cost() const { return memory_cost(*this, 40.0 * static_cast<double>(y.rows * y.columns)); }
};

/// loss[i] = KL(N(mean_i, exp(log_variance_i)) || N(prior_mean_i, exp(prior_log_variance))), summed over coordinates;
/// and, with dmean, gradients times dloss_i. Those of the prior's variance are summed over rows in their order.
template <class T>
struct GaussianDivergence {
  MatrixView<const T> mean, log_variance, prior_mean;     // [rows, width]
  VectorView<const accumulator_t<T>> prior_log_variance;  // [width]
  VectorView<const accumulator_t<T>> dloss;               // [rows], with dmean
  VectorView<accumulator_t<T>> loss;                      // [rows]
  MatrixView<T> dmean, dlog_variance, dprior_mean;        // [rows, width], all or none
  VectorView<accumulator_t<T>> dprior_log_variance;  // [width], with dmean; blocks of 64 rows, then blocks in order

  static constexpr std::string_view name = "gaussian_divergence";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("mean", mean), visit("log_variance", log_variance), visit("prior_mean", prior_mean);
    visit("prior_log_variance", prior_log_variance), visit("dloss", dloss), visit("loss", loss), visit("dmean", dmean);
    visit("dlog_variance", dlog_variance), visit("dprior_mean", dprior_mean);
    visit("dprior_log_variance", dprior_log_variance);
  }
  void check() const {
    require_shape(*this, "log_variance", log_variance, mean.rows, mean.columns);
    require_shape(*this, "prior_mean", prior_mean, mean.rows, mean.columns);
    require_size(*this, "prior_log_variance", prior_log_variance, mean.columns);
    require_size(*this, "loss", loss, mean.rows);
    if (dmean.data == nullptr) return;
    require_shape(*this, "dmean", dmean, mean.rows, mean.columns);
    require_shape(*this, "dlog_variance", dlog_variance, mean.rows, mean.columns);
    require_shape(*this, "dprior_mean", dprior_mean, mean.rows, mean.columns);
    require_size(*this, "dprior_log_variance", dprior_log_variance, mean.columns);
    require_size(*this, "dloss", dloss, mean.rows);
  }
  Cost cost() const { return memory_cost(*this, 30.0 * static_cast<double>(mean.rows * mean.columns)); }
};

}  // namespace perturbine
