// Classes of cells: softmax over rows of logits.
#pragma once
#include <cstddef>
#include <vector>

namespace perturbine {

/// Each row of logits [rows, classes] as probabilities.
std::vector<float> softmax_rows(const std::vector<float>& logits, std::size_t classes);

}  // namespace perturbine
