// Clusters in the emulator: blocks that run together, and the two mistakes that are easily made with them.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/core/cluster.cuh"
#include "kernels/core/device.h"

namespace perturbine {
namespace {

using namespace emulated_device;

// sums[block] = the sum over all threads of the block's cluster of `x`; clusters of four. Without Meet, a block may
// read what another has not written; without Stay, it may end while another still reads.
template <bool Meet, bool Stay>
__global__ void cluster_sums(const int* x, int* sums) {
  int* mine = dynamic_shared<int>();
  mine[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  if constexpr (Meet) cluster_synchronise();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (unsigned r = 0; r < 4; ++r)
      for (unsigned k = 0; k < blockDim.x; ++k) sum += cluster_shared(mine, (cluster_rank() + r) % 4)[k];
    sums[blockIdx.x] = sum;
  }
  if constexpr (Stay) cluster_synchronise();
}

Emulated& executor() {
  static Emulated e(1);
  return e;
}

std::vector<int> numbers() {
  std::vector<int> x;
  for (int i = 0; i < 12 * 40; ++i) x.push_back(i * i % 101);
  return x;
}

TEST(Clusters, ReadOneAnothersSharedMemory) {
  const auto x = numbers();
  for (const auto order : {emulator::Order::forward, emulator::Order::reverse, emulator::Order::random})
    for (const int workers : {1, 3}) {
      emulator::settings() = {workers, order, 5};
      std::vector<int> sums(12, -1);
      launch_clusters(cluster_sums<true, true>, 4, dim3(12), dim3(40), 40 * sizeof(int), executor(), x.data(),
                      sums.data());
      emulator::settings() = {};
      for (std::size_t b = 0; b < 12; ++b) {
        int want = 0;
        for (std::size_t k = b / 4 * 160; k < (b / 4 + 1) * 160; ++k) want += x[k];
        EXPECT_EQ(sums[b], want) << b;
      }
    }
}

TEST(PlantedFaults, BlockThatEndsWhileAnotherReadsItsMemory) {
  const auto x = numbers();
  std::vector<int> sums(4);
  EXPECT_DEATH(launch_clusters(cluster_sums<true, false>, 4, dim3(4), dim3(40), 40 * sizeof(int), executor(), x.data(),
                               sums.data()),
               "shared memory of a block that has ended");
}

TEST(PlantedFaults, MissingBarrierOfACluster) {
#if !defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "needs ThreadSanitizer";
#endif
  const auto x = numbers();
  std::vector<int> sums(4);
  EXPECT_EXIT(
      {
        launch_clusters(cluster_sums<false, true>, 4, dim3(4), dim3(40), 40 * sizeof(int), executor(), x.data(),
                        sums.data());
        std::exit(0);
      },
      testing::ExitedWithCode(66), "data race(.|\n)*cluster_sums<false, true>");
}

}  // namespace
}  // namespace perturbine
