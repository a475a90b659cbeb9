#include "bench/cases/compare.h"

#include <algorithm>
#include <cmath>

namespace perturbine::cases {
namespace {

// Normalised mean squared error over an operand; infinities that agree do not count.
double normalised_error(const std::vector<double>& got, const std::vector<double>& want) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i]) {
      if (std::isfinite(want[i])) power += want[i] * want[i];
      continue;
    }
    error += (got[i] - want[i]) * (got[i] - want[i]);
    power += want[i] * want[i];
  }
  return power > 0 ? error / power : error;
}

}  // namespace

std::string compare_with_oracle(const Case& c, Queue& queue, Layout layout) {
  const auto tested = c.instance(queue, layout), oracle = c.oracle(false);
  tested->run(queue);
  queue.synchronise();
  oracle->run_reference();
  std::unique_ptr<Instance> absolute;
  if (c.linear) {
    absolute = c.oracle(true);
    absolute->run_reference();
  }
  const bool is_bf16 = c.type == "bf16", rounds = is_bf16 || c.tolerance.f32 >= c.tolerance.bf16;
  for (std::size_t k = 0; k < tested->buffers().size(); ++k) {
    Buffer &t = tested->buffers()[k], &r = oracle->buffers()[k];
    if (!t.output) continue;
    const std::vector<double> got = t.get(), want = r.get();
    const std::vector<double> terms = absolute ? absolute->buffers()[k].get() : std::vector<double>{};
    double largest = 0;
    for (const double w : want)
      if (std::isfinite(w)) largest = std::max(largest, std::abs(w));
    // Operands of T carry T's rounding; float statistics of a bf16 operation do not.
    const double relative = is_bf16 ? c.tolerance.bf16 : c.tolerance.f32;
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i] == want[i]) continue;
      const double scale = absolute ? std::abs(terms[i]) : largest;
      const double allowed =
          relative * std::abs(want[i]) + c.tolerance.scaled * scale * (is_bf16 ? relative / 5e-6 * 1e-2 : 1);
      if (!(std::abs(got[i] - want[i]) <= allowed))
        return text(c.name(), ": ", t.name, "[", i / t.columns, ", ", i % t.columns, "] is ", got[i],
                    " but the oracle says ", want[i], " (allowed ", allowed, ")");
    }
    if (t.floating) {
      const double nmse = normalised_error(got, want), bound = rounds ? 1e-4 : 1e-7;
      if (!(nmse < bound)) return text(c.name(), ": ", t.name, " has a normalised error of ", nmse);
    }
  }
  return "";
}

std::string compare_with_differences(const Case& forward, const Case& backward) {
  const auto f = forward.oracle(false), b = backward.oracle(false);
  f->run_reference();
  for (Buffer& input : b->buffers()) {
    if (input.output) continue;
    if (Buffer* same = f->find(input.name)) input.set(same->get());
  }
  b->run_reference();
  // L = sum over outputs y of sum(dy * y), for every dy the backward operation reads.
  auto loss = [&] {
    f->run_reference();
    double sum = 0;
    for (Buffer& output : f->buffers()) {
      if (!output.output) continue;
      Buffer* weight = b->find("d" + output.name);
      if (weight == nullptr || weight->output) continue;
      const auto y = output.get(), w = weight->get();
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * w[i];
    }
    return sum;
  };
  int checked = 0;
  for (Buffer& gradient : b->buffers()) {
    if (!gradient.output || gradient.name.substr(0, 1) != "d") continue;
    Buffer* input = f->find(gradient.name.substr(1));
    if (input == nullptr || input->output) continue;
    const std::vector<double> original = input->get(), analytic = gradient.get();
    double largest = 0;
    for (const double a : analytic) largest = std::max(largest, std::abs(a));
    const std::size_t count = original.size(), step = std::max<std::size_t>(1, count / 9);
    for (std::size_t i = 0; i < count; i += step) {
      const double h = 1e-3 * std::clamp(std::abs(original[i]), 1e-2, 1.0);
      auto at = [&](double shift) {
        std::vector<double> moved = original;
        moved[i] += shift;
        input->set(moved);
        return loss();
      };
      const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      input->set(original);
      if (!(std::abs(slope - analytic[i]) <= 2e-6 * (largest + std::abs(analytic[i]) + 1e-3)))
        return text(backward.name(), ": ", gradient.name, "[", i, "] is ", analytic[i], " but differences say ", slope);
      ++checked;
    }
  }
  return checked > 0 ? "" : text(backward.name(), ": no gradient matches an input of ", forward.name());
}

}  // namespace perturbine::cases
