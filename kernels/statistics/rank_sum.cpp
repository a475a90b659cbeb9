#include "kernels/statistics/rank_sum.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const RankSum<float>& op) {
  const std::size_t n = op.a.columns, m = op.b.columns;
  for_rows(cpu, op.a.rows, n + m, [&](std::size_t g) {
    double u, ties;
    formulas::rank_sum(op.a.row(g), n, op.b.row(g), m, u, ties);
    op.u[g] = static_cast<float>(u);
    op.score[g] = formulas::rank_score(u, ties, static_cast<double>(n), static_cast<double>(m));
  });
}

void run(Cpu& cpu, const Quantiles<float>& op) {
  for_rows(cpu, op.x.rows, op.y.columns * 8, [&](std::size_t g) {
    for (std::size_t k = 0; k < op.y.columns; ++k)
      op.y(g, k) = formulas::quantile(op.x.row(g), op.x.columns, op.probability[k]);
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, RankSum<float>)
PERTURBINE_EXECUTE(Cpu, run, Quantiles<float>)

}  // namespace perturbine
