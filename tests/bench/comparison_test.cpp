// Two runs compared: the rank-sum test against known values, and the gate on a kernel that was made slower.
#include "bench/comparison.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "bench/studies/study.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine {
namespace {

TEST(MannWhitney, KnownValues) {
  // Exact: 2 of the 70 orders of 4 and 4 are as far apart as {1..4} and {5..8}.
  EXPECT_NEAR(mann_whitney({1, 2, 3, 4}, {5, 6, 7, 8}), 2. / 70, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 3, 5}, {4, 6, 7, 8}), 4. / 70, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 4, 5, 8}, {2, 3, 6, 7}), 1, 1e-12);
  // With ties, scipy.stats.mannwhitneyu(method="asymptotic") of the same numbers.
  EXPECT_NEAR(mann_whitney({1, 2, 2, 3, 4}, {2, 4, 5, 6, 7}), 0.071369, 5e-6);
  EXPECT_EQ(mann_whitney({1, 1}, {1, 1}), 1);
}

TEST(Comparison, SaysWhatIsBeyondNoise) {
  Samples before, after;
  for (int i = 0; i < 12; ++i) {
    const double noise = .02 * std::sin(7.0 * i);
    before["same"].push_back(1 + noise), after["same"].push_back(1.01 + noise * .9);
    before["slower"].push_back(1 + noise), after["slower"].push_back(1.2 + noise);
    before["faster"].push_back(1 + noise), after["faster"].push_back(.8 + noise);
    // Much slower now and then, which is no evidence.
    before["wild"].push_back(1 + noise), after["wild"].push_back(i % 2 == 0 ? .7 : 1.6);
  }
  before["gone"] = after["new"] = {1, 2, 3};
  const auto changes = compare_samples(before, after);
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].verdict, Change::Verdict::faster);
  EXPECT_EQ(changes[1].verdict, Change::Verdict::same);
  EXPECT_EQ(changes[2].verdict, Change::Verdict::slower);
  EXPECT_EQ(changes[3].verdict, Change::Verdict::same);
}

using Op = SinkhornHalf<float>;
// The shipped kernel and a fifth of its time more.
void slowed(Cpu& cpu, const Op& op) {
  const auto start = std::chrono::steady_clock::now();
  execute(cpu, op);
  const auto end = start + (std::chrono::steady_clock::now() - start) * 6 / 5;
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Times of a build, of the same and of a slower one, taken in turns: a machine that others use drifts between two runs.
TEST(Gate, ASlowdownOfAFifthIsFlaggedAndTheSameBuildIsNot) {
  studies::Study study{"gate", "", {{"sinkhorn_half.rows", "f32", {256, 256}, {}}}, {}, ""};
  const auto unchanged = [](void* e, const void* op) { execute(*static_cast<Cpu*>(e), *static_cast<const Op*>(op)); };
  static const bool registered =
      studies::register_variant("gate", "before", typeid(Op).name(), Device::cpu, unchanged) &&
      studies::register_variant("gate", "same", typeid(Op).name(), Device::cpu, unchanged) &&
      studies::register_variant("gate", "slowed", typeid(Op).name(), Device::cpu, [](void* e, const void* op) {
        slowed(*static_cast<Cpu*>(e), *static_cast<const Op*>(op));
      });
  ASSERT_TRUE(registered);
  Queue queue(Device::cpu, {.threads = 1});
  // On a machine that others use too a comparison may go wrong: the majority counts.
  int flagged = 0, falsely = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::map<std::string, Samples> of;
    for (const auto& m : studies::run_study(study, queue, {.repetitions = 15}).measured)
      of[m.variant]["kernel"] = m.against_copy;
    flagged += compare_samples(of.at("before"), of.at("slowed"))[0].verdict == Change::Verdict::slower ? 1 : 0;
    falsely += compare_samples(of.at("before"), of.at("same"))[0].verdict != Change::Verdict::same ? 1 : 0;
  }
  EXPECT_GE(flagged, 3);
  EXPECT_LE(falsely, 2);
}

TEST(CompareRuns, ItsExitCodeIsAGate) {
  const std::string folder = ::testing::TempDir();
  auto file = [&](const std::string& name, double time) {
    std::ofstream out(folder + name);
    out << "{\"benchmarks\": [";
    for (int i = 0; i < 8; ++i)
      out << (i == 0 ? "" : ",")
          << "{\"run_name\": \"k\", \"run_type\": \"iteration\", \"real_time\": " << time * (1 + .01 * i) << "}";
    out << "]}";
    return folder + name;
  };
  const std::string a = file("a.json", 1), b = file("b.json", 1.2), c = file("c.json", 1.005);
  auto code = [&](const std::string& words) {
    const int status = std::system((std::string(PERTURBINE_COMPARE) + " " + words + " >/dev/null 2>&1").c_str());
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(code(a + " " + b), 1);
  EXPECT_EQ(code(b + " " + a), 0);
  EXPECT_EQ(code(a + " " + c), 0);
  EXPECT_EQ(code(a + " " + b + " --threshold 0.3"), 0);
  EXPECT_EQ(code(a), 2);
  EXPECT_EQ(code(a + " " + folder + "nothing.json"), 2);
  EXPECT_EQ(code(a + " " + b + " --alpha zero"), 2);
}

}  // namespace
}  // namespace perturbine
