// Solvers on equations with known solutions, transport plans on problems worked out by hand, and what the flow model
// promises.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/core/philox.h"
#include "models/flow.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::test_device;
using testing_models::toy;

// dx/dt = A(t) x on the host: two coupled coordinates, x' = -y t, y' = x t, whose solution turns by t^2 / 2.
Field turning(Queue& queue) {
  auto times = std::make_shared<std::vector<double>>();
  auto next = std::make_shared<std::size_t>(0);
  auto plan = [times, next](const std::vector<double>& planned) { *times = planned, *next = 0; };
  auto evaluate = [&queue, times, next](MatrixView<const float> x, MatrixView<float> slope) {
    const double t = times->at((*next)++);
    std::vector<float> at(x.rows * 2), out(x.rows * 2);
    queue.read(at.data(), x.data, at.size() * sizeof(float));
    for (std::size_t i = 0; i < x.rows; ++i) {
      out[2 * i] = static_cast<float>(-t) * at[2 * i + 1];
      out[2 * i + 1] = static_cast<float>(t) * at[2 * i];
    }
    queue.copy(slope.data, out.data(), out.size() * sizeof(float));
    queue.synchronise();
  };
  return {plan, evaluate, false};
}

double turn_error(Solver solver, std::size_t steps, double tolerance, SolverReport* report = nullptr) {
  Queue queue(test_device(), {.threads = 2});
  const Buffer<float> x(queue, std::vector<float>{1, 0, 0, 2, -1, 1});
  const SolverReport done = integrate(queue, x.matrix(3, 2), 0, 3, {solver, steps, tolerance}, turning(queue));
  if (report != nullptr) *report = done;
  const auto got = x.get(queue);
  const double c = std::cos(4.5), s = std::sin(4.5), start[] = {1, 0, 0, 2, -1, 1};
  double worst = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double a = start[2 * i], b = start[2 * i + 1];
    worst = std::max({worst, std::abs(static_cast<double>(got[2 * i]) - (c * a - s * b)),
                      std::abs(static_cast<double>(got[2 * i + 1]) - (s * a + c * b))});
  }
  return worst;
}

TEST(Solver, ErrorsFallWithTheOrder) {
  for (const auto& [solver, steps, order] :
       {std::tuple{Solver::euler, 400, 1.}, {Solver::heun, 40, 2.}, {Solver::rk4, 10, 4.}}) {
    const double coarse = turn_error(solver, static_cast<std::size_t>(steps), 1),
                 fine = turn_error(solver, 2 * static_cast<std::size_t>(steps), 1);
    EXPECT_NEAR(std::log2(coarse / fine), order, .35) << steps;
  }
}

TEST(Solver, DormandPrinceHoldsItsToleranceAndReportsItsSteps) {
  SolverReport loose, tight;
  EXPECT_LT(turn_error(Solver::dormand_prince, 1, 1e-2, &loose), .1);
  EXPECT_LT(turn_error(Solver::dormand_prince, 1, 1e-5, &tight), 1e-4);
  EXPECT_GT(tight.accepted, loose.accepted);
  EXPECT_GE(tight.evaluations, 6 * tight.accepted);
}

TEST(Solver, TracesGiveTheDensityOfALinearFlow) {
  // x' = -x / 2 per coordinate: from a standard normal at 0 to variance exp(-1) at 1.
  std::vector<double> x{.7, -.2}, trace{0};
  const std::vector<double> end(x);
  integrate_traced(x, trace, 1, 0, 20, [](double, const std::vector<double>& at) {
    TracedSlope s{at, {-1}};
    for (double& v : s.y) v *= -.5;
    return s;
  });
  // log p1(x1) = log p0(x0) - integral from 0 to 1 of the trace.
  double got = trace[0], want = 0;
  for (std::size_t k = 0; k < 2; ++k) {
    got -= .5 * (x[k] * x[k] + std::log(2 * M_PI));
    want -= .5 * (end[k] * end[k] / std::exp(-1.) + std::log(2 * M_PI * std::exp(-1.)));
  }
  EXPECT_NEAR(got, want, 1e-6);
}

