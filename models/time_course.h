// Time courses: what is asked for at a time, and cells between two observed times.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "models/model.h"

namespace perturbine {

/// What a time means to a model: the condition trained at that time; between two of them both, weighted by nearness (so
/// that every rule and embedding interpolates); before the first or after the last, that one. Throws InputError where
/// the training data are no time course.
Query query_at(const TrainingData& data, double time, std::size_t context);

/// Mean of log1p expression of both times' cells in a context, mixed by nearness.
std::vector<double> mixture_mean(const TrainingData& data, const BetweenTimes& between, std::size_t context);

/// Cells of both times in a context as they are, in these shares; at most as many as there are.
GeneratedCells mixture_cells(const TrainingData& data, const BetweenTimes& between, std::size_t context,
                             std::size_t count, std::uint64_t seed);

/// Training cells of a condition in a context; of any context where it has none.
std::vector<std::size_t> cells_of_condition(const TrainingData& data, std::size_t condition, std::size_t context);

/// Cells between neighbouring times, by displacement interpolation (McCann, Adv. Math. 128 (1997) 153) of counts:
/// optimal transport within a context pairs cells of the two times; on the way's share s a pair gives one cell, of the
/// earlier cell's counts each kept with probability 1 - s, of the later's with s, its library size the same mixture.
class TimeCourse {
 public:
  TimeCourse() = default;
  /// `positions` [cells, width] are where transport measures; a shift of one time's cells changes no pair.
  TimeCourse(Queue& queue, const TrainingData& data, const std::vector<float>& positions, std::size_t width);

  /// Mean of log1p expression of a query's `between`: of the cells above, or of the mixture of both times' cells,
  /// whichever is nearer the observed mean at training times that have neighbours on both sides, each left out in turn;
  /// the cells above where there are none.
  std::vector<double> mean(const TrainingData& data, const Query& query) const;
  /// Cells of a query's `between` that have this mean: displaced, or of the mixture.
  GeneratedCells cells(const TrainingData& data, const Query& query, std::size_t count, std::uint64_t seed) const;
  /// The same `count` cells followed over rising times within the course: row i of every result is one cell, its
  /// partner at the next observed time drawn from the plan. Throws InputError on times that fall or lie outside.
  std::vector<GeneratedCells> trajectory(const TrainingData& data, std::size_t context,
                                         const std::vector<double>& times, std::size_t count, std::uint64_t seed) const;
  /// The line for the log; empty where there is no time course.
  const std::string& report() const { return report_; }

 private:
  struct Pair {
    std::size_t earlier, later;  // cells
  };
  using Interval = std::tuple<std::size_t, std::size_t, std::size_t>;  // earlier, later condition; context
  std::vector<Pair> couple(Queue& queue, const TrainingData& data, const std::vector<float>& positions,
                           std::size_t width, const Interval& interval) const;
  std::vector<GeneratedCells> follow(const TrainingData& data, std::size_t context,
                                     const std::vector<BetweenTimes>& points, std::size_t count,
                                     std::uint64_t seed) const;
  std::vector<std::size_t> order_;               // conditions by time
  std::map<Interval, std::vector<Pair>> pairs_;  // sorted by the earlier cell
  bool mixture_ = false;
  std::string report_;
};

}  // namespace perturbine
