// Counts of single cells: normalisation and likelihoods straight from compressed sparse rows, and sampling.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// y = log(1 + target_sum * count / library_size_i), densified.
template <class T>
struct LogNormalise {
  CsrView<T> counts;                                // [rows, genes]
  VectorView<const accumulator_t<T>> library_size;  // [rows], > 0
  MatrixView<T> y;                                  // [rows, genes]
  accumulator_t<T> target_sum = 10000;

  static constexpr std::string_view name = "log_normalise";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("counts", counts), visit("library_size", library_size), visit("y", y);
  }
  void check() const {
    require_shape(*this, "y", y, counts.rows, counts.column_count);
    require_size(*this, "library_size", library_size, counts.rows);
    require_size(*this, "counts.row_offsets", counts.row_offsets, counts.rows + 1);
  }
  Cost cost() const { return memory_cost(*this, 20.0 * static_cast<double>(counts.values.size)); }
};

/// Negative log-likelihood of counts under a negative binomial (zero_logit empty) or its zero-inflated form, and its
/// gradients, in one pass over dense parameters and sparse counts; no lgamma is evaluated on zeros.
///   p(x) = NB(x; mean, theta) with variance mean + mean^2 / theta
///   zero-inflated: p(0) = pi + (1 - pi) NB(0), p(x > 0) = (1 - pi) NB(x), pi = sigmoid(zero_logit)
/// loss[i] = -sum_j log p(x_ij). Gradients are multiplied by dloss_i. The mean is floored at 1e-12 (an exact zero with
/// a positive count would be -infinity). Source: Lopez et al., Nat. Methods 15 (2018) 1053; forms: docs/kernels.md.
template <class T>
struct CountLikelihood {
  CsrView<T> counts;                         // [rows, genes], integers >= 0
  MatrixView<const T> mean, zero_logit;      // [rows, genes]; zero_logit may be empty
  VectorView<const accumulator_t<T>> theta;  // [genes], inverse dispersion > 0
  VectorView<const accumulator_t<T>> dloss;  // [rows]; empty: no gradients
  VectorView<accumulator_t<T>> loss;         // [rows]
  MatrixView<T> dmean, dzero_logit;          // [rows, genes], or empty
  VectorView<accumulator_t<T>> dtheta;       // [genes], or empty; blocks of 64 rows, then blocks in order

  static constexpr std::string_view name = "count_likelihood";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("counts", counts), visit("mean", mean), visit("zero_logit", zero_logit), visit("theta", theta),
        visit("dloss", dloss);
    visit("loss", loss), visit("dmean", dmean), visit("dzero_logit", dzero_logit), visit("dtheta", dtheta);
  }
  void check() const {
    require_shape(*this, "mean", mean, counts.rows, counts.column_count);
    require_size(*this, "theta", theta, counts.column_count);
    require_size(*this, "loss", loss, counts.rows);
    require_size(*this, "counts.row_offsets", counts.row_offsets, counts.rows + 1);
    if (zero_logit.data != nullptr) require_shape(*this, "zero_logit", zero_logit, counts.rows, counts.column_count);
    if (dmean.data != nullptr) {
      require_shape(*this, "dmean", dmean, counts.rows, counts.column_count);
      require_size(*this, "dloss", dloss, counts.rows);
      require_size(*this, "dtheta", dtheta, counts.column_count);
      require((zero_logit.data == nullptr) == (dzero_logit.data == nullptr),
              "count_likelihood: zero_logit and dzero_logit go together");
    }
  }
  Cost cost() const { return memory_cost(*this, 40.0 * static_cast<double>(mean.rows * mean.columns)); }
};

/// Poisson counts with the given rates: word draws of (seed, *offset + k, row and column), inversion below 16, else
/// the transformed rejection PTRS of Hormann, Insurance: Mathematics and Economics 12 (1993) 39. With theta the rate is
/// first multiplied by a gamma variable of shape theta and mean 1 (Marsaglia and Tsang, ACM TOMS 26 (2000) 363): a
/// negative binomial.
template <class T>
struct SampleCounts {
  MatrixView<const T> rate;                  // [rows, genes], >= 0
  VectorView<const accumulator_t<T>> theta;  // [genes], or empty
  VectorView<const std::uint64_t> offset;    // [1]
  MatrixView<T> y;                           // [rows, genes]
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "sample_counts";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("rate", rate), visit("theta", theta), visit("offset", offset), visit("y", y);
  }
  void check() const {
    require_shape(*this, "rate", rate, y.rows, y.columns);
    if (theta.data != nullptr) require_size(*this, "theta", theta, y.columns);
    require_size(*this, "offset", offset, 1);
  }
  Cost cost() const { return memory_cost(*this, 100.0 * static_cast<double>(y.rows * y.columns)); }
};

}  // namespace perturbine
