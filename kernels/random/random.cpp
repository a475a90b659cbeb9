#include "kernels/random/random.h"

#include <numeric>
#include <utility>

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const RandomFill<float>& op) {
  const std::uint64_t offset = op.offset[0] + op.stream;
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    float* y = op.y.row(i);
    if (op.distribution == Distribution::normal) {
      normal_row(op.seed, offset, i, y, op.y.columns);
      return;
    }
    for (std::size_t block = 0; block < op.y.columns; block += 64) {
      std::uint32_t words[4][16];
      philox16(op.seed, offset, matrix_subsequence(i, block), words);
      const std::size_t count = std::min<std::size_t>(64, op.y.columns - block);
      for (std::size_t k = 0; k < count; ++k) {
        const float u = uniform(words[k % 4][k / 4]);
        y[block + k] = op.distribution == Distribution::uniform ? u : (u <= op.probability ? 1.0f : 0.0f);
      }
    }
  });
}

void run(Cpu& cpu, const RandomWords<std::uint32_t>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = philox(op.seed, op.offset[0], matrix_subsequence(i, j)).word[j % 4];
  });
}

}  // namespace

void random_permutation(std::uint64_t seed, std::uint64_t offset, std::uint32_t* out, std::size_t n) {
  std::iota(out, out + n, 0u);
  std::uint64_t draw = 0;
  auto below = [&](std::uint32_t bound) {
    for (;;) {
      const std::uint32_t word = philox(seed, offset, draw / 4).word[draw % 4];
      ++draw;
      const std::uint64_t product = std::uint64_t{word} * bound;
      if (static_cast<std::uint32_t>(product) >= (0u - bound) % bound) return static_cast<std::uint32_t>(product >> 32);
    }
  };
  for (std::size_t i = n; i > 1; --i) std::swap(out[i - 1], out[below(static_cast<std::uint32_t>(i))]);
}

PERTURBINE_EXECUTE(Cpu, run, RandomFill<float>)
PERTURBINE_EXECUTE(Cpu, run, RandomWords<std::uint32_t>)

}  // namespace perturbine
