#include "engine/ops/add_gradient.h"
#include "engine/ops/ops.h"
#include "kernels/normalisation/batch_norm.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/normalisation/layer_norm.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/residual/residual_block.h"

namespace perturbine::ops {
namespace {

// Rows first, first + every, ... of a matrix.
MatrixView<float> every_row(MatrixView<float> m, std::size_t first, std::size_t every) {
  return {m.row(first), m.rows / every, m.columns, m.pitch * every};
}

struct FilmRecord {
  // Of a scale or shift that is constant or serves several rows: scratch memory of x's shape.
  Tape::Target target(Tape& t, Var v) const {
    if (t.needs_gradient(v) && t.value(v).rows == t.value(x).rows) return t.gradient_target(v);
    return {t.arena().matrix<float>(t.value(x).rows, t.value(x).columns), false};
  }
  // The gradient of a row of scale or shift is the sum over the rows it served.
  void add_up(Tape& t, Var v, MatrixView<float> rows) const {
    const std::size_t served = rows.rows / t.value(v).rows;
    if (!t.needs_gradient(v) || served == 1) return;
    const Tape::Target to = t.gradient_target(v);
    require(!to.accumulate, "film_layer_norm: a scale or shift is used twice");
    t.queue().run(Combine<float>{every_row(rows, 0, served), every_row(rows, 1, served), to.view, 1, 1});
    for (std::size_t k = 2; k < served; ++k)
      t.queue().run(Combine<float>{to.view, every_row(rows, k, served), to.view, 1, 1});
  }
  Var x, scale, shift, y;
  VectorView<float> mean, inverse_deviation;
  bool activate;

  void backward(Tape& t) const {
    const Tape::Target dx = t.gradient_target(x), dscale = target(t, scale), dshift = target(t, shift);
    require(!dscale.accumulate && !dshift.accumulate, "film_layer_norm: a scale or shift is used twice");
    t.queue().run(FilmLayerNormBackward<float>{t.value(x), t.value(scale), t.value(shift), t.gradient(y), mean,
                                               inverse_deviation, dx.view, dscale.view, dshift.view, activate,
                                               dx.accumulate});
    add_up(t, scale, dscale.view), add_up(t, shift, dshift.view);
  }
};

struct LayerNormRecord {
  Var x, y;
  Parameter gain, bias;
  VectorView<float> mean, inverse_deviation;

  void backward(Tape& t) const {
    const Tape::Target dx = t.gradient_target(x), dgain = t.gradient_target(gain), dbias = t.gradient_target(bias);
    require(!dgain.accumulate && !dbias.accumulate, "layer_norm: a gain or bias is used twice");
    const MatrixView<float> g = t.parameters().value(gain);
    t.queue().run(LayerNormBackward<float>{t.value(x),
                                           t.gradient(y),
                                           {g.data, g.columns},
                                           mean,
                                           inverse_deviation,
                                           dx.view,
                                           {dgain.view.data, g.columns},
                                           {dbias.view.data, g.columns},
                                           dx.accumulate});
  }
};

VectorView<float> row_of(Tape& t, Parameter p) {
  const MatrixView<float> m = t.parameters().value(p);
  return {m.data, m.columns};
}

struct BatchNormRecord {
  Var x, y;
  BatchNormParameters p;
  VectorView<float> mean, inverse_deviation;
  float slope;

