#include "engine/ops/add_gradient.h"
#include "engine/ops/ops.h"
#include "kernels/counts/gaussian_latent.h"

namespace perturbine::ops {
namespace {

struct ReparameteriseRecord {
  Var mean, log_variance, z;
  VectorView<const std::uint64_t> offset;
  std::uint64_t seed;
  void backward(Tape& t) const {
    add_gradient(t, log_variance, [&](MatrixView<float> d) {
      t.queue().run(Reparameterise<float>{t.value(mean), t.value(log_variance), t.gradient(z), offset, d, seed});
    });
    t.pass_gradient(z, mean);
  }
};

struct DivergenceRecord {
  Var mean, log_variance, prior_mean, prior_log_variance;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const GradientMemory dmean = gradient_memory(t, mean), dlog_variance = gradient_memory(t, log_variance),
                         dprior = gradient_memory(t, prior_mean),
                         dprior_log_variance = gradient_memory(t, prior_log_variance);
    const MatrixView<float> prior = t.value(prior_log_variance);
    t.queue().run(GaussianDivergence<float>{t.value(mean),
                                            t.value(log_variance),
                                            t.value(prior_mean),
                                            {prior.data, prior.columns},
                                            row_weight,
                                            loss,
                                            dmean.view,
                                            dlog_variance.view,
                                            dprior.view,
                                            {dprior_log_variance.view.data, prior.columns}});
    for (const GradientMemory& m : {dmean, dlog_variance, dprior, dprior_log_variance}) finish_gradient(t, m);
  }
};

struct DoseRecord {
  Var x, parameters, y;
  VectorView<const float> dose;
  DoseCurve curve;
  void backward(Tape& t) const {
    const GradientMemory dx = gradient_memory(t, x), dparameters = gradient_memory(t, parameters);
    t.queue().run(DoseScaleBackward<float>{t.value(x), t.value(parameters), t.gradient(y), dose, dx.view,
                                           dparameters.view, curve});
    finish_gradient(t, dx), finish_gradient(t, dparameters);
  }
};

}  // namespace

Var reparameterise(Tape& t, Var mean, Var log_variance, VectorView<const std::uint64_t> offset, std::uint64_t seed) {
  const Var z = t.make(t.value(mean).rows, t.value(mean).columns);
  t.queue().run(Reparameterise<float>{t.value(mean), t.value(log_variance), {}, offset, t.value(z), seed});
  t.push(ReparameteriseRecord{mean, log_variance, z, offset, seed});
  return z;
}

VectorView<float> gaussian_divergence(Tape& t, Var mean, Var log_variance, Var prior_mean, Var prior_log_variance,
                                      VectorView<const float> row_weight) {
  // Loss and gradients are one pass, which the backward pass takes.
  const VectorView<float> loss = t.arena().vector<float>(t.value(mean).rows);
  t.push(DivergenceRecord{mean, log_variance, prior_mean, prior_log_variance, loss, row_weight});
  return loss;
}

Var dose_scale(Tape& t, Var x, Var parameters, VectorView<const float> dose, DoseCurve curve) {
  const Var y = t.make(t.value(x).rows, t.value(x).columns);
  t.queue().run(DoseScale<float>{t.value(x), t.value(parameters), dose, t.value(y), curve});
  t.push(DoseRecord{x, parameters, y, dose, curve});
  return y;
}

}  // namespace perturbine::ops
