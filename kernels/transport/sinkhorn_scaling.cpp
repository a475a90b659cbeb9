// Sinkhorn's iterations on the CPU, by scaling. What a half in the log domain spends is an exponential for every pair
// of points. Here those are taken once, K[i, j] = exp((f_i + g_j - cost[i, j]) / epsilon) a_i b_j about potentials that
// are nearly right already, and an iteration is a walk over K: u = 1 / (K v) and v = 1 / (K' u), where f / epsilon = F
// + log u (Sinkhorn 1967; absorbed into the potentials whenever the scalings grow: Schmitzer, SIAM J. Sci. Comput. 41
// (2019) A1443, algorithm 2). Where sums fall so low that a float has lost digits of them, halves in the log domain
// take over.
#include <utility>

#include "kernels/core/cpu.h"
#include "kernels/core/lanes.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine {
namespace {

constexpr std::size_t block = 16;        // rows that are worked on together, and of which K's columns are a multiple
constexpr std::size_t group = 8;         // rows whose sums are in registers at once
constexpr std::size_t rows_a_part = 64;  // whose column sums are added up apart
constexpr std::size_t smallest_shared = 128 * 512;  // below, threads take longer to wake than one to walk K
// Scalings within these bounds of one, and sums above this, keep all digits: K holds numbers down to 1e-38.
constexpr float most_scaling = 1e10f, least_sum = 1e-25f;

struct Range {
  float least, most;
};
Range range(const float* x, std::size_t count) {
  Range r{x[0], x[0]};
  std::size_t j = 0;
  if (count >= lanes::count) {
    Lanes low = lanes::load(x), high = low;
    for (; j + lanes::count <= count; j += lanes::count) {
      const Lanes v = lanes::load(x + j);
      low = lanes::where_negative(v - low, v, low), high = lanes::where_negative(high - v, v, high);
    }
    for (std::size_t k = 0; k < lanes::count; ++k) r = {std::min(r.least, low[k]), std::max(r.most, high[k])};
  }
  for (; j < count; ++j) r = {std::min(r.least, x[j]), std::max(r.most, x[j])};
  return r;
}

class Scaling {
 public:
  Scaling(Cpu& cpu, const Sinkhorn<float>& op)
      : cpu_(cpu), op_(op), n_(op.f.size), m_(op.g.size), inverse_(1 / op.epsilon) {
    pitch_ = (m_ + block - 1) / block * block;
    const std::size_t padded = (n_ + block - 1) / block * block, parts = this->parts();
    float* memory = cpu.workspace.get<float>(padded * pitch_ + 2 * padded + (3 + parts) * pitch_);
    auto take = [&](std::size_t count) { return std::exchange(memory, memory + count); };
    kernel_ = take(padded * pitch_), absorbed_f_ = take(padded), u_ = take(padded);
    absorbed_g_ = take(pitch_), v_ = take(pitch_), sum_ = take(pitch_), part_sums_ = take(parts * pitch_);
    std::fill_n(kernel_, padded * pitch_, 0.0f);  // rows and columns past the end add nothing
    std::fill_n(u_, padded, 0.0f);
  }

  /// K about the potentials, which both halves have just made.
  void absorb() {
    for (std::size_t i = 0; i < n_; ++i) absorbed_f_[i] = op_.f[i] * inverse_ + op_.row_log_weight[i];
    for (std::size_t j = 0; j < m_; ++j) absorbed_g_[j] = op_.g[j] * inverse_ + op_.column_log_weight[j], v_[j] = 1;
    std::fill(v_ + m_, v_ + pitch_, 0.0f);
    for_rows(cpu_, n_, m_ * 8, [&](std::size_t i) {
      const float* c = op_.cost_matrix.row(i);
      float* k = kernel_ + i * pitch_;
      const float f = absorbed_f_[i];
#pragma omp simd
      for (std::size_t j = 0; j < m_; ++j) k[j] = formulas::exp(f + absorbed_g_[j] - c[j] * inverse_);
    });
  }

  enum class Outcome { good, absorb, lost };
  /// One iteration; `lost`: a sum is too small to be right, and f and g are what they were before.
  Outcome iterate() {
    // As many tasks as threads: the caller takes the first and the others theirs, so that K's rows stay in the cache of
    // the core that walked them before.
    const std::size_t parts = this->parts(), threads = static_cast<std::size_t>(cpu_.pool.threads());
    const std::size_t tasks = n_ * m_ < smallest_shared ? 1 : std::min(parts, threads);
    cpu_.pool.run(tasks, [&](std::size_t t) {
      for (std::size_t p = t * parts / tasks; p < (t + 1) * parts / tasks; ++p) walk(p);
    });
    std::copy_n(part_sums_, pitch_, sum_);
    for (std::size_t p = 1; p < parts; ++p)
#pragma omp simd
      for (std::size_t j = 0; j < m_; ++j) sum_[j] += part_sums_[p * pitch_ + j];
    const Range u = range(u_, n_);
    // u is 0 where its row's sum was too small, and a comparison with a NaN is false.
    if (!(u.least > 0 && u.most < 1e30f && range(sum_, m_).least > least_sum)) return Outcome::lost;
    scale(sum_, absorbed_g_, op_.column_log_weight.data, m_, v_);
    const Range v = range(v_, m_);
    return std::min(u.least, v.least) > 1 / most_scaling && std::max(u.most, v.most) < most_scaling ? Outcome::good
                                                                                                    : Outcome::absorb;
  }

