#include "engine/ops/ops.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/normalisation/layer_norm.h"
#include "kernels/pointwise/pointwise.h"

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

}  // namespace

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

}  // namespace perturbine::ops
