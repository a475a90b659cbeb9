// What models say of doses and times that were held out, against the simulator's truth.
#include <gtest/gtest.h>

#include <cmath>

#include "models/backbone.h"
#include "models/flow.h"
#include "models/time_course.h"
#include "tests/evaluation/simulation.h"

namespace perturbine {
namespace {

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t g = 0; g < a.size(); ++g) sum += (a[g] - b[g]) * (a[g] - b[g]);
  return std::sqrt(sum);
}

struct Simulated : testing_simulation::Simulation {
  using Simulation::Simulation;
  std::vector<double> true_mean(const std::string& label) const { return truth.mean(parse_condition(label), 0, 4000); }
  std::vector<double> observed_mean(const std::string& label) const {
    const auto cells = data.cells_of(data.condition_index(label));
    const auto x = data.expression(cells);
    std::vector<double> m(data.genes(), 0);
    for (std::size_t i = 0; i < x.size(); ++i)
      m[i % m.size()] += static_cast<double>(x[i]) / static_cast<double>(cells.size());
    return m;
  }
};

TrainingOptions small() {
  TrainingOptions o;
  o.steps = 50, o.hidden = 16, o.blocks = 1, o.batch_size = 64, o.latent = 10;
  return o;
}

TEST(SimulatedTruth, AHeldOutDoseIsWithinReplicateNoiseAndDosesRiseMonotonely) {
  SimulationSettings s = preset_settings("dose");
  s.genes = 100, s.perturbations = 6, s.cells_per_condition = 1000, s.control_cells = 1500;
  const std::vector<std::string> held_out{"P1:0.5", "P2", "P3:0.5", "P4", "P5:0.5", "P6"};
  const Simulated sim(s, held_out);
  Queue queue(Device::cpu, {.threads = 2});
  Backbone backbone;
  backbone.fit(queue, sim.train, small(), {});
  double error = 0, replicate = 0, none = 0;
  for (const std::string& label : held_out) {
    const auto truth = sim.true_mean(label);
    error += std::pow(distance(backbone.predict_mean(queue, {parse_condition(label), 0}), truth), 2);
    replicate += std::pow(distance(sim.observed_mean(label), truth), 2);
    none += std::pow(distance(sim.true_mean("control"), truth), 2);
  }
  EXPECT_LT(std::sqrt(error), 1.25 * std::sqrt(replicate));
  EXPECT_LT(std::sqrt(error), .5 * std::sqrt(none));
  std::size_t strong = 0;
  for (const char* part : {"P1", "P2", "P3", "P4", "P5", "P6"}) {
    // Along the full dose's change.
    const auto control = backbone.predict_mean(queue, {{}, 0});
    const auto full = backbone.predict_mean(queue, {parse_condition(std::string(part) + ":2"), 0});
    // A quarter of the perturbations are weak by design: their change drowns in the noise of observed means.
    if (distance(sim.true_mean(std::string(part) + ":2"), sim.true_mean("control")) < .3) continue;
    ++strong;
    double last = 0;
    for (const double dose : {.1, .3, .4, .6, .7, .9, 1.2, 1.6, 1.9}) {  // none was trained
      const auto mean = backbone.predict_mean(queue, {parse_condition(text(part, ":", dose)), 0});
      double along = 0;
      for (std::size_t g = 0; g < mean.size(); ++g) along += (mean[g] - control[g]) * (full[g] - control[g]);
      EXPECT_GT(along, last) << part << " at dose " << dose;
      last = along;
    }
  }
  EXPECT_GE(strong, 3u);
}

TEST(SimulatedTruth, AHeldOutTimeIsNearerThanTheNearestObservedOne) {
  SimulationSettings s = preset_settings("timecourse");
  s.genes = 200, s.cells_per_condition = s.control_cells = 500;
  for (const char* held_out : {"hour8", "hour16"}) {
    const Simulated sim(s, {held_out});
    ASSERT_EQ(sim.data.times.size(), 6u);
    const double time = sim.data.times[sim.data.condition_index(held_out)];
    Queue queue(Device::cpu, {.threads = 2});
    Flow flow;
    flow.fit(queue, sim.train, small(), {});
    const auto truth = sim.true_mean(held_out);
    const Query q = query_at(sim.train, time, 0);
    ASSERT_TRUE(q.between);
    double nearest = 1e9;
    for (const std::string& label : sim.data.labels)
      if (label != held_out) nearest = std::min(nearest, distance(sim.observed_mean(label), truth));
    EXPECT_LT(distance(flow.predict_mean(queue, q), truth), nearest) << held_out;
    const GeneratedCells cells = flow.sample(queue, q, 2000, 1);
    std::vector<double> mean(cells.genes, 0);
    for (std::size_t i = 0; i < cells.expression.size(); ++i)
      mean[i % cells.genes] += static_cast<double>(cells.expression[i]) / static_cast<double>(cells.count);
    EXPECT_LT(distance(mean, truth), nearest) << held_out;
  }
}

}  // namespace
}  // namespace perturbine
