// Flow matching along straight paths: points between coupled cells, and the loss on the velocity.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {
namespace formulas {

/// The velocity of Gaussian ends at a point x of the path is gain * x: both ends of variance v and covariance c,
/// E[b - a | xt = x] = (2 t - 1) (v - c) / (((1 - t)^2 + t^2) v + 2 t (1 - t) c + spread^2) x. Odd about t = 1/2: the
/// flow of this velocity alone ends where it began.
template <class A>
PERTURBINE_HOST_DEVICE inline A gaussian_path_gain(A t, A variance, A covariance, A spread) {
  const A s = 1 - t;
  return (2 * t - 1) * (variance - covariance) /
         ((s * s + t * t) * variance + 2 * t * s * covariance + spread * spread);
}

}  // namespace formulas

/// For each row r with ends a = source[source_row[r]], b = target[target_row[r]]:
///   xt = (1 - t) a + t b + spread z,  velocity = b - a - gain xt
/// gain is gaussian_path_gain of each column's variance and covariance, or 0 where these are not given;
/// z standard normal by Philox, subsequence r << 32 | column / 4 of (seed, *offset). Source: Lipman et al.,
/// arXiv:2210.02747; with coupled ends Tong et al., arXiv:2302.00482, eq. 14. Indices outside give zeros.
template <class T>
struct PathInterpolation {
  MatrixView<const T> source, target;                       // [n, width], [m, width]
  VectorView<const std::int32_t> source_row, target_row;    // [rows]
  VectorView<const accumulator_t<T>> time;                  // [rows]
  VectorView<const accumulator_t<T>> variance, covariance;  // [width], of the ends; empty: gain 0
  VectorView<const std::uint64_t> offset;                   // [1]
  MatrixView<T> xt, velocity;                               // [rows, width]
  accumulator_t<T> spread = 0;
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "path_interpolation";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("source", source), visit("target", target), visit("source_row", source_row), visit("target_row", target_row);
    visit("time", time), visit("variance", variance), visit("covariance", covariance), visit("offset", offset);
    visit("xt", xt), visit("velocity", velocity);
  }
  void check() const {
    require_shape(*this, "source", source, source.rows, xt.columns);
    require_shape(*this, "target", target, target.rows, xt.columns);
    require_shape(*this, "velocity", velocity, xt.rows, xt.columns);
    require_size(*this, "source_row", source_row, xt.rows), require_size(*this, "target_row", target_row, xt.rows);
    require_size(*this, "time", time, xt.rows), require_size(*this, "offset", offset, 1);
    if (variance.size != 0) require_size(*this, "variance", variance, xt.columns);
    require_size(*this, "covariance", covariance, variance.size);
  }
  Cost cost() const {
    const double numbers = static_cast<double>(xt.rows * xt.columns);
    return {4.0 * numbers * sizeof(T), 24.0 * numbers, Ceiling::memory};
  }
};

/// y = share F + gain x at one time for all rows: the whole velocity from what the network adds to the Gaussian's. y
/// may be F. The time lies in device memory, so that one captured step serves all.
template <class T>
struct GaussianVelocity {
  MatrixView<const T> F, x;                                 // [rows, width]
  VectorView<const accumulator_t<T>> variance, covariance;  // [width]
  VectorView<const accumulator_t<T>> time;                  // [1]
  MatrixView<T> y;
  accumulator_t<T> spread = 0, share = 1;

  static constexpr std::string_view name = "gaussian_velocity";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("F", F), visit("x", x), visit("variance", variance), visit("covariance", covariance);
    visit("time", time), visit("y", y);
  }
  void check() const {
    require_size(*this, "time", time, 1);
    require_shape(*this, "F", F, y.rows, y.columns), require_shape(*this, "x", x, y.rows, y.columns);
    require_size(*this, "variance", variance, y.columns), require_size(*this, "covariance", covariance, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 16.0 * static_cast<double>(y.rows * y.columns)); }
};

/// loss[i] = weight[i] mean over columns of (F - target)^2 and, when dF is given, its gradient times dloss[i].
template <class T>
struct SquaredErrorLoss {
  MatrixView<const T> F, target;              // [rows, width]
  VectorView<const accumulator_t<T>> weight;  // [rows]; empty: 1
  VectorView<const accumulator_t<T>> dloss;   // [rows], with dF
  VectorView<accumulator_t<T>> loss;          // [rows]
  MatrixView<T> dF;                           // empty: forward only

  static constexpr std::string_view name = "squared_error_loss";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("F", F), visit("target", target), visit("weight", weight), visit("dloss", dloss), visit("loss", loss);
    visit("dF", dF);
  }
  void check() const {
    require_shape(*this, "target", target, F.rows, F.columns);
    if (weight.size != 0) require_size(*this, "weight", weight, F.rows);
    require_size(*this, "loss", loss, F.rows);
    if (dF.data != nullptr) {
      require_shape(*this, "dF", dF, F.rows, F.columns);
      require_size(*this, "dloss", dloss, F.rows);
    }
  }
  Cost cost() const { return memory_cost(*this, 4.0 * static_cast<double>(F.rows * F.columns)); }
};

}  // namespace perturbine