  void backward(Tape& t) const {
    const std::size_t n = t.value(x).columns;
    const Tape::Target dx = t.gradient_target(x);
    const GradientMemory dgain = gradient_memory(t, p.gain), dbias = gradient_memory(t, p.bias);
    t.queue().run(BatchNormBackward<float>{t.value(x),
                                           t.gradient(y),
                                           row_of(t, p.gain),
                                           row_of(t, p.bias),
                                           mean,
                                           inverse_deviation,
                                           dx.view,
                                           {dgain.view.data, n},
                                           {dbias.view.data, n},
                                           slope,
                                           dx.accumulate});
    finish_gradient(t, dgain), finish_gradient(t, dbias);
  }
};

struct NoGradientRecord {
  void backward(Tape&) const { throw Error("batch_norm_inference: has no backward pass; train with batch_norm"); }
};

}  // namespace

BatchNormParameters add_batch_norm(Parameters& p, const std::string& name, std::size_t width, ParameterSettings s) {
  ParameterSettings still = s;
  still.frozen = true;
  return {p.add(name + ".gain", 1, width, Initial::one, s), p.add(name + ".bias", 1, width, Initial::zero, s),
          p.add(name + ".running_mean", 1, width, Initial::zero, still),
          p.add(name + ".running_variance", 1, width, Initial::one, still)};
}

Var batch_norm(Tape& t, Var x, const BatchNormParameters& p, float slope) {
  const MatrixView<float> in = t.value(x);
  const Var y = t.make(in.rows, in.columns);
  const auto gain = row_of(t, p.gain), bias = row_of(t, p.bias), mean = row_of(t, p.running_mean),
             variance = row_of(t, p.running_variance);
  BatchNormRecord r{x, y, p, t.arena().vector<float>(in.columns), t.arena().vector<float>(in.columns), slope};
  t.queue().run(BatchNorm<float>{in, gain, bias, t.value(y), r.mean, r.inverse_deviation, mean, variance, slope});
  t.push(r);
  return y;
}

Var batch_norm_inference(Tape& t, Var x, const BatchNormParameters& p, float slope) {
  const MatrixView<float> in = t.value(x);
  const Var y = t.make(in.rows, in.columns);
  t.queue().run(BatchNormInference<float>{in, row_of(t, p.gain), row_of(t, p.bias), row_of(t, p.running_mean),
                                          row_of(t, p.running_variance), t.value(y), slope});
  t.push(NoGradientRecord{});
  return y;
}

Var film_layer_norm(Tape& t, Var x, Var scale, Var shift, bool activate) {
  const MatrixView<float> in = t.value(x);
  const Var y = t.make(in.rows, in.columns);
  FilmRecord r{x, scale, shift, y, t.arena().vector<float>(in.rows), t.arena().vector<float>(in.rows), activate};
  t.queue().run(
      FilmLayerNorm<float>{in, t.value(scale), t.value(shift), t.value(y), r.mean, r.inverse_deviation, activate});
  t.push(r);
  return y;
}

Var layer_norm(Tape& t, Var x, Parameter gain, Parameter bias) {
  const MatrixView<float> in = t.value(x), g = t.parameters().value(gain), b = t.parameters().value(bias);
  const Var y = t.make(in.rows, in.columns);
  LayerNormRecord r{x, y, gain, bias, t.arena().vector<float>(in.rows), t.arena().vector<float>(in.rows)};
  t.queue().run(
      LayerNorm<float>{in, {g.data, g.columns}, {b.data, b.columns}, t.value(y), r.mean, r.inverse_deviation});
  t.push(r);
  return y;
}

bool can_fuse_residual_block(Tape& t, std::size_t width) {
  return t.inference() && t.queue().math() == Math::bf16 && width <= ResidualBlock<float>::most_columns;
}

Var residual_block_inference(Tape& t, Var x, Var scale, Var shift, Parameter w1, Parameter b1, Parameter w2,
                             Parameter b2) {
  const MatrixView<float> in = t.value(x);
  require(can_fuse_residual_block(t, in.columns),
          "residual_block_inference: the tape is not for inference with bf16 products");
  const Var y = t.make(in.rows, in.columns);
  const Parameters& p = t.parameters();
  t.queue().run(ResidualBlock<float>{in,
                                     t.value(scale),
                                     t.value(shift),
                                     p.rounded(w1),
                                     p.rounded(w2),
                                     {p.value(b1).data, in.columns},
                                     {p.value(b2).data, in.columns},
                                     t.value(y)});
  return y;
}

}  // namespace perturbine::ops
