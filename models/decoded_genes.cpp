#include "models/decoded_genes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/core/philox.h"
#include "models/network_model.h"

namespace perturbine {

void CompressedCells::add(std::size_t column, float value) {
  columns.push_back(static_cast<std::int32_t>(column)), values.push_back(value);
}

void CompressedCells::end_cell() {
  most_values = std::max(most_values, columns.size() - static_cast<std::size_t>(row_offsets.back()));
  row_offsets.push_back(static_cast<std::int32_t>(columns.size()));
}

namespace {

constexpr std::size_t half = DecodedGenes::most / 2;

// What the likelihood of a drawn gene counts for.
float weight_of_drawn(std::size_t genes) { return static_cast<float>(genes - half) / static_cast<float>(half); }

}  // namespace

float DecodedGenes::rate_factor(std::size_t genes) { return genes <= most ? 1 : std::sqrt(weight_of_drawn(genes)); }

CsrView<float> DecodedGenes::Group::cells() const {
  return {row_offsets.view(), columns.view(), values.view(), row_offsets.size() - 1, count};
}

DecodedGenes::DecodedGenes(Queue& queue, const CompressedCells& cells, std::size_t genes, std::size_t rows)
    : cells_(cells), genes_(genes) {
  auto add_group = [&](std::size_t count, float weight) {
    Group group;
    group.first = groups_.empty() ? 0 : groups_.back().first + groups_.back().count;
    group.count = count, group.weight = weight;
    group.row_weight = Buffer<float>(queue, std::vector<float>(rows, weight / static_cast<float>(rows)));
    const std::size_t values = rows * std::min(cells.most_values, count);
    group.row_offsets = Buffer<std::int32_t>(queue, rows + 1);
    group.columns = Buffer<std::int32_t>(queue, values), group.values = Buffer<float>(queue, values);
    groups_.push_back(std::move(group));
  };
  if (all()) {
    add_group(genes, 1);
    return;
  }
  std::vector<std::size_t> seen(genes, 0);
  for (const std::int32_t g : cells.columns) ++seen[static_cast<std::size_t>(g)];
  std::vector<std::int32_t> order(genes);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return seen[static_cast<std::size_t>(a)] > seen[static_cast<std::size_t>(b)];
  });
  shown_.assign(order.begin(), order.begin() + half);
  others_.assign(order.begin() + half, order.end());
  std::sort(shown_.begin(), shown_.end()), std::sort(others_.begin(), others_.end());
  add_group(half, 1), add_group(half, weight_of_drawn(genes));
  index_ = Buffer<std::int32_t>(queue, most), place_ = Buffer<std::int32_t>(queue, genes);
}

void DecodedGenes::set(Queue& queue, const std::vector<std::size_t>& chosen, std::uint64_t seed, std::size_t step) {
  std::vector<std::int32_t> place;
  if (!all()) {
    std::vector<std::int32_t> index(shown_), left(others_);
    for (std::size_t i = 0; i < half; ++i) {
      const std::size_t j = i + below(philox(seed ^ 0x6e2eull, step, i).word[0], left.size() - i);
      std::swap(left[i], left[j]);
    }
    std::sort(left.begin(), left.begin() + half);
    index.insert(index.end(), left.begin(), left.begin() + half);
    place.assign(genes_, -1);
    for (std::size_t i = 0; i < index.size(); ++i)
      place[static_cast<std::size_t>(index[i])] = static_cast<std::int32_t>(i);
    index_.set(queue, index), place_.set(queue, place);
  }
  for (Group& group : groups_) {
    std::vector<std::int32_t> offsets{0}, columns;
    std::vector<float> values;
    const auto first = static_cast<std::int32_t>(group.first), count = static_cast<std::int32_t>(group.count);
    for (const std::size_t cell : chosen) {
      const auto begin = static_cast<std::size_t>(cells_.row_offsets[cell]),
                 end = static_cast<std::size_t>(cells_.row_offsets[cell + 1]);
      for (std::size_t k = begin; k < end; ++k) {
        const std::int32_t gene = cells_.columns[k],
                           column = (all() ? gene : place[static_cast<std::size_t>(gene)]) - first;
        if (column < 0 || column >= count) continue;
        columns.push_back(column), values.push_back(cells_.values[k]);
      }
      offsets.push_back(static_cast<std::int32_t>(columns.size()));
    }
    group.row_offsets.set(queue, offsets), group.columns.set_first(queue, columns);
    group.values.set_first(queue, values);
  }
}

}  // namespace perturbine