std::vector<float> points(std::size_t n, std::uint64_t seed, float shift) {
  std::vector<float> x(n * 3);
  for (std::size_t i = 0; i < n; ++i) {
    normal_row(seed, 0, i, x.data() + i * 3, 3);
    x[i * 3] += shift;
  }
  return x;
}

TEST(Transport, BalancedPlansKeepTheirMarginalsAndUnbalancedOnesLeaveOutliersOut) {
  Queue queue(test_device(), {.threads = 2});
  auto x = points(20, 1, 0), y = points(30, 2, 1);
  const auto plan = transport_plan(queue, x, y, 3, Coupling::balanced, {.1, 1, 500});
  for (std::size_t i = 0; i < 20; ++i) {
    double row = 0;
    for (std::size_t j = 0; j < 30; ++j) row += plan.at(i, j);
    EXPECT_NEAR(row, 1. / 20, 2e-4) << i;
  }
  for (std::size_t j = 0; j < 30; ++j) {
    double column = 0;
    for (std::size_t i = 0; i < 20; ++i) column += plan.at(i, j);
    EXPECT_NEAR(column, 1. / 30, 2e-4) << j;
  }
  // One point far away.
  for (std::size_t k = 0; k < 3; ++k) y[k] += 40;
  const auto open = transport_plan(queue, x, y, 3, Coupling::unbalanced, {.05, .05, 500});
  double outlier = 0, other = 0;
  for (std::size_t i = 0; i < 20; ++i) outlier += open.at(i, 0), other += open.at(i, 1);
  EXPECT_LT(outlier, .05 * other);
}

TEST(Transport, LittleEntropyFindsTheBestAssignment) {
  Queue queue(test_device(), {.threads = 2});
  // y is x in reverse order, moved a little: the partner of row i is row n - 1 - i.
  const std::size_t n = 16;
  const auto x = points(n, 3, 0);
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < 3; ++k) y[(n - 1 - i) * 3 + k] = x[i * 3 + k] + .01f;
  const auto plan = transport_plan(queue, x, y, 3, Coupling::balanced, {.002, 1, 2000});
  const Pairs pairs = draw_pairs(queue, plan, Coupling::balanced, n, 5, 0);
  for (std::size_t r = 0; r < n; ++r)
    EXPECT_EQ(pairs.second[r], static_cast<std::int32_t>(n - 1) - pairs.first[r]) << r;
}

TEST(Transport, PartnersAreDrawnAsThePlanSays) {
  Queue queue(test_device(), {.threads = 2});
  const auto x = points(4, 4, 0), y = points(6, 5, .5f);
  const auto plan = transport_plan(queue, x, y, 3, Coupling::balanced, {.5, 1, 500});
  std::vector<double> share(24, 0);
  const std::size_t draws = 40000;
  const Pairs pairs = draw_pairs(queue, plan, Coupling::balanced, draws, 6, 1);
  for (std::size_t r = 0; r < draws; ++r)
    share[static_cast<std::size_t>(pairs.first[r]) * 6 + static_cast<std::size_t>(pairs.second[r])] +=
        1. / static_cast<double>(draws);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 6; ++j) EXPECT_NEAR(share[i * 6 + j], plan.at(i, j), .008) << i << " " << j;
}

TEST(Flow, StartsAsControlCellsShiftedByTheBackbone) {
  Queue queue(test_device(), {.threads = 2});
  Flow model;
  model.prepare(queue, toy(), quick());  // the network's last layer is zero
  const Query q{parse_condition("A"), 0};
  const auto start = model.start(q, 50, 1);
  for (const Solver solver : {Solver::heun, Solver::rk4, Solver::dormand_prince}) {
    const auto end = model.carry(queue, q, start.residuals, 0, 1, {solver, 40, 1e-5});
    for (std::size_t i = 0; i < end.size(); ++i) EXPECT_NEAR(end[i], start.residuals[i], 2e-3f) << i;
  }
  const auto cells = model.sample(queue, q, 600, 1);
  const auto mean = model.backbone().mean(q);
  for (std::size_t g = 0; g < 20; ++g) {
    double m = 0;
    for (std::size_t i = 0; i < cells.count; ++i) m += static_cast<double>(cells.expression[i * 20 + g]) / 600;
    EXPECT_NEAR(m, mean[g], .1) << g;
  }
}

