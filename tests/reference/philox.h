// The oracle's own Philox4x32-10, written from the paper (Salmon et al. 2011, section 3.3), and numbers in double.
#pragma once
#include <cstddef>
#include <cstdint>

namespace perturbine::reference {

/// Word `column % 4` of subsequence row << 32 | column / 4.
std::uint32_t philox_word(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column);
/// (0, 1]
double uniform(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column);
/// Standard normal by Box and Muller from words 0-1 (columns 0 and 1 of four) and 2-3.
double normal(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t column);

}  // namespace perturbine::reference
