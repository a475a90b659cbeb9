// Likelihood and gradients at the edges of their domain, on every executor; expected values from a form in long double
// that does not cancel.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "kernels/core/queue.h"
#include "kernels/counts/counts.h"
#include "kernels/emulator/install.h"

namespace perturbine {
namespace {

struct Edge {
  float x, mean, theta;
};

std::vector<Edge> edges() {
  const char* moved = std::getenv("PERTURBINE_TEST_SOURCE");  // of a bundle
  std::ifstream in(std::string(moved != nullptr ? moved : PERTURBINE_TEST_SOURCE) + "/kernels/likelihood_edges.tsv");
  std::vector<Edge> out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream row(line);
    Edge e;
    row >> e.x >> e.mean >> e.theta;
    out.push_back(e);
  }
  return out;
}

using Real = long double;

// log Gamma(x + t) - log Gamma(t) - x log(t + m), each of 64-bit mantissa, by Stirling differences for large t.
Real log_probability(Real x, Real m, Real t) {
  auto binet = [](Real z) {
    Real shift = 0;
    for (; z < 40; z += 1) shift += (z + .5L) * std::log1p(1 / z) - 1;
    const Real r = 1 / z, q = r * r;
    return shift + r * (1 / 12.L - q * (1 / 360.L - q * (1 / 1260.L - q / 1680)));
  };
  if (x == 0) return -t * std::log1p(m / t);
  const Real a = t * (m - x) / (x * (t + m)), b = (x - m) / (t + m);
  return x * std::log1p(a) + t * std::log1p(b) - .5L * std::log1p(x / t) - .5L * std::log(2 * M_PIl * x) +
         binet(x + t) - binet(t) - binet(x);
}
Real theta_slope(Real x, Real m, Real t) {  // by a four-point difference in log(theta)
  const Real h = 1e-3L;
  auto at = [&](Real s) { return log_probability(x, m, t * std::exp(s)); };
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h) / t;
}

// The loss of one count and its slopes in mean and theta.
std::array<float, 3> evaluate(Queue& queue, const Edge& e) {
  const std::int32_t offsets[2] = {0, e.x != 0 ? 1 : 0}, column = 0;
  const float x = e.x, one = 1;
  auto on_device = [&](const auto& v) {
    auto memory = queue.allocate(sizeof v);
    queue.copy(memory.get(), &v, sizeof v);
    return memory;
  };
  const auto o = on_device(offsets), c = on_device(column), v = on_device(x), m = on_device(e.mean),
             t = on_device(e.theta), d = on_device(one);
  const auto loss = queue.allocate(4), dm = queue.allocate(4), dt = queue.allocate(4);
  CountLikelihood<float> op;
  const auto n = static_cast<std::size_t>(offsets[1]);
  op.counts = {{static_cast<std::int32_t*>(o.get()), 2},
               {static_cast<std::int32_t*>(c.get()), n},
               {static_cast<float*>(v.get()), n},
               1,
               1};
  op.mean = {static_cast<float*>(m.get()), 1, 1, 1};
  op.theta = {static_cast<float*>(t.get()), 1};
  op.dloss = {static_cast<float*>(d.get()), 1};
  op.loss = {static_cast<float*>(loss.get()), 1};
  op.dmean = {static_cast<float*>(dm.get()), 1, 1, 1};
  op.dtheta = {static_cast<float*>(dt.get()), 1};
  queue.run(op);
  std::array<float, 3> got;
  queue.read(&got[0], loss.get(), 4), queue.read(&got[1], dm.get(), 4), queue.read(&got[2], dt.get(), 4);
  return got;
}

void check(Device device) {
  Queue queue(device, {.threads = 1});
  const auto list = edges();
  ASSERT_GT(list.size(), 20u);
  for (const Edge& e : list) {
    const std::array<float, 3> got = evaluate(queue, e);
    const Real mean = std::max<Real>(e.mean, 1e-12L);
    const Real want = -log_probability(e.x, mean, e.theta);
    const Real slope = -(e.x - mean) / mean * (e.theta / (e.theta + mean)), theta = -theta_slope(e.x, mean, e.theta);
    const std::string where = text("x ", e.x, ", mean ", e.mean, ", theta ", e.theta);
    auto near = [&](float g, Real w, const char* what) {
      EXPECT_TRUE(std::abs(static_cast<Real>(g) - w) <= 1e-5L * std::abs(w) + 2e-6L)
          << where << ": " << what << " is " << g << ", not " << static_cast<double>(w);
    };
    near(got[0], want, "the loss");
    near(got[1], slope, "its slope in the mean");
    // theta * d/dtheta is what training sees (theta is learned by its logarithm).
    EXPECT_TRUE(std::abs(static_cast<Real>(got[2]) * e.theta - theta * e.theta) <=
                2e-5L * std::abs(theta * e.theta) + 2e-4L * (1 + std::abs(want)))
        << where << ": theta * slope is " << got[2] * e.theta << ", not " << static_cast<double>(theta * e.theta);
  }
  // What is no number stays none, and reads nothing that is not there.
  EXPECT_TRUE(std::isnan(evaluate(queue, {NAN, 1, 2})[0]));
  for (const float none : {NAN, -NAN})
    for (const float x : {0.0f, 3.0f, 50.0f}) {
      EXPECT_TRUE(std::isnan(evaluate(queue, {x, none, 2})[0])) << x;
      EXPECT_TRUE(std::isnan(evaluate(queue, {x, 1, none})[0])) << x;
    }
}

TEST(LikelihoodEdges, Cpu) { check(Device::cpu); }
#if defined(PERTURBINE_EMULATOR)
TEST(LikelihoodEdges, Emulated) {
  install_emulator();
  check(Device::emulated);
}
#endif
TEST(LikelihoodEdges, Cuda) {
  if (cuda_module() == nullptr) GTEST_SKIP() << "no GPU";
  check(Device::cuda);
}

}  // namespace
}  // namespace perturbine
