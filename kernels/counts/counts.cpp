#include "kernels/counts/counts.h"

#include <array>

#include "kernels/core/cpu.h"
#include "kernels/counts/formulas.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;
constexpr float least_mean = 1e-12f;

void run(Cpu& cpu, const LogNormalise<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    float* y = op.y.row(i);
    std::fill_n(y, op.y.columns, 0.0f);
    const float scale = op.target_sum / op.library_size[i];
    for (auto k = static_cast<std::size_t>(op.counts.row_offsets[i]);
         k < static_cast<std::size_t>(op.counts.row_offsets[i + 1]); ++k)
      y[op.counts.columns[k]] = formulas::log1p(scale * op.counts.values[k]);
  });
}

// log(x!) of small counts. Longer than needed, so that six bits of a number that is no count stay inside.
constexpr auto log_factorials = [] {
  std::array<float, 64> table{};
  for (int x = 0; x <= 32; ++x) table[static_cast<std::size_t>(x)] = formulas::log_small_factorial(x);
  return table;
}();

// Non-zeros of one kind: a sum over factors goes to the largest count of a register, a large count takes another form.
constexpr std::size_t kinds = 5;
constexpr float largest_of_kind[kinds - 1] = {1, 3, 7, 32};

// A task's memory: a number for every gene each, of all rows of the task or of the row at hand.
struct Scratch {
  float *dtheta, *inverse_theta;
  std::uint32_t* zero;  // all bits where the row counts nothing, else none
  // Counts and genes of each kind, with room for a register more.
  float* counts[kinds];
  std::int32_t* genes[kinds];
  static std::size_t size(std::size_t n) { return 3 * n + 2 * kinds * (n + lanes::count); }
  Scratch(float* memory, std::size_t n)
      : dtheta(memory), inverse_theta(memory + n), zero(reinterpret_cast<std::uint32_t*>(memory + 2 * n)) {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      counts[kind] = memory + 3 * n + 2 * kind * (n + lanes::count);
      genes[kind] = reinterpret_cast<std::int32_t*>(counts[kind] + n + lanes::count);
    }
  }
};

// The non-zeros of a row by kind; how many of each.
std::array<std::size_t, kinds> sort_counts(const CsrView<float>& counts, std::size_t i, const Scratch& scratch) {
  std::array<std::size_t, kinds> found{};
  const auto first = static_cast<std::size_t>(counts.row_offsets[i]),
             last = static_cast<std::size_t>(counts.row_offsets[i + 1]);
  lanes::for_columns(first, last, [&](std::size_t k, auto count) {
    const Lanes x = lanes::load(counts.values.data + k, count);
    const Lanes gene = reinterpret_cast<Lanes>(lanes::load(counts.columns.data + k, count));
    lanes::Bits smaller = reinterpret_cast<lanes::Bits>(x == 0.0f);
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      // What is no number is of the last kind.
      const lanes::Bits within =
          kind + 1 < kinds ? reinterpret_cast<lanes::Bits>(x <= largest_of_kind[kind]) : ~lanes::Bits{};
      lanes::pack(reinterpret_cast<float*>(scratch.genes[kind]) + found[kind], gene, within & ~smaller);
      found[kind] += lanes::pack(scratch.counts[kind] + found[kind], x, within & ~smaller);
      smaller = within;
    }
  });
  for (std::size_t kind = 0; kind < kinds; ++kind)  // idle lanes of the last register compute something harmless
    for (std::size_t k = found[kind]; found[kind] > 0 && k % lanes::count != 0; ++k)
      scratch.counts[kind][k] = scratch.counts[kind][0], scratch.genes[kind][k] = scratch.genes[kind][0];
  return found;
}

// The first n counts of a register, all of one kind: their gradients go where they belong, their losses are returned.
template <bool Inflated, bool Gradient>
Lanes evaluate(const CountLikelihood<float>& op, std::size_t i, std::size_t kind, Lanes x, lanes::Integers gene,
               std::size_t n, float* dtheta) {
  const Lanes mean = lanes::at_least(lanes::gather(op.mean.row(i), gene), least_mean),
              theta = lanes::gather(op.theta.data, gene);
  const formulas::NegativeBinomial<Lanes> nb =
      kind == kinds - 1
          ? formulas::negative_binomial_large(x, mean, theta)
          : formulas::negative_binomial_small(
                x, kind == kinds - 2 ? lanes::largest(x) : largest_of_kind[kind],
                lanes::gather(log_factorials.data(), __builtin_convertvector(x, lanes::Integers) & 63), mean, theta);
  formulas::ZeroInflated<Lanes> z{nb.loss, nb.dmean, nb.dtheta, {}};
  if constexpr (Inflated) z = formulas::zero_inflated_positive(nb, lanes::gather(op.zero_logit.row(i), gene));
  if constexpr (Gradient) {
    const float scale = op.dloss[i];
    lanes::scatter(op.dmean.row(i), gene, scale * z.dmean, n);
    lanes::scatter(dtheta, gene, lanes::gather(dtheta, gene) + scale * z.dtheta, n);
    if constexpr (Inflated) lanes::scatter(op.dzero_logit.row(i), gene, scale * z.dlogit, n);
  }
  return lanes::kept(z.loss, lanes::first(n));
}

