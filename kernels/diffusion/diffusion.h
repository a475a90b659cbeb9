// The VP-SDE of conditional diffusion: noising, targets and loss, reverse steps, guidance. Noise is never stored: every
// operation that needs it draws it again from its counter.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// What the network's output F stands for. x is the noised value alpha x0 + sigma e, v_j the variance of column j.
///   epsilon  F = e
///   x0       x0 = skip x + out F with the Gaussian optimum skip_j = alpha v_j / (alpha^2 v_j + sigma^2) and
///            out_j = sigma sqrt(v_j) / sqrt(alpha^2 v_j + sigma^2): F = 0 samples a Gaussian of variance v_j
///            (Karras et al., arXiv:2206.00364, section 5, per column)
///   v        F = alpha e - sigma x0 (Salimans and Ho, arXiv:2202.00512, appendix D)
///   score    F = -e / sigma (Song et al., arXiv:2011.13456)
enum class Target { epsilon, x0, v, score };

/// xt = alpha_i x0_i + sigma_i e, e standard normal from (seed, *offset).
template <class T>
struct DiffusionNoise {
  MatrixView<const T> x0;                           // [rows, width]
  VectorView<const accumulator_t<T>> alpha, sigma;  // [rows]
  VectorView<const std::uint64_t> offset;           // [1]
  MatrixView<T> xt;                                 // [rows, width]
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "diffusion_noise";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x0", x0), visit("alpha", alpha), visit("sigma", sigma), visit("offset", offset), visit("xt", xt);
  }
  void check() const {
    require_shape(*this, "x0", x0, xt.rows, xt.columns);
    require_size(*this, "alpha", alpha, xt.rows);
    require_size(*this, "sigma", sigma, xt.rows);
    require_size(*this, "offset", offset, 1);
  }
  Cost cost() const { return memory_cost(*this, 45.0 * static_cast<double>(xt.rows * xt.columns)); }
};

/// loss[i] = weight_i / width * sum_j column_weight_j (F_ij - target_ij)^2 and, with scale_i = dloss_i, its gradient
/// dF. The target comes from x0 and the noise that (seed, *offset) gives again.
template <class T>
struct DiffusionLoss {
  MatrixView<const T> F, x0;                                // [rows, width]
  VectorView<const accumulator_t<T>> alpha, sigma, weight;  // [rows]
  VectorView<const accumulator_t<T>> variance;              // [width]; for Target::x0
  VectorView<const accumulator_t<T>> dloss;                 // [rows]; empty without dF
  VectorView<const std::uint64_t> offset;                   // [1]
  VectorView<accumulator_t<T>> loss;                        // [rows]
  MatrixView<T> dF;                                         // [rows, width], or empty
  Target target = Target::x0;
  std::uint64_t seed = 0;
  VectorView<const accumulator_t<T>> column_weight = {};  // [width], or empty: all 1

  static constexpr std::string_view name = "diffusion_loss";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("F", F), visit("x0", x0), visit("alpha", alpha), visit("sigma", sigma), visit("weight", weight);
    visit("variance", variance), visit("dloss", dloss), visit("offset", offset), visit("loss", loss), visit("dF", dF);
    visit("column_weight", column_weight);
  }
  void check() const {
    if (column_weight.data != nullptr) require_size(*this, "column_weight", column_weight, F.columns);
    require_shape(*this, "x0", x0, F.rows, F.columns);
    for (const auto& v : {alpha, sigma, weight}) require_size(*this, "alpha, sigma and weight", v, F.rows);
    if (target == Target::x0) require_size(*this, "variance", variance, F.columns);
    require_size(*this, "loss", loss, F.rows);
    require_size(*this, "offset", offset, 1);
    if (dF.data != nullptr) {
      require_shape(*this, "dF", dF, F.rows, F.columns);
      require_size(*this, "dloss", dloss, F.rows);
    }
  }
  Cost cost() const { return memory_cost(*this, 60.0 * static_cast<double>(F.rows * F.columns)); }
};

/// The estimate of x0 that the network's output means: the inverse of the target's definition.
template <class T>
struct Denoise {
  MatrixView<const T> F, xt;                        // [rows, width]
  VectorView<const accumulator_t<T>> alpha, sigma;  // [rows]
  VectorView<const accumulator_t<T>> variance;      // [width]; for Target::x0
  MatrixView<T> x0;                                 // [rows, width]; may be F
  Target target = Target::x0;

  static constexpr std::string_view name = "denoise";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("F", F), visit("xt", xt), visit("alpha", alpha), visit("sigma", sigma), visit("variance", variance),
        visit("x0", x0);
  }
  void check() const {
    require_shape(*this, "F", F, x0.rows, x0.columns);
    require_shape(*this, "xt", xt, x0.rows, x0.columns);
    require_size(*this, "alpha", alpha, x0.rows);
    require_size(*this, "sigma", sigma, x0.rows);
    if (target == Target::x0) require_size(*this, "variance", variance, x0.columns);
  }
  Cost cost() const { return memory_cost(*this, 8.0 * static_cast<double>(x0.rows * x0.columns)); }
};

/// One step of any sampler: x' = c[0] x + c[1] x0 + c[2] previous + c[3] z, with the four coefficients of step *step in
/// device memory and z standard normal from (seed, *offset + *step), drawn only where c[3] is not zero. Ancestral,
/// Euler-Maruyama, DDIM, Heun and DPM-Solver++ (2M) differ in their coefficients alone.
template <class T>
struct ReverseStep {
  MatrixView<const T> x, x0, previous;              // [rows, width]; previous may be empty
  MatrixView<const accumulator_t<T>> coefficients;  // [steps, 4]
  VectorView<const std::int32_t> step;              // [1]
  VectorView<const std::uint64_t> offset;           // [1]
  MatrixView<T> y;                                  // [rows, width]; may be x
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "reverse_step";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("x0", x0), visit("previous", previous), visit("coefficients", coefficients);
    visit("step", step), visit("offset", offset), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    require_shape(*this, "x0", x0, y.rows, y.columns);
    if (previous.data != nullptr) require_shape(*this, "previous", previous, y.rows, y.columns);
    require_shape(*this, "coefficients", coefficients, coefficients.rows, 4);
    require_size(*this, "step", step, 1);
    require_size(*this, "offset", offset, 1);
  }
  Cost cost() const { return memory_cost(*this, 45.0 * static_cast<double>(y.rows * y.columns)); }
};

/// y = none + context_scale (context - none) + perturbation_scale (both - context): classifier-free guidance for
/// context and perturbation apart. Source: Ho and Salimans, arXiv:2207.12598, eq. 6; Liu et al., arXiv:2206.01714. y
/// may be `both`.
template <class T>
struct Guidance {
  MatrixView<const T> none, context, both;  // [rows, width]
  MatrixView<T> y;
  accumulator_t<T> context_scale = 1, perturbation_scale = 1;

  static constexpr std::string_view name = "guidance";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("none", none), visit("context", context), visit("both", both), visit("y", y);
  }
  void check() const {
    for (const auto& v : {none, context, both}) require_shape(*this, "none, context and both", v, y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 5.0 * static_cast<double>(y.rows * y.columns)); }
};

}  // namespace perturbine
