#include "kernels/transport/ode.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t block = 64;

// sum over s of coefficient[s] * slope s, columns first ... first + count - 1 of row i.
template <class Op>
void combine(const Op& op, std::size_t rows, std::size_t i, std::size_t first, std::size_t count, float (&sum)[block]) {
  for (std::size_t k = 0; k < count; ++k) sum[k] = 0;
  for (std::size_t s = 0; s < op.coefficient.size; ++s) {
    const float c = op.coefficient[s];
    const float* slope = op.slopes.row(s * rows + i) + first;
#pragma omp simd
    for (std::size_t k = 0; k < count; ++k) sum[k] += c * slope[k];
  }
}

void run(Cpu& cpu, const OdeStage<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns * (op.coefficient.size + 2), [&](std::size_t i) {
    const float* x = op.x.row(i);
    float *y = op.y.row(i), sum[block];
    for (std::size_t j = 0; j < op.y.columns; j += block) {
      const std::size_t count = std::min(block, op.y.columns - j);
      combine(op, op.y.rows, i, j, count, sum);
      for (std::size_t k = 0; k < count; ++k) y[j + k] = x[j + k] + sum[k];
    }
  });
}

void run(Cpu& cpu, const OdeError<float>& op) {
  for_rows(cpu, op.x.rows, op.x.columns * (op.coefficient.size + 3), [&](std::size_t i) {
    const float *x = op.x.row(i), *y = op.y.row(i);
    float total = 0, sum[block];
    for (std::size_t j = 0; j < op.x.columns; j += block) {
      const std::size_t count = std::min(block, op.x.columns - j);
      combine(op, op.x.rows, i, j, count, sum);
      float part = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const float largest = std::max(std::abs(x[j + k]), std::abs(y[j + k]));
        const float e = sum[k] / (op.absolute + op.relative * largest);
        part += e * e;
      }
      total += part;
    }
    op.error[i] = std::sqrt(total / static_cast<float>(op.x.columns));
  });
}

void run(Cpu& cpu, const TraceEstimate<float>& op) {
  for_rows(cpu, op.trace.size, op.probes * op.product.columns, [&](std::size_t i) {
    float total = 0;
    for (std::size_t p = 0; p < op.probes; ++p) {
      const float *d = op.direction.row(i * op.probes + p), *g = op.product.row(i * op.probes + p);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t k = 0; k < op.product.columns; ++k) sum += d[k] * g[k];
      total += sum;
    }
    op.trace[i] = op.scale * total;
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, OdeStage<float>)
PERTURBINE_EXECUTE(Cpu, run, OdeError<float>)
PERTURBINE_EXECUTE(Cpu, run, TraceEstimate<float>)

}  // namespace perturbine