// Every gene of the row as a zero, in registers of them, of which those that count something are left out of the sums;
// then these put their own values there. (Adding a zero's term and taking it away again would cancel where theta is
// large.)
template <bool Inflated, bool Gradient>
void likelihood_row(const CountLikelihood<float>& op, std::size_t i, const Scratch& scratch) {
  const std::size_t n = op.mean.columns;
  const float *mean = op.mean.row(i), *theta = op.theta.data, *inverse_theta = scratch.inverse_theta;
  const float* logit = Inflated ? op.zero_logit.row(i) : nullptr;
  float* dmean = Gradient ? op.dmean.row(i) : nullptr;
  float* dlogit = Gradient && Inflated ? op.dzero_logit.row(i) : nullptr;
  float* dtheta = scratch.dtheta;
  const float scale = Gradient ? op.dloss[i] : 0.0f;
  const std::array<std::size_t, kinds> found = sort_counts(op.counts, i, scratch);
  auto mark = [&](std::uint32_t bits) {
    for (std::size_t kind = 0; kind < kinds; ++kind)
      for (std::size_t k = 0; k < found[kind]; ++k) scratch.zero[scratch.genes[kind][k]] = bits;
  };
  mark(0);
  Lanes losses{};
  auto zeros = [&](std::size_t j, auto count) {
    const Lanes t = lanes::load(theta + j, count),
                u = lanes::at_least(lanes::load(mean + j, count), least_mean) * lanes::load(inverse_theta + j, count);
    formulas::ZeroInflated<Lanes> z;
    if constexpr (Inflated) {
      z = formulas::zero_inflated_zero(u, t, lanes::load(logit + j, count));
    } else {
      const formulas::NegativeBinomial<Lanes> nb = formulas::negative_binomial_zero(u, t);
      z = {nb.loss, nb.dmean, nb.dtheta, Lanes{}};
    }
    const lanes::Bits zero = lanes::load(scratch.zero + j, count);
    losses += lanes::kept(z.loss, zero);
    if constexpr (Gradient) {
      lanes::store(dmean + j, scale * z.dmean, count);
      lanes::store(dtheta + j, lanes::load(dtheta + j, count) + scale * lanes::kept(z.dtheta, zero), count);
    }
    if constexpr (Gradient && Inflated) lanes::store(dlogit + j, scale * z.dlogit, count);
  };
  lanes::for_columns(0, n, zeros);
  for (std::size_t kind = 0; kind < kinds; ++kind)
    for (std::size_t k = 0; k < found[kind]; k += lanes::count)
      losses += evaluate<Inflated, Gradient>(op, i, kind, lanes::load(scratch.counts[kind] + k),
                                             lanes::load(scratch.genes[kind] + k),
                                             std::min(lanes::count, found[kind] - k), dtheta);
  mark(~0u);
  op.loss[i] = lanes::sum(losses);
}

void run(Cpu& cpu, const CountLikelihood<float>& op) {
  const bool inflated = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  const std::size_t size = Scratch::size(n);
  float* memory = cpu.workspace.get<float>(blocks * size);
  cpu.pool.run(blocks, [&](std::size_t b) {
    const Scratch scratch(memory + b * size, n);
    std::fill_n(scratch.dtheta, n, 0.0f);
    for (std::size_t j = 0; j < n; ++j) scratch.inverse_theta[j] = 1.0f / op.theta[j];
    std::fill_n(scratch.zero, n, ~0u);
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      if (inflated)
        gradient ? likelihood_row<true, true>(op, i, scratch) : likelihood_row<true, false>(op, i, scratch);
      else
        gradient ? likelihood_row<false, true>(op, i, scratch) : likelihood_row<false, false>(op, i, scratch);
    }
  });
  if (op.dtheta.data == nullptr) return;
  std::fill_n(op.dtheta.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) op.dtheta[j] += memory[b * size + j];
}

void run(Cpu& cpu, const SampleCounts<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns * 8, [&](std::size_t i) {
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      formulas::ElementRandom random{op.seed, op.offset[0], i, j};
      float rate = op.rate(i, j);
      if (op.theta.data != nullptr && rate > 0) rate *= formulas::unit_gamma(op.theta[j], random);
      op.y(i, j) = formulas::poisson(rate, random);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, LogNormalise<float>)
PERTURBINE_EXECUTE(Cpu, run, CountLikelihood<float>)
PERTURBINE_EXECUTE(Cpu, run, SampleCounts<float>)

}  // namespace perturbine
