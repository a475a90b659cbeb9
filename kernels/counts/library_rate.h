// From a decoder's logits to expected counts.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// rate_ij = library_size_i * exp(logits_ij), or with `softmax` library_size_i * softmax(logits_i)_j, for libraries
/// that count the given genes alone (Lopez et al., Nat. Methods 15 (2018) 1053). Without it logits above `most` count
/// as that and have no gradient: 0 says that no gene is more than the whole library.
template <class T>
struct LibraryRate {
  MatrixView<const T> logits;                       // [rows, genes]
  VectorView<const accumulator_t<T>> library_size;  // [rows]
  MatrixView<T> rate;                               // [rows, genes]
  bool softmax = false;
  accumulator_t<T> most = 80;

  static constexpr std::string_view name = "library_rate";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("logits", logits), visit("library_size", library_size), visit("rate", rate);
  }
  void check() const {
    require_shape(*this, "logits", logits, rate.rows, rate.columns);
    require_size(*this, "library_size", library_size, rate.rows);
  }
  Cost cost() const { return memory_cost(*this, 12.0 * static_cast<double>(rate.rows * rate.columns)); }
};

/// dlogits_ij = rate_ij (drate_ij - [softmax] sum over k of drate_ik rate_ik / library_size_i). dlogits may be drate.
template <class T>
struct LibraryRateBackward {
  MatrixView<const T> logits, rate, drate;
  VectorView<const accumulator_t<T>> library_size;
  MatrixView<T> dlogits;
  bool softmax = false;
  accumulator_t<T> most = 80;

  static constexpr std::string_view name = "library_rate_backward";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("logits", logits), visit("rate", rate), visit("drate", drate), visit("library_size", library_size);
    visit("dlogits", dlogits);
  }
  void check() const {
    require_shape(*this, "logits", logits, dlogits.rows, dlogits.columns);
    require_shape(*this, "rate", rate, dlogits.rows, dlogits.columns);
    require_shape(*this, "drate", drate, dlogits.rows, dlogits.columns);
    require_size(*this, "library_size", library_size, dlogits.rows);
  }
  Cost cost() const { return memory_cost(*this, 4.0 * static_cast<double>(rate.rows * rate.columns)); }
};

}  // namespace perturbine
