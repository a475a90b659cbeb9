#include "engine/parameters.h"

#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine {

Parameter Parameters::add(std::string name, std::size_t rows, std::size_t columns, Initial initial,
                          ParameterSettings settings) {
  require(value_.size() == 0, "parameter ", name, ": all parameters are declared before allocate()");
  for (const Segment& s : segments_) require(s.name != name, "parameter ", name, ": the name is taken");
  segments_.push_back({std::move(name), size_, rows, columns, initial, settings});
  size_ += (rows * columns + 15) / 16 * 16;  // 64-byte aligned slices
  require(size_ < (std::size_t{1} << 31), "parameters: more than 2^31 numbers");
  return {segments_.size() - 1};
}

std::size_t Parameters::count() const {
  std::size_t n = 0;
  for (const Segment& s : segments_) n += s.size();
  return n;
}

void Parameters::allocate(Queue& queue, std::uint64_t seed) {
  std::vector<float> initial(size_, 0.0f);
  for (std::size_t p = 0; p < segments_.size(); ++p) {
    const Segment& s = segments_[p];
    const float bound = 1.0f / std::sqrt(static_cast<float>(std::max<std::size_t>(1, s.columns)));
    for (std::size_t i = 0; i < s.size(); ++i) {
      float v = s.initial == Initial::one ? 1.0f : 0.0f;
      if (s.initial == Initial::uniform_fan_in) v = bound * (2 * uniform(philox(seed, p, i / 4).word[i % 4]) - 1);
      initial[s.begin + i] = v;
    }
  }
  const std::vector<float> zeros(size_, 0.0f);
  value_ = Buffer<float>(queue, size_);
  if (queue.math() == Math::bf16) rounded_ = Buffer<bfloat16>(queue, size_);
  set_values(queue, initial);
  average_ = Buffer<float>(queue, initial);
  gradient_ = Buffer<float>(queue, zeros);
  first_moment_ = Buffer<float>(queue, zeros);
  second_moment_ = Buffer<float>(queue, zeros);
  begin_step();
}

void Parameters::set_values(Queue& queue, const std::vector<float>& values) {
  value_.set(queue, values);
  if (rounded_.size() != 0) rounded_.set(queue, std::vector<bfloat16>(values.begin(), values.end()));
}

Parameters Parameters::averaged(Queue& queue) const {
  Parameters p = *this;
  p.value_ = average_;
  p.rounded_ = {};
  if (queue.math() != Math::bf16) return p;
  p.rounded_ = Buffer<bfloat16>(queue, size_);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& s = segments_[i];
    queue.run(Round<float>{p.value({i}), {p.rounded_.view().data + s.begin, s.rows, s.columns, s.columns}});
  }
  return p;
}

Optimiser::Optimiser(Queue& queue, Parameters& parameters, OptimiserSettings settings)
    : parameters_(parameters), settings_(settings) {
  std::vector<std::int32_t> begin;
  std::vector<float> rate, decay, penalty;
  for (const auto& s : parameters.segments()) {
    begin.push_back(static_cast<std::int32_t>(s.begin));
    rate.push_back(s.settings.frozen ? 0.0f : s.settings.rate);
    decay.push_back(settings.decay * s.settings.decay);
    penalty.push_back(s.settings.penalty);
  }
  begin.push_back(static_cast<std::int32_t>(parameters.size()));
  begin_ = Buffer<std::int32_t>(queue, begin);
  active_ = Buffer<std::int32_t>(queue, std::vector<std::int32_t>(rate.size(), 0));
  rate_ = Buffer<float>(queue, rate);
  decay_ = Buffer<float>(queue, decay);
  penalty_ = Buffer<float>(queue, penalty);
  step_ = Buffer<float>(queue, AdamWStep::size);
  norm_ = Buffer<float>(queue, 1);
}

void Optimiser::prepare(Queue& queue, std::size_t number, float rate) {
  const double n = static_cast<double>(number);
  // The average warms up: early steps count fully (decay (1 + n) / (10 + n) until the wanted one is reached).
  const double average = std::min(static_cast<double>(settings_.average_decay), (1 + n) / (10 + n));
  step_.set(queue,
            {rate, static_cast<float>(1 - std::pow(static_cast<double>(settings_.beta1), n)),
             static_cast<float>(1 - std::pow(static_cast<double>(settings_.beta2), n)), static_cast<float>(average)});
}

void Optimiser::apply(Queue& queue) {
  std::vector<std::int32_t> active = parameters_.written_flags();
  for (std::size_t p = 0; p < active.size(); ++p)
    if (parameters_.segments()[p].settings.frozen) active[p] = 0;
  if (active != last_active_) {
    active_.set(queue, active);
    last_active_ = active;
  }
  queue.run(GlobalNorm<float>{parameters_.gradients().view(), begin_.view(), active_.view(), norm_.view()});
  queue.run(AdamW<float>{parameters_.values().view(), parameters_.first_moment().view(),
                         parameters_.second_moment().view(), parameters_.average().view(),
                         parameters_.gradients().view(), parameters_.rounded().view(), begin_.view(), active_.view(),
                         rate_.view(), decay_.view(), penalty_.view(), step_.view(), norm_.view(), settings_.beta1,
                         settings_.beta2, settings_.epsilon, settings_.clip});
}

}  // namespace perturbine
