#include "engine/ops/ops.h"
#include "kernels/dense/epilogue.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine::ops {
namespace {

// Of an operand of several products, where they round to bfloat16: rounded once. A GPU's library rounds by itself.
MatrixView<const bfloat16> round_once(Tape& t, MatrixView<const float> x) {
  if (t.queue().math() != Math::bf16 || t.queue().device() == Device::cuda) return {};
  const MatrixView<bfloat16> y = t.arena().matrix<bfloat16>(x.rows, x.columns);
  t.queue().run(Round<float>{x, y});
  return y;
}

struct Record {
  Var x, y, residual;
  Parameter weight, bias;
  MatrixView<float> z;  // before the activation; empty without one
  Activation activation;
  bool has_residual;
  MatrixView<const bfloat16> rounded_x;  // or empty

  void backward(Tape& t) const {
    Queue& q = t.queue();
    const MatrixView<float> dy = t.gradient(y);
    // dz overwrites dy: nothing else reads it. With a residual dy is passed on below, so dz needs memory of its own.
    const bool plain = activation == Activation::none;
    const MatrixView<float> dz = plain ? dy : (has_residual ? t.arena().matrix<float>(dy.rows, dy.columns) : dy);
    const MatrixView<float> written = plain ? MatrixView<float>{} : dz;
    MatrixView<const bfloat16> rounded_dz;
    if (!t.parameters_frozen()) {
      const Tape::Target dbias = t.gradient_target(bias);
      q.run(BiasActivationBackward<float>{
          dy, z, written, {dbias.view.data, dbias.view.columns}, activation, dbias.accumulate});
      rounded_dz = round_once(t, dz);
    } else if (!plain) {
      q.run(BiasActivationBackward<float>{dy, z, written, {}, activation, false});
    }
    const auto weight_gradient = [&] {
      const Tape::Target dweight = t.gradient_target(weight);
      q.run(MatrixProduct<float>{dz, t.value(x), dweight.view, true, false, dweight.accumulate, q.math(), rounded_dz,
                                 rounded_x});
    };
    const auto input_gradient = [&] {
      const Tape::Target dx = t.gradient_target(x);
      q.run(MatrixProduct<float>{dz, t.parameters().value(weight), dx.view, false, false, dx.accumulate, q.math(),
                                 rounded_dz, t.parameters().rounded(weight)});
    };
    // Neither fills a GPU at the batch sizes of a training: side by side.
    if (!t.parameters_frozen() && t.needs_gradient(x))
      q.beside(weight_gradient, input_gradient);
    else if (!t.parameters_frozen())
      weight_gradient();
    else if (t.needs_gradient(x))
      input_gradient();
    if (has_residual) t.pass_gradient(y, residual);
  }
};

Var run(Tape& t, Var x, Parameter weight, Parameter bias, Activation activation, const Var* residual) {
  const MatrixView<float> w = t.parameters().value(weight), b = t.parameters().value(bias), in = t.value(x);
  const Var y = t.make(in.rows, w.rows);
  const MatrixView<float> z =
      activation == Activation::none ? MatrixView<float>{} : t.arena().matrix<float>(in.rows, w.rows);
  const MatrixView<const bfloat16> rounded_x = round_once(t, in);
  t.queue().run(Linear<float>{in,
                              w,
                              {b.data, b.columns},
                              residual != nullptr ? t.value(*residual) : MatrixView<float>{},
                              z,
                              t.value(y),
                              activation,
                              t.queue().math(),
                              rounded_x,
                              t.parameters().rounded(weight)});
  t.push(Record{x, y, residual != nullptr ? *residual : Var{}, weight, bias, z, activation, residual != nullptr,
                rounded_x});
  return y;
}

}  // namespace

Var linear(Tape& t, Var x, Parameter weight, Parameter bias, Activation activation) {
  return run(t, x, weight, bias, activation, nullptr);
}
Var linear_residual(Tape& t, Var x, Parameter weight, Parameter bias, Var residual) {
  return run(t, x, weight, bias, Activation::none, &residual);
}

}  // namespace perturbine::ops
