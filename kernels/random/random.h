// Random numbers as operations: words, uniform, normal, Bernoulli and permutations, all functions of (seed, offset).
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

enum class Distribution { uniform, normal, bernoulli };

/// y[i, j] from word j % 4 of subsequence i << 32 | j / 4 (normal: Box and Muller on words 0-1 and 2-3).
/// uniform: (0, 1]; normal: mean 0, deviation 1; bernoulli: 1 with `probability`, else 0.
template <class T>
struct RandomFill {
  MatrixView<T> y;
  VectorView<const std::uint64_t> offset;  // [1]
  Distribution distribution = Distribution::normal;
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // added to the offset
  accumulator_t<T> probability = accumulator_t<T>(.5);

  static constexpr std::string_view name = "random_fill";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("y", y), visit("offset", offset);
  }
  void check() const { require_size(*this, "offset", offset, 1); }
  Cost cost() const { return memory_cost(*this, 40.0 * static_cast<double>(y.rows * y.columns)); }
};

/// The raw words of RandomFill.
template <class T>
struct RandomWords {
  MatrixView<T> y;                         // T = std::uint32_t; double in the oracle
  VectorView<const std::uint64_t> offset;  // [1]
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "random_words";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("y", y), visit("offset", offset);
  }
  void check() const { require_size(*this, "offset", offset, 1); }
  Cost cost() const { return memory_cost(*this, 40.0 * static_cast<double>(y.rows * y.columns)); }
};

/// A pseudo-random permutation of 0 ... n - 1, on the host: Fisher and Yates with unbiased bounded words.
/// Source: Durstenfeld, Comm. ACM 7 (1964) 420; Lemire, arXiv:1805.10941.
void random_permutation(std::uint64_t seed, std::uint64_t offset, std::uint32_t* out, std::size_t n);

}  // namespace perturbine