TEST(Flow, ControlCellsStartOnceAndThenTheirNeighbourhoods) {
  Queue queue(test_device(), {.threads = 2});
  Flow model;
  const TrainingData data = toy();
  model.prepare(queue, data, quick());
  std::size_t controls = 0;
  for (std::size_t i = 0; i < data.cells(); ++i) controls += data.condition[i] == 0 && data.context[i] == 0 ? 1 : 0;
  const std::vector<float> x = model.start({parse_condition("A"), 0}, 9 * controls, 1).residuals;
  const std::size_t width = x.size() / (9 * controls);
  std::set<std::vector<float>> kinds;
  for (std::size_t i = 0; i < 9 * controls; ++i)
    kinds.insert(
        {x.begin() + static_cast<std::ptrdiff_t>(i * width), x.begin() + static_cast<std::ptrdiff_t>((i + 1) * width)});
  EXPECT_EQ(kinds.size(), 9 * controls) << "no two alike";
  for (std::size_t k = 0; k < width; ++k) {
    double cells = 0, neighbours = 0;
    for (std::size_t i = 0; i < 9 * controls; ++i)
      (i < controls ? cells : neighbours) +=
          std::pow(static_cast<double>(x[i * width + k]), 2) / static_cast<double>(i < controls ? 1 : 8);
    EXPECT_NEAR(neighbours / cells, 1, .3) << "as spread as the cells, coordinate " << k;
  }
}

TEST(Flow, TheInverseComesBack) {
  Queue queue(test_device(), {.threads = 2});
  Flow model;
  TrainingOptions o = quick();
  o.steps = 200;
  model.fit(queue, toy(), o, {});
  auto state = model.state(queue);
  state.choices = {1};  // the whole network, whatever held-out cells favour
  model.set_state(queue, state);
  const Query q{parse_condition("B"), 0};
  const auto start = model.start(q, 40, 2);
  const SolverSettings settings{Solver::dormand_prince, 1, 1e-6};
  const auto end = model.carry(queue, q, start.residuals, 0, 1, settings);
  const auto back = model.carry(queue, q, end, 1, 0, settings);
  double moved = 0;
  for (std::size_t i = 0; i < end.size(); ++i) {
    EXPECT_NEAR(back[i], start.residuals[i], 1e-4f) << i;
    moved = std::max(moved, static_cast<double>(std::abs(end[i] - start.residuals[i])));
  }
  EXPECT_GT(moved, .01);
}

TEST(Flow, SameSeedSameBitsForAnyThreadCountAndAfterStoppingInEitherStage) {
  auto trained = [](int threads, std::size_t stop_at) {
    Queue queue(test_device(), {.threads = threads});
    TrainingOptions o = quick();
    o.steps = 100, o.rectify = 60;
    auto model = std::make_unique<Flow>();
    model->prepare(queue, toy(), o);
    if (stop_at > 0) {
      model->resume(queue, [&](const TrainingProgress& p) { return p.step < stop_at; });
      const auto state = model->state(queue);
      model = std::make_unique<Flow>();
      model->prepare(queue, toy(), o);
      model->set_state(queue, state);
    }
    model->resume(queue, {});
    return model->state(queue);
  };
  const auto reference = trained(1, 0);
  for (const auto& [threads, stop] : {std::pair{2, 0}, {3, 50}, {2, 150}}) {
    const auto again = trained(threads, static_cast<std::size_t>(stop));
    EXPECT_EQ(again.value, reference.value) << threads << " " << stop;
    EXPECT_EQ(again.choices, reference.choices);
  }
}

