// The emulator's own tests: good kernels give the right result under every schedule, planted faults are found and
// named.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/emulator/faulty_kernels.h"

namespace perturbine {
namespace {

using namespace emulated_device;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool address_sanitizer = true, thread_sanitizer = false;
#elif defined(__SANITIZE_THREAD__)
constexpr bool address_sanitizer = false, thread_sanitizer = true;
#else
constexpr bool address_sanitizer = false, thread_sanitizer = false;
#endif

Emulated& executor() {
  static Emulated e(1);
  return e;
}

std::vector<float> numbers(std::size_t n) {
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = std::sin(static_cast<float>(i) * 1.7f);
  return v;
}

struct Schedule {
  emulator::Order order;
  int workers;
};

class GoodKernels : public testing::TestWithParam<Schedule> {
 protected:
  void SetUp() override { emulator::settings() = {GetParam().workers, GetParam().order, 7}; }
  void TearDown() override { emulator::settings() = {}; }
};

TEST_P(GoodKernels, TransposeThroughSharedMemory) {
  const int rows = 75, cols = 101;
  const auto in = numbers(75 * 101);
  std::vector<float> out(in.size(), NAN);
  launch(transpose<true>, dim3(4, 3), dim3(32, 8), 0, executor(), in.data(), out.data(), rows, cols);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < cols; ++j)
      ASSERT_EQ(out[static_cast<std::size_t>(j * rows + i)], in[static_cast<std::size_t>(i * cols + j)]);
}

TEST_P(GoodKernels, HalfWarpMasksAndDivergentLoops) {
  std::vector<int> offsets{0};
  for (int i = 0; i < 203; ++i) offsets.push_back(offsets.back() + (i * 37) % 71);
  const auto values = numbers(static_cast<std::size_t>(offsets.back()));
  std::vector<float> sums(203, NAN);
  launch(half_warp_row_sums, dim3(26), dim3(128), 0, executor(), 203, offsets.data(), values.data(), sums.data());
  for (std::size_t i = 0; i < 203; ++i) {
    double want = 0;
    for (int k = offsets[i]; k < offsets[i + 1]; ++k) want += static_cast<double>(values[static_cast<std::size_t>(k)]);
    ASSERT_NEAR(sums[i], want, 1e-4);
  }
}

TEST_P(GoodKernels, HistogramInDynamicSharedMemory) {
  std::vector<int> x(10000), counts(77, 0), want(77, 0);
  for (std::size_t i = 0; i < x.size(); ++i) ++want[static_cast<std::size_t>(x[i] = static_cast<int>(i * i % 77))];
  launch(histogram, dim3(6), dim3(96), 77 * sizeof(int), executor(), 10000, 77, x.data(), counts.data());
  EXPECT_EQ(counts, want);
}

TEST_P(GoodKernels, BlockSumHasTheSameBitsUnderEverySchedule) {
  const auto x = numbers(64 * 501);
  std::vector<float> sums(64, NAN), first(64, NAN);
  launch(block_sums, dim3(64), dim3(128), 0, executor(), x.data(), 501, sums.data());
  emulator::settings() = {};
  launch(block_sums, dim3(64), dim3(128), 0, executor(), x.data(), 501, first.data());
  EXPECT_EQ(sums, first);
}

TEST_P(GoodKernels, TensorCoreTile) {
  std::vector<bfloat16> a(256), b(128);
  const auto x = numbers(384);
  for (std::size_t i = 0; i < 256; ++i) a[i] = bfloat16(x[i]);
  for (std::size_t i = 0; i < 128; ++i) b[i] = bfloat16(x[256 + i]);
  std::vector<float> c(128, NAN);
  launch(tile_product, dim3(1), dim3(32), 0, executor(), a.data(), b.data(), c.data());
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j) {
      double want = 0;
      for (std::size_t k = 0; k < 16; ++k)
        want += static_cast<double>(a[i * 16 + k]) * static_cast<double>(b[k * 8 + j]);
      ASSERT_NEAR(c[i * 8 + j], want, 1e-5) << i << "," << j;
    }
}

