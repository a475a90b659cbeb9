// Likelihoods of normalised expression, straight from compressed sparse rows.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {
/// Negative log-likelihood of values x >= 0 under a Gaussian (zero_logit empty) or a zero-inflated log-normal, with a
/// mean per element and a standard deviation per gene; density with respect to Lebesgue measure, for the log-normal
/// plus a point mass at zero:
///   Gaussian    p(x) = N(x; mean, exp(log_deviation))
///   log-normal  p(0) = pi = sigmoid(zero_logit), p(x > 0) = (1 - pi) N(log x; mean, exp(log_deviation)) / x
/// loss[i] = -sum over j of log p(x_ij). Gradients are multiplied by dloss_i.
template <class T>
struct ValueLikelihood {
  CsrView<T> values;                                 // [rows, genes], > 0 where stored; zero elsewhere
  MatrixView<const T> mean, zero_logit;              // [rows, genes]; zero_logit may be empty
  VectorView<const accumulator_t<T>> log_deviation;  // [genes]
  VectorView<const accumulator_t<T>> dloss;          // [rows]; empty: no gradients
  VectorView<accumulator_t<T>> loss;                 // [rows]
  MatrixView<T> dmean, dzero_logit;                  // [rows, genes], or empty
  VectorView<accumulator_t<T>> dlog_deviation;       // [genes], or empty; blocks of 64 rows, then blocks in order

  static constexpr std::string_view name = "value_likelihood";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("values", values), visit("mean", mean), visit("zero_logit", zero_logit);
    visit("log_deviation", log_deviation), visit("dloss", dloss), visit("loss", loss), visit("dmean", dmean);
    visit("dzero_logit", dzero_logit), visit("dlog_deviation", dlog_deviation);
  }
  void check() const {
    require_shape(*this, "mean", mean, values.rows, values.column_count);
    require_size(*this, "log_deviation", log_deviation, values.column_count);
    require_size(*this, "loss", loss, values.rows);
    require_size(*this, "values.row_offsets", values.row_offsets, values.rows + 1);
    if (zero_logit.data != nullptr) require_shape(*this, "zero_logit", zero_logit, values.rows, values.column_count);
    if (dmean.data == nullptr) return;
    require_shape(*this, "dmean", dmean, values.rows, values.column_count);
    require_size(*this, "dloss", dloss, values.rows);
    require_size(*this, "dlog_deviation", dlog_deviation, values.column_count);
    require((zero_logit.data == nullptr) == (dzero_logit.data == nullptr),
            "value_likelihood: zero_logit and dzero_logit go together");
  }
  Cost cost() const { return memory_cost(*this, 30.0 * static_cast<double>(mean.rows * mean.columns)); }
};

}  // namespace perturbine
