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

// A weight and its bias are parameters, or matrices on the tape.
MatrixView<float> value_of(Tape& t, Parameter p) { return t.parameters().value(p); }
MatrixView<float> value_of(Tape& t, Var v) { return t.value(v); }
MatrixView<const bfloat16> rounded(Tape& t, Parameter p) { return t.parameters().rounded(p); }
MatrixView<const bfloat16> rounded(Tape& t, Var v) { return round_once(t, t.value(v)); }
bool needs_gradient(Tape& t, Parameter) { return !t.parameters_frozen(); }
bool needs_gradient(Tape& t, Var v) { return t.needs_gradient(v); }

template <class Weight>
struct Record {
  Var x, y, residual;
  Weight weight, bias;
  MatrixView<float> z;  // before the activation; empty without one
  Activation activation;
  bool has_residual;
  MatrixView<const bfloat16> rounded_x, rounded_weight;  // or empty

  void backward(Tape& t) const {
    Queue& q = t.queue();
    const MatrixView<float> dy = t.gradient(y);
    // dz overwrites dy: nothing else reads it. With a residual dy is passed on below, so dz needs memory of its own.
    const bool plain = activation == Activation::none;
    const MatrixView<float> dz = plain ? dy : (has_residual ? t.arena().matrix<float>(dy.rows, dy.columns) : dy);
    const MatrixView<float> written = plain ? MatrixView<float>{} : dz;
    MatrixView<const bfloat16> rounded_dz;
    const bool learns = needs_gradient(t, weight);
    if (learns) {
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
      q.run(MatrixProduct<float>{dz, value_of(t, weight), dx.view, false, false, dx.accumulate, q.math(), rounded_dz,
                                 rounded_weight});
    };
    // Neither fills a GPU at the batch sizes of a training: side by side.
    if (learns && t.needs_gradient(x))
      q.beside(weight_gradient, input_gradient);
    else if (learns)
      weight_gradient();
    else if (t.needs_gradient(x))
      input_gradient();
    if (has_residual) t.pass_gradient(y, residual);
  }
};

template <class Weight>
Var run(Tape& t, Var x, Weight weight, Weight bias, Activation activation, const Var* residual) {
  const MatrixView<float> w = value_of(t, weight), b = value_of(t, bias), in = t.value(x);
  const Var y = t.make(in.rows, w.rows);
  const MatrixView<float> z =
      activation == Activation::none ? MatrixView<float>{} : t.arena().matrix<float>(in.rows, w.rows);
  const MatrixView<const bfloat16> rounded_x = round_once(t, in), rounded_weight = rounded(t, weight);
  t.queue().run(Linear<float>{in,
                              w,
                              {b.data, b.columns},
                              residual != nullptr ? t.value(*residual) : MatrixView<float>{},
                              z,
                              t.value(y),
                              activation,
                              t.queue().math(),
                              rounded_x,
                              rounded_weight});
  t.push(Record<Weight>{x, y, residual != nullptr ? *residual : Var{}, weight, bias, z, activation, residual != nullptr,
                        rounded_x, rounded_weight});
  return y;
}

}  // namespace

Var linear(Tape& t, Var x, Parameter weight, Parameter bias, Activation activation) {
  return run(t, x, weight, bias, activation, nullptr);
}
Var linear_residual(Tape& t, Var x, Parameter weight, Parameter bias, Var residual) {
  return run(t, x, weight, bias, Activation::none, &residual);
}
Var linear(Tape& t, Var x, Var weight, Var bias) { return run(t, x, weight, bias, Activation::none, nullptr); }
Var linear_residual(Tape& t, Var x, Var weight, Var bias, Var residual) {
  return run(t, x, weight, bias, Activation::none, &residual);
}

}  // namespace perturbine::ops