TEST(Flow, OfOneStepAfterRectificationKeepsTheEnds) {
  // Rectified, one step goes where the teacher's many steps went: nearer than the teacher's own single step.
  Queue queue(test_device(), {.threads = 2});
  TrainingOptions o = quick();
  o.steps = 300, o.rectify = 400, o.coupling = "random", o.spread = 0;
  Flow teacher, straight;
  TrainingOptions first = o;
  first.rectify = 0;
  const TrainingData data = toy();
  teacher.fit(queue, data, first, {});
  straight.fit(queue, data, o, {});
  const Query q{parse_condition("A"), 0};
  const auto start = teacher.start(q, 60, 7).residuals;
  const auto truth = teacher.carry(queue, q, start, 0, 1, {Solver::rk4, 40, 1});
  auto error = [&](const Flow& model) {
    const auto end = model.carry(queue, q, start, 0, 1, {Solver::euler, 1, 1});
    double sum = 0;
    for (std::size_t i = 0; i < end.size(); ++i) sum += std::pow(static_cast<double>(end[i] - truth[i]), 2);
    return sum / static_cast<double>(end.size());
  };
  EXPECT_LT(error(straight), .5 * error(teacher));
}

TEST(Flow, LikelihoodIsTheBasesWhereNothingMovesAndHutchinsonAgrees) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData data = toy();
  Flow still;
  still.prepare(queue, data, quick());
  const Query q{parse_condition("A"), 0};
  const std::vector<float> cells(data.expression.data() + 60 * 20, data.expression.data() + 64 * 20);
  // The density under the control's own query and under A differ by the mean alone: nothing moves.
  std::vector<float> moved(cells);
  const auto a = still.backbone().mean(q), c = still.backbone().mean({parse_condition("control"), 0});
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += static_cast<float>(c[i % 20] - a[i % 20]);
  const auto under_a = still.log_likelihood(queue, q, cells, {}),
             under_control = still.log_likelihood(queue, {parse_condition("control"), 0}, moved, {});
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(under_a.value[i], under_control.value[i], 2e-3) << i;
  Flow trained;
  TrainingOptions o = quick();
  o.steps = 200;
  trained.fit(queue, data, o, {});
  auto state = trained.state(queue);
  state.choices = {1};
  trained.set_state(queue, state);
  const auto exact = trained.log_likelihood(queue, q, cells, {.steps = 40});
  const auto random = trained.log_likelihood(queue, q, cells, {.steps = 40, .probes = 200});
  std::vector<float> far(cells);
  for (float& v : far) v += 3;
  const auto unlikely = trained.log_likelihood(queue, q, far, {.steps = 40});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_GT(random.standard_error[i], 0);
    EXPECT_NEAR(exact.value[i], random.value[i], 4 * random.standard_error[i] + 1e-3) << i;
    EXPECT_LT(unlikely.value[i], exact.value[i]) << i;
  }
}

TEST(Flow, EveryOptionTrainsAndTheDirectMapHasNoLikelihood) {
  Queue queue(test_device(), {.threads = 2});
  const Query q{parse_condition("A+B"), 0};
  for (const char* variant : {"unbalanced", "random", "transport", "genes", "guided"}) {
    TrainingOptions o = quick();
    if (std::string(variant) == "transport")
      o.objective = "transport";
    else if (std::string(variant) == "genes")
      o.space = "genes", o.network = "u-shaped";
    else if (std::string(variant) == "guided")
      o.guidance_perturbation = 2, o.guidance_context = .5;
    else
      o.coupling = variant;
    Flow model;
    model.fit(queue, toy(), o, {});
    const auto cells = model.sample(queue, q, 30, 1);
    EXPECT_EQ(cells.count, 30u) << variant;
    for (const float v : cells.expression) EXPECT_TRUE(std::isfinite(v) && v >= 0) << variant;
    EXPECT_EQ(model.sample(queue, q, 30, 1).counts, cells.counts) << variant;
    if (o.objective == "transport") {
      EXPECT_THROW(model.log_likelihood(queue, q, cells.expression, {}), Error);
    }
  }
}

}  // namespace
}  // namespace perturbine
