#include "tests/reference/philox.h"

#include <array>
#include <cmath>

namespace perturbine::reference {
namespace {
std::array<std::uint32_t, 4> block(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
  std::array<std::uint32_t, 4> c{static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
                                 static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32)};
  std::array<std::uint32_t, 2> k{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = c[0] * std::uint64_t{0xD2511F53}, right = c[2] * std::uint64_t{0xCD9E8D57};
    c = {static_cast<std::uint32_t>(right >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(right),
         static_cast<std::uint32_t>(left >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(left)};
    k = {k[0] + 0x9E3779B9u, k[1] + 0xBB67AE85u};
  }
  return c;
}
double unit(std::uint32_t word) { return (static_cast<double>(word) + .5) / 4294967296.0; }
}  // namespace

std::uint32_t philox_word(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column) {
  return block(seed, offset, row << 32 | column / 4)[column % 4];
}
double uniform(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column) {
  return unit(philox_word(seed, offset, row, column));
}
double normal(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column) {
  const auto w = block(seed, offset, row << 32 | column / 4);
  const std::size_t pair = column % 4 / 2 * 2;
  const double radius = std::sqrt(-2 * std::log(unit(w[pair]))), angle = 2 * M_PI * unit(w[pair + 1]);
  return column % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

}  // namespace perturbine::reference
