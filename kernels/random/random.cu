#include "kernels/random/random.h"

#include "kernels/core/device.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

constexpr unsigned threads = 128;

// One block per row, four columns (one counter) per thread and turn.
__global__ void __launch_bounds__(threads) random_fill(RandomFill<float> op) {
  const std::uint64_t offset = op.offset[0] + op.stream;
  const int columns = static_cast<int>(op.y.columns);
  float* y = op.y.row(blockIdx.x);
  for (int j = static_cast<int>(threadIdx.x) * 4; j < columns; j += static_cast<int>(threads) * 4) {
    float v[4];
    const std::uint64_t subsequence = matrix_subsequence(blockIdx.x, static_cast<std::uint64_t>(j));
    if (op.distribution == Distribution::normal) {
      normal4(op.seed, offset, subsequence, v);
    } else {
      const PhiloxWords w = philox(op.seed, offset, subsequence);
      for (int k = 0; k < 4; ++k) {
        const float u = uniform(w.word[k]);
        v[k] = op.distribution == Distribution::uniform ? u : (u <= op.probability ? 1.0f : 0.0f);
      }
    }
    for (int k = 0; k < 4 && j + k < columns; ++k) y[j + k] = v[k];
  }
}

__global__ void __launch_bounds__(threads) random_words(RandomWords<std::uint32_t> op) {
  const int columns = static_cast<int>(op.y.columns);
  for (int j = static_cast<int>(threadIdx.x); j < columns; j += static_cast<int>(threads))
    op.y(blockIdx.x, static_cast<std::size_t>(j)) =
        philox(op.seed, op.offset[0], matrix_subsequence(blockIdx.x, static_cast<std::uint64_t>(j))).word[j % 4];
}

void enqueue(DeviceExecutor& executor, const RandomFill<float>& op) {
  launch(random_fill, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const RandomWords<std::uint32_t>& op) {
  launch(random_words, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, RandomFill<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, RandomWords<std::uint32_t>)

}  // namespace perturbine
