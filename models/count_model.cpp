#include "models/count_model.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/core/philox.h"
#include "kernels/counts/counts.h"
#include "models/real_cells.h"

namespace perturbine {

CountModel::CellBatch::CellBatch(Queue& q, std::size_t n, std::size_t G, std::size_t most_values)
    : rows(n),
      genes(G),
      log_counts(q, n * G),
      values(q, n * most_values),
      total(q, n),
      mean_weight(q, std::vector<float>(n, 1.0f / static_cast<float>(n))),
      one(q, std::vector<float>{1}),
      row_offsets(q, n + 1),
      columns(q, n * most_values),
      offset(q, 1) {}

void CountModel::CellBatch::set(Queue& q, const CountModel& m, const std::vector<std::size_t>& cells,
                                std::size_t step) {
  std::vector<float> nonzero, of_cell;
  std::vector<std::int32_t> ends{0}, column;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t i = cells[r];
    for (std::size_t g = 0; g < genes; ++g) {
      const float v = m.counts_[i * genes + g];
      if (v > 0) column.push_back(static_cast<std::int32_t>(g)), nonzero.push_back(v);
    }
    ends.push_back(static_cast<std::int32_t>(column.size()));
    of_cell.push_back(m.total_[i]);
  }
  column.resize(columns.size(), 0), nonzero.resize(values.size(), 0);
  log_counts.set(q, m.log_counts_of(cells, 0, rows)), values.set(q, nonzero), columns.set(q, column),
      row_offsets.set(q, ends);
  total.set(q, of_cell), offset.set(q, {step * 8});
}

void CountModel::begin_counts(const TrainingData& data, const TrainingOptions& options) {
  begin(data, options);
  std::set<std::string> names;
  for (const Condition& c : data.conditions)
    for (const Condition::Part& p : c.parts) names.insert(p.name);
  perturbations_.assign(names.begin(), names.end());
  require_input(!perturbations_.empty(), name(), ": there are no perturbed cells to train on");
  const std::size_t G = data.genes, cells = data.cells();
  counts_.assign(cells * G, 0), total_.assign(cells, 0), most_values_ = 1;
  for (std::size_t i = 0; i < cells; ++i) {
    std::size_t values = 0;
    for (std::size_t g = 0; g < G; ++g) {
      const float count = static_cast<float>(data.count(i, g));
      counts_[i * G + g] = count, total_[i] += count, values += count > 0;
    }
    total_[i] = std::max(total_[i], 1.0f), most_values_ = std::max(most_values_, values);
  }
}

std::size_t CountModel::usual_epochs() const {
  const auto epochs = static_cast<std::size_t>(std::round(8e6 / static_cast<double>(data_.cells())));
  return std::clamp<std::size_t>(epochs, 1, 400);
}

std::vector<float> CountModel::log_counts_of(const std::vector<std::size_t>& cells, std::size_t first,
                                             std::size_t count) const {
  std::vector<float> logs;
  logs.reserve(count * data_.genes);
  for (std::size_t r = first; r < first + count; ++r)
    for (std::size_t g = 0; g < data_.genes; ++g) logs.push_back(std::log1p(counts_[cells[r] * data_.genes + g]));
  return logs;
}

std::ptrdiff_t CountModel::number_of(const std::string& perturbation) const {
  const auto at = std::lower_bound(perturbations_.begin(), perturbations_.end(), perturbation);
  return at != perturbations_.end() && *at == perturbation ? at - perturbations_.begin() : -1;
}

GeneratedCells CountModel::decoded(Queue& queue, const std::vector<std::size_t>& cells, const Query& query,
                                   std::uint64_t seed) const {
  const std::size_t G = data_.genes;
  GeneratedCells out;
  out.count = cells.size(), out.genes = G;
  infer(queue, cells.size(), [&](Tape& t, std::size_t first, std::size_t n) {
    std::vector<float> total;
    for (std::size_t r = first; r < first + n; ++r) total.push_back(total_[cells[r]]);
    const Buffer<float> x(queue, log_counts_of(cells, first, n)), of_cell(queue, total);
    const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{first});
    const Decoded d = decode(t, t.constant(x.matrix(n, G)), of_cell.view(), query, offset.view(), seed);
    if (!draws()) {
      const auto values = read(queue, t.value(d.rate));
      out.counts.insert(out.counts.end(), values.begin(), values.end());
      return;
    }
    const MatrixView<float> theta = t.value(d.dispersion), counts = t.arena().matrix<float>(n, G);
    queue.run(SampleCounts<float>{t.value(d.rate), {theta.data, G}, offset.view(), counts, seed});
    auto values = read(queue, counts);
    if (d.zero_logit) {
      const auto zero = read(queue, t.value(*d.zero_logit));
      for (std::size_t k = 0; k < values.size(); ++k) {
        const double uniform = (static_cast<double>(philox(seed ^ 0x2e40ull, first, k).word[0]) + .5) / 4294967296.0;
        if (uniform * (1 + std::exp(-static_cast<double>(zero[k]))) < 1) values[k] = 0;
      }
    }
    out.counts.insert(out.counts.end(), values.begin(), values.end());
  });
  for (std::size_t r = 0; r < cells.size(); ++r) {
    out.library_size.push_back(data_.library_size[cells[r]]);
    for (std::size_t g = 0; g < G; ++g)
      out.expression.push_back(
          static_cast<float>(std::log1p(10000 * static_cast<double>(out.counts[r * G + g]) / out.library_size.back())));
  }
  if (!draws()) out.counts.clear();
  return out;
}

std::vector<double> CountModel::predict_mean(Queue& queue, const Query& q) const {
  const auto controls = controls_of(data_, q.context);
  std::vector<std::size_t> cells;
  do cells.insert(cells.end(), controls.begin(), controls.end());
  while (draws() && cells.size() < 2000);
  const GeneratedCells generated = decoded(queue, cells, q, seed_ ^ 0x3ea4ull);
  std::vector<double> mean(data_.genes, 0);
  for (std::size_t k = 0; k < generated.expression.size(); ++k)
    mean[k % data_.genes] += static_cast<double>(generated.expression[k]) / static_cast<double>(cells.size());
  return mean;
}

GeneratedCells CountModel::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  return decoded(queue, chosen_cells(data_, q.context, false, count, seed), q, seed);
}

}  // namespace perturbine
