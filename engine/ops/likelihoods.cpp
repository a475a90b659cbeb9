#include "engine/ops/add_gradient.h"
#include "engine/ops/ops.h"
#include "kernels/classification/softmax_cross_entropy.h"
#include "kernels/counts/counts.h"
#include "kernels/counts/library_rate.h"
#include "kernels/counts/value_likelihood.h"

// Every likelihood and its gradients are one pass, which the backward pass takes.
namespace perturbine::ops {
namespace {

VectorView<float> row(MatrixView<float> m) { return {m.data, m.columns}; }

struct RateRecord {
  Var logits, rate;
  VectorView<const float> library_size;
  bool softmax;
  float most;
  void backward(Tape& t) const {
    add_gradient(t, logits, [&](MatrixView<float> d) {
      t.queue().run(
          LibraryRateBackward<float>{t.value(logits), t.value(rate), t.gradient(rate), library_size, d, softmax, most});
    });
  }
};

struct CountRecord {
  CsrView<float> counts;
  Var mean, zero_logit, theta;
  bool inflated;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const GradientMemory dmean = gradient_memory(t, mean), dtheta = gradient_memory(t, theta),
                         dlogit = inflated ? gradient_memory(t, zero_logit) : GradientMemory{};
    t.queue().run(CountLikelihood<float>{counts, t.value(mean), inflated ? t.value(zero_logit) : MatrixView<float>{},
                                         row(t.value(theta)), row_weight, loss, dmean.view, dlogit.view,
                                         row(dtheta.view)});
    finish_gradient(t, dmean), finish_gradient(t, dtheta), finish_gradient(t, dlogit);
  }
};

struct ValueRecord {
  CsrView<float> values;
  Var mean, zero_logit, log_deviation;
  bool log_normal;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const GradientMemory dmean = gradient_memory(t, mean), dlog_deviation = gradient_memory(t, log_deviation),
                         dlogit = log_normal ? gradient_memory(t, zero_logit) : GradientMemory{};
    t.queue().run(ValueLikelihood<float>{values, t.value(mean), log_normal ? t.value(zero_logit) : MatrixView<float>{},
                                         row(t.value(log_deviation)), row_weight, loss, dmean.view, dlogit.view,
                                         row(dlog_deviation.view)});
    finish_gradient(t, dmean), finish_gradient(t, dlog_deviation), finish_gradient(t, dlogit);
  }
};

struct CrossEntropyRecord {
  Var logits;
  VectorView<const std::int32_t> label;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    add_gradient(t, logits, [&](MatrixView<float> d) {
      t.queue().run(SoftmaxCrossEntropy<float>{t.value(logits), label, row_weight, loss, d});
    });
  }
};

}  // namespace

Var library_rate(Tape& t, Var logits, VectorView<const float> library_size, bool softmax, float most) {
  const Var rate = t.make(t.value(logits).rows, t.value(logits).columns);
  t.queue().run(LibraryRate<float>{t.value(logits), library_size, t.value(rate), softmax, most});
  t.push(RateRecord{logits, rate, library_size, softmax, most});
  return rate;
}

VectorView<float> count_likelihood(Tape& t, const CsrView<float>& counts, Var mean, const Var* zero_logit, Var theta,
                                   VectorView<const float> row_weight) {
  const VectorView<float> loss = t.arena().vector<float>(counts.rows);
  t.push(CountRecord{counts, mean, zero_logit != nullptr ? *zero_logit : Var{}, theta, zero_logit != nullptr, loss,
                     row_weight});
  return loss;
}

VectorView<float> value_likelihood(Tape& t, const CsrView<float>& values, Var mean, const Var* zero_logit,
                                   Var log_deviation, VectorView<const float> row_weight) {
  const VectorView<float> loss = t.arena().vector<float>(values.rows);
  t.push(ValueRecord{values, mean, zero_logit != nullptr ? *zero_logit : Var{}, log_deviation, zero_logit != nullptr,
                     loss, row_weight});
  return loss;
}

VectorView<float> softmax_cross_entropy(Tape& t, Var logits, VectorView<const std::int32_t> label,
                                        VectorView<const float> row_weight) {
  const VectorView<float> loss = t.arena().vector<float>(label.size);
  t.push(CrossEntropyRecord{logits, label, loss, row_weight});
  return loss;
}

}  // namespace perturbine::ops
