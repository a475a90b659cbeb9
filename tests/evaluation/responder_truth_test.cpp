// Combinations that were held out, against the simulator's truth: which cells respond, and what two perturbations do
// beyond the sum of each.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "evaluation/responders.h"
#include "models/backbone.h"
#include "tests/evaluation/simulation.h"

namespace perturbine {
namespace {

// Doubles of a simulation, the first `held_out` of them kept from training.
struct Doubles : testing_simulation::Simulation {
  EvaluationSpace space;
  std::vector<Condition> held_out;
  std::vector<float> control;  // projected

  Doubles(const SimulationSettings& settings, std::size_t held)
      : Simulation(settings, first_doubles(settings, held)), space(evaluation_space(data)) {
    for (const std::string& label : first_doubles(settings, held)) held_out.push_back(parse_condition(label));
    control = projected(data.expression(data.cells_of(0)));
  }
  static std::vector<std::string> first_doubles(const SimulationSettings& settings, std::size_t count) {
    const Simulator simulator(settings);
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < count; ++i)
      labels.push_back(canonical_label(simulator.conditions()[1 + settings.perturbations + i]));
    return labels;
  }
  std::vector<float> projected(const std::vector<float>& x) const {
    return project(space.components, x.data(), x.size() / data.genes());
  }
  MatrixView<const float> view(const std::vector<float>& z) const {
    const std::size_t width = space.components.components.rows;
    return matrix(z.data(), z.size() / width, width);
  }
  // Cells nobody has seen.
  std::vector<float> fresh(const Condition& c, std::size_t count) const {
    std::vector<float> x;
    for (std::size_t n = 0; n < count; ++n) {
      const auto cell = truth.sample(c, 0, n % truth.settings().batches, 500000 + n);
      for (const float v : cell.counts)
        x.push_back(static_cast<float>(std::log1p(10000 * static_cast<double>(v) / cell.library_size)));
    }
    return projected(x);
  }
};

SimulationSettings well_measured() {
  SimulationSettings s = preset_settings("norman");
  s.genes = 150, s.perturbations = 12, s.doubles = 10, s.cells_per_condition = 200, s.control_cells = 300;
  s.share.assign(s.genes, 1e-3), s.theta.assign(s.genes, 10), s.library_sizes.assign(1000, 15000);
  return s;
}

TrainingOptions small() {
  TrainingOptions o;
  o.steps = 1000, o.latent = 30;
  return o;
}

TEST(SimulatedTruth, HalfOfTheCellsRespondAlsoToUnseenDoubles) {
  SimulationSettings s = well_measured();
  s.responders = .5, s.rare = 0;
  const Doubles sim(s, 5);
  Queue queue(Device::cpu, {.threads = 2});
  for (const char* name : {"backbone", "diffusion"}) {
    auto model = make_model(name);
    model->fit(queue, sim.train, small(), {});
    std::size_t two = 0, shown = 0;
    for (const Condition& c : sim.held_out) {
      const auto real = sim.fresh(c, 400), made = sim.projected(model->sample(queue, {c, 0}, 400, 1).expression);
      const auto along = along_change(sim.view(real), sim.view(real), sim.view(sim.control));
      const double smooth = silverman_bandwidth(along);
      if (second_mode(along, smooth) < .5) continue;
      ++two;
      const auto at = along_change(sim.view(made), sim.view(real), sim.view(sim.control));
      shown += second_mode(at, smooth) > .3 ? 1 : 0;
    }
    ASSERT_GE(two, 4u);
    if (std::string(name) == "backbone")
      EXPECT_EQ(shown, 0u);  // a Gaussian has one mode
    else
      EXPECT_GE(shown, two - 1);
  }
}

TEST(SimulatedTruth, RareRespondersToUnseenDoublesAreAsManyWithinTwofold) {
  SimulationSettings s = well_measured();
  s.responders = 1, s.rare = .04, s.strength = .5;
  const Doubles sim(s, 5);
  Queue queue(Device::cpu, {.threads = 2});
  for (const char* name : {"backbone", "diffusion"}) {
    auto model = make_model(name);
    model->fit(queue, sim.train, small(), {});
    std::size_t within = 0;
    for (const Condition& c : sim.held_out) {
      const auto real = sim.fresh(c, 1000), made = sim.projected(model->sample(queue, {c, 0}, 1000, 1).expression);
      const auto truth = along_change(sim.view(real), sim.view(real), sim.view(sim.control)),
                 generated = along_change(sim.view(made), sim.view(real), sim.view(sim.control));
      // Rare cells lie beyond the middle between the others' end and their own.
      const float middle = (truth[920] + truth[980]) / 2;
      auto share = [&](const std::vector<float>& at) {
        return static_cast<double>(at.end() - std::upper_bound(at.begin(), at.end(), middle)) / 1000;
      };
      EXPECT_NEAR(share(truth), .04, .02) << canonical_label(c);
      const double ratio = share(generated) / share(truth);
      within += ratio >= .5 && ratio <= 2 ? 1 : 0;
    }
    if (std::string(name) == "backbone")
      EXPECT_LE(within, 1u);  // a Gaussian has no tail
    else
      EXPECT_GE(within, 4u);
  }
}

// What is left of a change beyond its best multiple of a sum of parts.
std::vector<double> beyond(std::vector<double> change, const std::vector<double>& sum) {
  double along = 0, square = 0;
  for (std::size_t g = 0; g < sum.size(); ++g) along += change[g] * sum[g], square += sum[g] * sum[g];
  for (std::size_t g = 0; g < sum.size(); ++g) change[g] -= along / square * sum[g];
  return change;
}
double cosine(const std::vector<double>& x, const std::vector<double>& y) {
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t g = 0; g < x.size(); ++g) xy += x[g] * y[g], xx += x[g] * x[g], yy += y[g] * y[g];
  return xy / std::sqrt(xx * yy);
}

