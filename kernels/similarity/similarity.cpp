#include "kernels/similarity/similarity.h"

#include <numeric>
#include <vector>

#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

constexpr std::size_t tile = PackedPoints::tile, at_once = PackedPoints::rows_at_once;

// Replaces squared distances by the kernel's values.
void apply_kernel(const PairwiseSum<float>& op, float* value) {
  if (op.kernel == PairKernel::euclidean) {
    for (std::size_t j = 0; j < tile; j += lanes::count)
      lanes::store(value + j, lanes::square_root(lanes::load(value + j)));
    return;
  }
  const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, op.gammas.size));
  for (std::size_t j = 0; j < tile; j += lanes::count) {
    const Lanes squared = lanes::load(value + j);
    Lanes sum{};
    for (std::size_t g = 0; g < op.gammas.size; ++g) sum += lanes::exp(-op.gammas[g] * squared);
    lanes::store(value + j, share * sum);
  }
}

// Points with their squared norms, for distances as |x|^2 + |y|^2 - 2 x . y: half of the work of differences. Where
// that is less than a twentieth of |x|^2 + |y|^2 it has lost digits, and the row is made from differences after all.
class Pairs {
 public:
  Pairs(Cpu& cpu, const PairwiseSum<float>& op)
      : op_(op), y_(cpu, op.y), norm_(y_.tiles() * tile), own_norm_(op.x.rows) {
    cpu.pool.run(y_.tiles(), [&](std::size_t t) {
      float* norm = norm_.data() + t * tile;
      for (std::size_t k = 0; k < op.y.columns; ++k) {
        const float* y = y_.column(t, k);
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j) norm[j] += y[j] * y[j];
      }
    });
    for_rows(cpu, op.x.rows, op.x.columns, [&](std::size_t i) {
      const float* x = op.x.row(i);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t k = 0; k < op.x.columns; ++k) sum += x[k] * x[k];
      own_norm_[i] = sum;
    });
  }
  std::size_t tiles() const { return y_.tiles(); }
  /// k(x_i, y_j) for rows first ... first + at_once - 1 (those from `end` on repeat the last) and the points of tile t.
  void values(std::size_t first, std::size_t end, std::size_t t, float (&value)[at_once][tile]) const {
    const float* x[at_once];
    for (std::size_t r = 0; r < at_once; ++r) x[r] = op_.x.row(std::min(first + r, end - 1));
    y_.products<at_once>(x, t, value);
    const float* norm = norm_.data() + t * tile;
    // Whether any row has lost digits, with one look at all rows: hardly ever any has.
    float least[tile];
    std::fill_n(least, tile, 1.0f);
    for (std::size_t r = 0; r < at_once; ++r) {
      const float own = own_norm_[std::min(first + r, end - 1)];
#pragma omp simd
      for (std::size_t j = 0; j < tile; ++j) {
        const float both = own + norm[j];
        value[r][j] = both - 2 * value[r][j];
        least[j] = std::min(least[j], value[r][j] - .05f * both);
      }
    }
    float lowest = 1;
#pragma omp simd reduction(min : lowest)
    for (std::size_t j = 0; j < tile; ++j) lowest = std::min(lowest, least[j]);
    if (lowest < 0) {
      for (std::size_t r = 0; r < at_once; ++r) {
        const float own = own_norm_[std::min(first + r, end - 1)];
        bool lost = false;
        for (std::size_t j = 0; j < tile; ++j) lost |= value[r][j] - .05f * (own + norm[j]) < 0;
        if (lost) y_.squared_distances(x[r], t, value[r]);
      }
    }
    for (std::size_t r = 0; r < at_once; ++r) apply_kernel(op_, value[r]);
  }

 private:
  const PairwiseSum<float>& op_;
  PackedPoints y_;
  std::vector<float> norm_, own_norm_;  // [tiles * tile], [rows of x]
};

// A row's sum: sixteen sums side by side, over a tile in float and over tiles in double.
struct RowSum {
  static constexpr std::size_t lanes = 16;
  double lane[lanes] = {};
  /// The first `count` values of a tile; sets the others to zero.
  void add(float (&value)[tile], std::size_t count) {
    std::fill(value + count, value + tile, 0.0f);
#pragma omp simd
    for (std::size_t k = 0; k < lanes; ++k)
      lane[k] += static_cast<double>((value[k] + value[lanes + k]) + (value[2 * lanes + k] + value[3 * lanes + k]));
  }
  double total() const { return std::accumulate(lane, lane + lanes, 0.0); }
};

// Pairs within one set: each is computed once and counts for both. Block (I, J) adds to the sums of the rows of I and,
// J > I, gives the columns' sums for those of J: every sum has one writer, and they are added in order.
void within(Cpu& cpu, const PairwiseSum<float>& op) {
  const std::size_t n = op.x.rows;
  const Pairs pairs(cpu, op);
  std::vector<float> column_sums(pairs.tiles() * n);
  std::vector<double> row_sums(n);
  cpu.pool.run(pairs.tiles(), [&](std::size_t I) {
    const std::size_t begin = I * tile, end = std::min(n, begin + tile);
    RowSum rows[tile];
    for (std::size_t J = I; J < pairs.tiles(); ++J) {
      const std::size_t count = std::min(tile, n - J * tile);
      float column[tile] = {};
      for (std::size_t first = begin; first < end; first += at_once) {
        float value[at_once][tile];
        pairs.values(first, end, J, value);
        for (std::size_t r = 0; r < at_once && first + r < end; ++r) {
          if (I == J) value[r][first + r - begin] = 0;
          rows[first + r - begin].add(value[r], count);
#pragma omp simd
          for (std::size_t j = 0; j < tile; ++j) column[j] += value[r][j];
        }
      }
      if (J > I) std::copy_n(column, count, column_sums.data() + I * n + J * tile);
    }
    for (std::size_t i = begin; i < end; ++i) row_sums[i] = rows[i - begin].total();
  });
  for (std::size_t i = 0; i < n; ++i) {
    double total = row_sums[i];
    for (std::size_t t = 0; t < i / tile; ++t) total += static_cast<double>(column_sums[t * n + i]);
    op.sum[i] = static_cast<float>(total);
  }
}

void run(Cpu& cpu, const PairwiseSum<float>& op) {
  if (op.same && op.x.data == op.y.data && op.x.rows == op.y.rows && op.x.pitch == op.y.pitch) {
    within(cpu, op);
    return;
  }
  const std::size_t m = op.y.rows;
  const Pairs pairs(cpu, op);
  cpu.pool.for_ranges(op.x.rows, 4 * at_once, [&](std::size_t begin, std::size_t end) {
    for (std::size_t first = begin; first < end; first += at_once) {
      RowSum rows[at_once];
      for (std::size_t t = 0; t < pairs.tiles(); ++t) {
        float value[at_once][tile];
        pairs.values(first, end, t, value);
        for (std::size_t r = 0; r < at_once; ++r) {
          if (op.same && (first + r) / tile == t) value[r][(first + r) % tile] = 0;
          rows[r].add(value[r], std::min(tile, m - t * tile));
        }
      }
      for (std::size_t r = 0; r < at_once && first + r < end; ++r)
        op.sum[first + r] = static_cast<float>(rows[r].total());
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PairwiseSum<float>)

}  // namespace perturbine