INSTANTIATE_TEST_SUITE_P(Schedules, GoodKernels,
                         testing::Values(Schedule{emulator::Order::forward, 1}, Schedule{emulator::Order::reverse, 1},
                                         Schedule{emulator::Order::random, 1}, Schedule{emulator::Order::forward, 2},
                                         Schedule{emulator::Order::reverse, 2}, Schedule{emulator::Order::random, 2}));

// Past bugs of the emulator, each found by a sanitizer run of its own.
TEST(PastBugs, ReadyQueuesDoNotAllocateWhileABlockRuns) {
  // Blocks of rising size make the queues grow between blocks; growing inside one is what ThreadSanitizer reported.
  const auto x = numbers(2048);
  std::vector<float> sums(2, NAN);
  for (const unsigned threads : {32u, 128u, 512u, 1024u}) {
    launch(block_sums, dim3(2), dim3(threads), 0, executor(), x.data(), 1024, sums.data());
    ASSERT_TRUE(std::isfinite(sums[0] + sums[1]));
  }
}

TEST(PastBugs, AStackMappedWhereADeadOneLayIsUsable) {
  // Workers come and go with their fibers; AddressSanitizer keeps the shadow of the stacks that were there before.
  emulator::settings().workers = 2;
  const auto x = numbers(4096);
  std::vector<float> sums(8, NAN);
  for (int i = 0; i < 20; ++i) launch(block_sums, dim3(8), dim3(256), 0, executor(), x.data(), 512, sums.data());
  emulator::settings() = {};
  EXPECT_TRUE(std::isfinite(sums[7]));
}

// Planted faults: each must end the process with a report that names the place. That process is a new one, not a
// fork of this, whose worker threads a sanitizer would miss there.
class InANewProcess : public testing::Environment {
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
[[maybe_unused]] testing::Environment* const in_a_new_process =
    testing::AddGlobalTestEnvironment(new InANewProcess);  // NOLINT: gtest deletes it
TEST(PlantedFaults, DivergentBarrier) {
  std::vector<float> x(32);
  EXPECT_DEATH(launch(divergent_barrier, dim3(1), dim3(32), 0, executor(), x.data()),
               "__syncthreads at different places.*faulty_kernels.h:[0-9]+");
}
TEST(PlantedFaults, MissingLane) {
  std::vector<float> x(32);
  EXPECT_DEATH(launch(missing_lane, dim3(1), dim3(32), 0, executor(), x.data()), "deadlock.*faulty_kernels.h:[0-9]+");
}
TEST(PlantedFaults, GlobalOverrun) {
  if (!address_sanitizer) GTEST_SKIP() << "needs AddressSanitizer";
  std::vector<float> x(100);
  EXPECT_DEATH(launch(overruns_global, dim3(1), dim3(128), 0, executor(), x.data()),
               "heap-buffer-overflow(.|\n)*overruns_global");
}
TEST(PlantedFaults, DynamicSharedOverrun) {
  if (!address_sanitizer) GTEST_SKIP() << "needs AddressSanitizer";
  std::vector<float> x(64);
  EXPECT_DEATH(launch(overruns_dynamic_shared, dim3(1), dim3(64), 60 * sizeof(float), executor(), x.data()),
               "heap-buffer-overflow(.|\n)*overruns_dynamic_shared");
}
TEST(PlantedFaults, MisalignedVectorAccess) {
  if (!address_sanitizer) GTEST_SKIP() << "needs UndefinedBehaviorSanitizer";
  std::vector<float> x(64);
  EXPECT_DEATH(launch(misaligned_vector, dim3(1), dim3(8), 0, executor(), x.data()),
               "vector.cuh:[0-9]+.*misaligned address");
}
TEST(PlantedFaults, MissingBarrier) {
  if (!thread_sanitizer) GTEST_SKIP() << "needs ThreadSanitizer";
  // By name: g++ 12's reader of line tables finds a template's lines or not, depending on what is linked first.
  const auto in = numbers(64 * 64);
  std::vector<float> out(64 * 64);
  EXPECT_EXIT(
      {
        launch(transpose<false>, dim3(2, 2), dim3(32, 8), 0, executor(), in.data(), out.data(), 64, 64);
        std::exit(0);
      },
      testing::ExitedWithCode(66), "data race(.|\n)*transpose<false>");
}

}  // namespace
}  // namespace perturbine