TEST(SimulatedTruth, InteractionsBeyondAnyMultipleOfTheSum) {
  SimulationSettings s = preset_settings("norman");
  s.doubles = 60;
  const Doubles sim(s, 20);
  Queue queue(Device::cpu, {.threads = 2});
  TrainingOptions o = small();
  o.technical_shrinkage = 1;
  Backbone model;
  model.fit(queue, sim.train, o, {});
  const EffectTable observed(sim.train);
  const FittedMean additive(observed, {MeanRule::Kind::additive, 0, 0});
  const auto none = sim.truth.mean({}, 0, 1500);
  auto true_change = [&](const Condition& c) {
    auto m = sim.truth.mean(c, 0, 1500);
    for (std::size_t g = 0; g < m.size(); ++g) m[g] -= none[g];
    return m;
  };
  double metric = 0, truth = 0;
  for (const Condition& c : sim.held_out) {
    auto predicted = model.mean({c, 0});
    for (std::size_t g = 0; g < predicted.size(); ++g) predicted[g] -= observed.control_mean(0)[g];
    // interaction_partial itself, of the observed mean and the observed sum, whose noise the prediction shares ...
    const auto cells = sim.data.cells_of(sim.data.condition_index(canonical_label(c)));
    const auto x = sim.data.expression(cells);
    std::vector<double> real(predicted.size(), 0);
    for (std::size_t i = 0; i < x.size(); ++i)
      real[i % real.size()] += static_cast<double>(x[i]) / static_cast<double>(cells.size());
    for (std::size_t g = 0; g < real.size(); ++g) real[g] -= observed.control_mean(0)[g];
    const auto sum = additive.delta(c);
    metric += cosine(beyond(predicted, sum), beyond(real, sum)) / static_cast<double>(sim.held_out.size());
    // ... and of the truth, where there is no noise to share.
    std::vector<double> true_sum(sum.size(), 0);
    for (const auto& part : c.parts) {
      const auto alone = true_change({{part}});
      for (std::size_t g = 0; g < sum.size(); ++g) true_sum[g] += alone[g];
    }
    truth += cosine(beyond(predicted, true_sum), beyond(true_change(c), true_sum)) /
             static_cast<double>(sim.held_out.size());
  }
  RecordProperty("interaction_partial", std::to_string(metric));
  RecordProperty("against_the_truth", std::to_string(truth));
  EXPECT_GT(metric, .5);
  EXPECT_GT(truth, .1);
}

}  // namespace
}  // namespace perturbine
