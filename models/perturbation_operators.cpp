#include "models/perturbation_operators.h"

#include <numeric>

#include "kernels/pointwise/pointwise.h"

namespace perturbine {

void HostOperators::add_row(const ConditionVocabulary& v, const Condition* condition) {
  std::size_t slot = 0;
  if (condition != nullptr)
    for (const auto& p : condition->parts) {
      const std::int32_t n = v.number(p.name);
      if (n < 0 || slot == index.size()) continue;
      index[slot].push_back(n), present[slot].push_back(1), dose[slot].push_back(static_cast<float>(p.weight));
      ++slot;
    }
  for (; slot < index.size(); ++slot)  // nobody, at no dose
    index[slot].push_back(0), present[slot].push_back(0), dose[slot].push_back(0);
}

OperatorBatch::OperatorBatch(Queue& q, std::size_t rows, std::size_t slots) : rows_(rows) {
  std::vector<std::int32_t> offsets(rows + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  offsets_ = Buffer<std::int32_t>(q, offsets);
  member_row_ = Buffer<std::int32_t>(q, std::vector<std::int32_t>(offsets.begin(), offsets.end() - 1));
  for (std::size_t s = 0; s < slots; ++s)
    slots_.push_back({Buffer<std::int32_t>(q, rows), Buffer<float>(q, rows), Buffer<float>(q, rows)});
}

void OperatorBatch::set(Queue& q, const HostOperators& host) {
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    slots_[s].index.set(q, host.index[s]);
    slots_[s].present.set(q, host.present[s]);
    slots_[s].dose.set(q, host.dose[s]);
  }
}

ops::Sets OperatorBatch::sets(std::size_t slot, bool by_dose) const {
  const Slot& s = slots_[slot];
  return {offsets_.view(), s.index.view(), member_row_.view(), by_dose ? s.dose.view() : s.present.view()};
}

PerturbationOperators::PerturbationOperators(Parameters& p, std::size_t perturbations, std::size_t width,
                                             const OperatorSettings& s)
    : width_(width), settings_(s) {
  const std::size_t rows = std::max<std::size_t>(1, perturbations);
  const ParameterSettings embedding{1, 0, s.penalty, false};
  table_ = p.add("operators.delta", rows, width, Initial::zero, embedding);
  if (s.masks) gate_ = p.add("operators.gate", rows, width, Initial::one, {1, 0, 0, false});
  if (s.dose != "linear") dose_ = p.add("operators.dose", rows, s.dose == "sigmoid" ? 2 : 4, Initial::zero, embedding);
  if (s.interactions != 0) {
    interaction_ = p.add("operators.interaction", rows, s.interactions, Initial::uniform_fan_in, embedding);
    interaction_out_ = p.add("operators.interaction_out", width, s.interactions, Initial::zero,
                             {10, 1, 0, false});  // starts at nothing, and its factors are small
    no_bias_ = p.add("operators.no_bias", 1, width, Initial::zero, {0, 0, 0, true});
  }
}

Var PerturbationOperators::shift(Tape& t, const OperatorBatch& batch) const {
  const bool linear = settings_.dose == "linear";
  Var sum{};
  for (std::size_t s = 0; s < batch.slots(); ++s) {
    Var delta = ops::set_embedding(t, table_, batch.sets(s, linear), batch.rows());
    if (settings_.masks)
      delta =
          ops::multiply(t, delta, ops::sigmoid(t, ops::set_embedding(t, gate_, batch.sets(s, false), batch.rows())));
    if (!linear)
      delta = ops::dose_scale(t, delta, ops::set_embedding(t, dose_, batch.sets(s, false), batch.rows()), batch.dose(s),
                              settings_.dose == "sigmoid" ? DoseCurve::sigmoid : DoseCurve::monotone);
    sum = s == 0 ? delta : ops::add(t, sum, delta);
  }
  if (settings_.interactions == 0 || batch.slots() < 2) return sum;
  std::vector<Var> factors;
  for (std::size_t s = 0; s < batch.slots(); ++s)
    factors.push_back(ops::set_embedding(t, interaction_, batch.sets(s, true), batch.rows()));
  Var pairs{};
  for (std::size_t a = 0; a < factors.size(); ++a)
    for (std::size_t b = a + 1; b < factors.size(); ++b) {
      const Var product = ops::multiply(t, factors[a], factors[b]);
      pairs = a == 0 && b == 1 ? product : ops::add(t, pairs, product);
    }
  return ops::linear_residual(t, pairs, interaction_out_, no_bias_, sum);
}

void PerturbationOperators::penalise_gates(Tape& t, const OperatorBatch& batch,
                                           VectorView<const float> row_weight) const {
  if (!settings_.masks) return;
  for (std::size_t s = 0; s < batch.slots(); ++s) {
    const Var gate = ops::sigmoid(t, ops::set_embedding(t, gate_, batch.sets(s, false), batch.rows()));
    const MatrixView<float> closed = t.arena().matrix<float>(batch.rows(), width_);
    t.queue().run(Combine<float>{t.value(gate), {}, closed, 0, 0});
    ops::squared_error_loss(t, gate, closed, row_weight);
  }
}

}  // namespace perturbine
