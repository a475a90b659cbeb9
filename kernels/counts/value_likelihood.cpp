#include "kernels/counts/value_likelihood.h"

#include "kernels/core/cpu.h"
#include "kernels/counts/value_formulas.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

// A task's memory: a number for every gene each, of all rows of the task or of the row at hand.
struct Scratch {
  float *dlog_deviation, *precision;
  float* value;         // of the Gaussian: the row, zeros included
  std::uint32_t* zero;  // of the log-normal, in the same place: all bits where the row has a zero, else none
};

// body(values, genes, n) for the row's values that are not zero, n of a register at a time.
template <class Body>
void for_values(const CsrView<float>& values, std::size_t i, Body&& body) {
  const auto first = static_cast<std::size_t>(values.row_offsets[i]),
             last = static_cast<std::size_t>(values.row_offsets[i + 1]);
  lanes::for_columns(first, last, [&](std::size_t k, auto count) {
    const Lanes x = lanes::load(values.values.data + k, count);
    const lanes::Bits chosen = ~reinterpret_cast<lanes::Bits>(x <= 0.0f);  // none of those past the last
    float packed[lanes::count] = {};
    std::int32_t genes[lanes::count] = {};
    lanes::pack(packed, x, chosen);
    const Lanes gene = reinterpret_cast<Lanes>(lanes::load(values.columns.data + k, count));
    const std::size_t n = lanes::pack(reinterpret_cast<float*>(genes), gene, chosen);
    body(lanes::load(packed), lanes::load(genes), n);
  });
}

template <bool Gradient>
void gaussian_row(const ValueLikelihood<float>& op, std::size_t i, const Scratch& scratch) {
  const float scale = Gradient ? op.dloss[i] : 0.0f, *mean = op.mean.row(i);
  float* dmean = Gradient ? op.dmean.row(i) : nullptr;
  for_values(op.values, i,
             [&](Lanes x, lanes::Integers gene, std::size_t n) { lanes::scatter(scratch.value, gene, x, n); });
  Lanes losses{};
  lanes::for_columns(0, op.mean.columns, [&](std::size_t j, auto count) {
    const formulas::ValueTerm<Lanes> t = formulas::gaussian_value(
        lanes::load(scratch.value + j, count), lanes::load(mean + j, count),
        lanes::load(op.log_deviation.data + j, count), lanes::load(scratch.precision + j, count));
    losses += lanes::kept(t.loss, lanes::first(count));
    if constexpr (Gradient) {
      float* slope = scratch.dlog_deviation + j;
      lanes::store(dmean + j, scale * t.dmean, count);
      lanes::store(slope, lanes::load(slope, count) + scale * t.dlog_deviation, count);
    }
  });
  for_values(op.values, i,
             [&](Lanes, lanes::Integers gene, std::size_t n) { lanes::scatter(scratch.value, gene, Lanes{}, n); });
  op.loss[i] = lanes::sum(losses);
}

// Every gene as a zero, those with a value left out of the sum; then these put their own values there.
template <bool Gradient>
void log_normal_row(const ValueLikelihood<float>& op, std::size_t i, const Scratch& scratch) {
  const float scale = Gradient ? op.dloss[i] : 0.0f, *logit = op.zero_logit.row(i);
  float *dmean = Gradient ? op.dmean.row(i) : nullptr, *dlogit = Gradient ? op.dzero_logit.row(i) : nullptr;
  auto mark = [&](std::uint32_t bits) {
    for_values(op.values, i, [&](Lanes, lanes::Integers gene, std::size_t n) {
      for (std::size_t k = 0; k < n; ++k) scratch.zero[gene[k]] = bits;
    });
  };
  mark(0);
  Lanes losses{};
  lanes::for_columns(0, op.mean.columns, [&](std::size_t j, auto count) {
    const formulas::ValueTerm<Lanes> t = formulas::log_normal_zero(lanes::load(logit + j, count));
    losses += lanes::kept(t.loss, lanes::load(scratch.zero + j, count));
    if constexpr (Gradient) {
      lanes::store(dmean + j, Lanes{}, count);
      lanes::store(dlogit + j, scale * t.dzero_logit, count);
    }
  });
  for_values(op.values, i, [&](Lanes x, lanes::Integers gene, std::size_t n) {
    const formulas::ValueTerm<Lanes> t = formulas::log_normal_positive(
        x, lanes::gather(op.mean.row(i), gene), lanes::gather(op.log_deviation.data, gene),
        lanes::gather(scratch.precision, gene), lanes::gather(logit, gene));
    losses += lanes::kept(t.loss, lanes::first(n));
    if constexpr (Gradient) {
      const Lanes slope = lanes::gather(scratch.dlog_deviation, gene) + scale * t.dlog_deviation;
      lanes::scatter(dmean, gene, scale * t.dmean, n), lanes::scatter(dlogit, gene, scale * t.dzero_logit, n);
      lanes::scatter(scratch.dlog_deviation, gene, slope, n);
    }
  });
  mark(~0u);
  op.loss[i] = lanes::sum(losses);
}

void run(Cpu& cpu, const ValueLikelihood<float>& op) {
  const bool log_normal = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(blocks * 3 * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* memory = partial + b * 3 * n;
    const Scratch scratch{memory, memory + n, memory + 2 * n, reinterpret_cast<std::uint32_t*>(memory + 2 * n)};
    std::fill_n(scratch.dlog_deviation, n, 0.0f);
    for (std::size_t j = 0; j < n; ++j) scratch.precision[j] = formulas::exp(-op.log_deviation[j]);
    if (log_normal)
      std::fill_n(scratch.zero, n, ~0u);
    else
      std::fill_n(scratch.value, n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      if (log_normal)
        gradient ? log_normal_row<true>(op, i, scratch) : log_normal_row<false>(op, i, scratch);
      else
        gradient ? gaussian_row<true>(op, i, scratch) : gaussian_row<false>(op, i, scratch);
    }
  });
  if (!gradient) return;
  std::fill_n(op.dlog_deviation.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) op.dlog_deviation[j] += partial[b * 3 * n + j];
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, ValueLikelihood<float>)

}  // namespace perturbine