  /// f and g of the scalings.
  void write() {
    for (std::size_t i = 0; i < n_; ++i)
      op_.f[i] = op_.epsilon * (absorbed_f_[i] - op_.row_log_weight[i] + formulas::log(u_[i]));
    write_g();
  }
  void write_g() {
    for (std::size_t j = 0; j < m_; ++j)
      op_.g[j] = op_.epsilon * (absorbed_g_[j] - op_.column_log_weight[j] + formulas::log(v_[j]));
  }

 private:
  std::size_t parts() const { return (n_ + rows_a_part - 1) / rows_a_part; }

  /// The scaling of one side from its sums over K: with L = log(sum) - absorbed the log-sum-exp of a half,
  /// potential / epsilon = -damping L, and the scaling is exp(potential / epsilon - (absorbed - log weight)). Undamped
  /// that is weight / sum.
  void scale(const float* sums, const float* absorbed, const float* log_weight, std::size_t count,
             float* scaling) const {
    const float damping = op_.damping;
    if (damping == 1) {
#pragma omp simd
      for (std::size_t i = 0; i < count; ++i) scaling[i] = formulas::exp(log_weight[i]) / sums[i];
      return;
    }
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i)
      scaling[i] = formulas::exp(-damping * (formulas::log(sums[i]) - absorbed[i]) - absorbed[i] + log_weight[i]);
  }

  /// The rows of one part: their sums, their scalings, and what they add to the sums of the columns, while K's rows are
  /// in the nearest cache.
  void walk(std::size_t part) {
    const std::size_t first = part * rows_a_part, last = std::min(n_, first + rows_a_part);
    float* to = part_sums_ + part * pitch_;
    for (std::size_t i = first; i < last; i += block) {
      float sums[block];
      for (std::size_t r = 0; r < block; r += group) dot_rows(kernel_ + (i + r) * pitch_, sums + r);
      const std::size_t count = std::min(block, last - i);
      scale(sums, absorbed_f_ + i, op_.row_log_weight.data + i, count, u_ + i);
      for (std::size_t r = 0; r < count; ++r)
        if (!(sums[r] > least_sum)) u_[i + r] = 0;
      for (std::size_t r = 0; r < block; r += group)
        add_rows(kernel_ + (i + r) * pitch_, u_ + i + r, to, i + r == first);
    }
  }
  void dot_rows(const float* k, float* sums) const {
    Lanes sum[group] = {};
    for (std::size_t j = 0; j < pitch_; j += lanes::count) {
      const Lanes v = lanes::load(v_ + j);
      for (std::size_t r = 0; r < group; ++r) sum[r] = lanes::fused(lanes::load(k + r * pitch_ + j), v, sum[r]);
    }
    for (std::size_t r = 0; r < group; ++r) sums[r] = lanes::sum(sum[r]);
  }
  void add_rows(const float* k, const float* u, float* to, bool anew) const {
    Lanes scaling[group];
    for (std::size_t r = 0; r < group; ++r) scaling[r] = lanes::all(u[r]);
    for (std::size_t j = 0; j < pitch_; j += lanes::count) {
      Lanes sum = anew ? Lanes{} : lanes::load(to + j);
      for (std::size_t r = 0; r < group; ++r) sum = lanes::fused(lanes::load(k + r * pitch_ + j), scaling[r], sum);
      lanes::store(to + j, sum);
    }
  }

  Cpu& cpu_;
  const Sinkhorn<float>& op_;
  std::size_t n_, m_, pitch_;
  float inverse_;
  float *kernel_, *absorbed_f_, *u_, *absorbed_g_, *v_, *sum_, *part_sums_;
};

void halves(Cpu& cpu, const Sinkhorn<float>& op) {
  for (const bool columns : {false, true}) execute(cpu, op.half(columns));
}

void run(Cpu& cpu, const Sinkhorn<float>& op) {
  std::fill_n(op.g.data, op.g.size, 0.0f);
  halves(cpu, op);
  std::size_t done = 1, lost_in_a_row = 0;
  // Twice lost: these points stay too far apart for their kind of numbers.
  while (done < op.iterations && lost_in_a_row < 2) {
    Scaling scaling(cpu, op);
    scaling.absorb();
    Scaling::Outcome outcome = Scaling::Outcome::good;
    std::size_t here = 0;
    while (done < op.iterations && outcome == Scaling::Outcome::good) {
      outcome = scaling.iterate();
      if (outcome != Scaling::Outcome::lost) ++done, ++here;
    }
    if (outcome != Scaling::Outcome::lost) {
      scaling.write();
      lost_in_a_row = 0;
      continue;
    }
    scaling.write_g();  // of the last good iteration; f follows from it
    lost_in_a_row = here > 0 ? 1 : lost_in_a_row + 1;
    halves(cpu, op);
    ++done;
  }
  for (; done < op.iterations; ++done) halves(cpu, op);
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, Sinkhorn<float>)

}  // namespace perturbine
