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

// Non-zeros of a row, as many as a register holds, and of one kind: in turn 1, 2 and 3, up to 32, above. A sum over
// factors goes to the largest count, a large count takes another form.
struct Packed {
  static constexpr std::size_t kinds = 4;
  static std::size_t kind(float x) { return std::size_t{x > 1} + std::size_t{x > 3} + std::size_t{x > 32}; }
  float x[lanes::count], most = 0;
  std::int32_t column[lanes::count];
  std::size_t count = 0;
};

template <bool Inflated, bool Gradient>
void evaluate(const CountLikelihood<float>& op, std::size_t i, Packed& p, float* log_p, float* slope) {
  if (p.count == 0) return;
  for (std::size_t k = p.count; k < lanes::count; ++k)  // idle lanes compute something harmless
    p.x[k] = p.x[0], p.column[k] = p.column[0];
  const lanes::Integers column = lanes::load(p.column);
  const Lanes x = lanes::load(p.x), mean = lanes::at_least(lanes::gather(op.mean.row(i), column), least_mean),
              theta = lanes::gather(op.theta.data, column);
  const formulas::NegativeBinomial<Lanes> nb =
      p.most > 32
          ? formulas::negative_binomial_large(x, mean, theta)
          : formulas::negative_binomial_small(
                x, p.most, lanes::gather(log_factorials.data(), __builtin_convertvector(x, lanes::Integers) & 63), mean,
                theta);
  formulas::ZeroInflated<Lanes> z{nb.log_probability, nb.dmean, nb.dtheta, {}};
  if constexpr (Inflated) z = formulas::zero_inflated_positive(nb, lanes::gather(op.zero_logit.row(i), column));
  const float scale = Gradient ? -op.dloss[i] : 0.0f;
  z.dmean *= scale, z.dlogit *= scale;
  for (std::size_t k = 0; k < p.count; ++k) {
    const auto j = static_cast<std::size_t>(p.column[k]);
    log_p[j] = z.log_probability[k];
    if constexpr (Gradient) op.dmean(i, j) = z.dmean[k], slope[j] = z.dtheta[k];
    if constexpr (Gradient && Inflated) op.dzero_logit(i, j) = z.dlogit[k];
  }
  p.count = 0, p.most = 0;
}

// A task's memory: a number for every gene each.
struct Scratch {
  float *inverse_theta, *dtheta;  // of all rows of the task
  float *log_p, *slope;           // of one row
};

// Every gene of the row as a zero, in registers of them; then the non-zeros put their own values there; then the sums.
// Adding a zero's term and taking it away again would cancel where theta is large.
template <bool Inflated, bool Gradient>
void likelihood_row(const CountLikelihood<float>& op, std::size_t i, const Scratch& scratch) {
  const std::size_t n = op.mean.columns;
  const float *mean = op.mean.row(i), *theta = op.theta.data;
  const float* logit = Inflated ? op.zero_logit.row(i) : nullptr;
  float* dmean = Gradient ? op.dmean.row(i) : nullptr;
  float* dlogit = Gradient && Inflated ? op.dzero_logit.row(i) : nullptr;
  float *log_p = scratch.log_p, *slope = scratch.slope, *dtheta = scratch.dtheta;
  const float scale = Gradient ? -op.dloss[i] : 0.0f;  // of log p, not of the loss
  auto zeros = [&](std::size_t j, auto count) {
    const Lanes u =
        lanes::at_least(lanes::load(mean + j, count), least_mean) * lanes::load(scratch.inverse_theta + j, count);
    const Lanes t = lanes::load(theta + j, count);
    formulas::ZeroInflated<Lanes> z;
    if constexpr (Inflated) {
      z = formulas::zero_inflated_zero(u, t, lanes::load(logit + j, count));
    } else {
      const formulas::NegativeBinomial<Lanes> nb = formulas::negative_binomial_zero(u, t);
      z = {nb.log_probability, nb.dmean, nb.dtheta, Lanes{}};
    }
    lanes::store(log_p + j, z.log_probability, count);
    if constexpr (Gradient) lanes::store(dmean + j, scale * z.dmean, count), lanes::store(slope + j, z.dtheta, count);
    if constexpr (Gradient && Inflated) lanes::store(dlogit + j, scale * z.dlogit, count);
  };
  lanes::for_columns(0, n, zeros);
  Packed packed[Packed::kinds];
  for (auto k = static_cast<std::size_t>(op.counts.row_offsets[i]);
       k < static_cast<std::size_t>(op.counts.row_offsets[i + 1]); ++k) {
    const float x = op.counts.values[k];
    if (x == 0) continue;
    Packed& p = packed[Packed::kind(x)];
    p.most = std::max(p.most, x), p.x[p.count] = x, p.column[p.count++] = op.counts.columns[k];
    if (p.count == lanes::count) evaluate<Inflated, Gradient>(op, i, p, log_p, slope);
  }
  for (Packed& p : packed) evaluate<Inflated, Gradient>(op, i, p, log_p, slope);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += log_p[j];
  if constexpr (Gradient) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) dtheta[j] += scale * slope[j];
  }
  op.loss[i] = -sum;
}

void run(Cpu& cpu, const CountLikelihood<float>& op) {
  const bool inflated = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  float* memory = cpu.workspace.get<float>(blocks * 4 * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* mine = memory + b * 4 * n;
    const Scratch scratch{mine + n, mine, mine + 2 * n, mine + 3 * n};
    for (std::size_t j = 0; j < n; ++j) scratch.inverse_theta[j] = 1.0f / op.theta[j];
    std::fill_n(scratch.dtheta, n, 0.0f);
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
    for (std::size_t j = 0; j < n; ++j) op.dtheta[j] += memory[b * 4 * n + j];
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
