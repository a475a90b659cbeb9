#include "models/time_course.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "models/optimal_transport.h"
#include "models/real_cells.h"

namespace perturbine {
namespace {

constexpr std::size_t least_pairs = 4000;  // of an interval and context: the mean's own noise stays below its error

// Conditions with training cells, in the order of time.
std::vector<std::size_t> in_order(const TrainingData& data) {
  std::vector<char> trained(data.conditions.size(), 0);
  for (const std::int32_t c : data.condition) trained[static_cast<std::size_t>(c)] = 1;
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < data.times.size(); ++c)
    if (trained[c] != 0) order.push_back(c);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return data.times[a] < data.times[b]; });
  return order;
}

// Where a time within the course stands; at an observed one both ends are its condition.
BetweenTimes place_of(const TrainingData& data, const std::vector<std::size_t>& order, double time) {
  std::size_t k = 0;
  while (data.times[order[k]] < time) ++k;
  if (data.times[order[k]] == time) return {order[k], order[k], 0};
  const double from = data.times[order[k - 1]], to = data.times[order[k]];
  return {order[k - 1], order[k], (time - from) / (to - from)};
}

void check_course(const std::vector<std::size_t>& order) {
  require_input(order.size() >= 2,
                "a time is asked for, but the training data are no time course: every condition needs one time of its "
                "own in obs/time (--time-column)");
}

std::vector<double> mean_of(const TrainingData& data, const std::vector<std::size_t>& cells) {
  std::vector<double> m(data.genes, 0);
  for (const std::size_t i : cells)
    for (std::size_t g = 0; g < data.genes; ++g)
      m[g] += static_cast<double>(data.row(i)[g]) / static_cast<double>(cells.size());
  return m;
}

// The counts of one gene of a cell on the way from `a` to `b`, and its library size. Every count has a random number of
// its own, the same at every share.
class CellBetween {
 public:
  CellBetween(const TrainingData& data, std::size_t a, std::size_t b, double share, std::uint64_t seed,
              std::uint64_t row)
      : data_(data), a_(a), b_(b), share_(share), seed_(seed), row_(row) {}
  double library_size() const { return (1 - share_) * data_.library_size[a_] + share_ * data_.library_size[b_]; }
  double counts(std::size_t gene) const { return kept(a_, gene, 1 - share_, 0) + kept(b_, gene, share_, 1); }
  double expression(double counts) const { return std::log1p(10000 * counts / library_size()); }

 private:
  double kept(std::size_t cell, std::size_t gene, double p, std::uint64_t end) const {
    if (data_.row(cell)[gene] == 0) return 0;
    const auto counts = static_cast<std::uint64_t>(data_.count(cell, gene));
    double n = 0;
    for (std::uint64_t k = 0; k < counts; ++k)
      n +=
          static_cast<double>(uniform(philox(seed_ + end, k, matrix_subsequence(row_, 4 * gene)).word[0])) <= p ? 1 : 0;
    return n;
  }
  const TrainingData& data_;
  std::size_t a_, b_;
  double share_;
  std::uint64_t seed_, row_;
};

template <class Pairs>
std::vector<double> displaced_mean(const TrainingData& data, const Pairs& pairs, double share) {
  std::vector<double> m(data.genes, 0);
  for (std::size_t r = 0; r < pairs.size(); ++r) {
    const CellBetween cell(data, pairs[r].earlier, pairs[r].later, share, 0x71e5, r);
    for (std::size_t g = 0; g < data.genes; ++g)
      if (const double n = cell.counts(g); n > 0) m[g] += cell.expression(n) / static_cast<double>(pairs.size());
  }
  return m;
}

}  // namespace

std::vector<std::size_t> cells_of_condition(const TrainingData& data, std::size_t condition, std::size_t context) {
  std::vector<std::size_t> here, anywhere;
  for (std::size_t i = 0; i < data.cells(); ++i) {
    if (static_cast<std::size_t>(data.condition[i]) != condition) continue;
    anywhere.push_back(i);
    if (static_cast<std::size_t>(data.context[i]) == context) here.push_back(i);
  }
  return here.empty() ? anywhere : here;
}

std::vector<double> mixture_mean(const TrainingData& data, const BetweenTimes& between, std::size_t context) {
  const auto [earlier, later, share] = between;
  std::vector<double> m = mean_of(data, cells_of_condition(data, earlier, context));
  const std::vector<double> to = mean_of(data, cells_of_condition(data, later, context));
  for (std::size_t g = 0; g < m.size(); ++g) m[g] += share * (to[g] - m[g]);
  return m;
}

GeneratedCells mixture_cells(const TrainingData& data, const BetweenTimes& between, std::size_t context,
                             std::size_t count, std::uint64_t seed) {
  const auto later = static_cast<std::size_t>(std::llround(between.share * static_cast<double>(count)));
  auto cells = some_of(cells_of_condition(data, between.earlier, context), count - later, seed);
  for (const std::size_t i : some_of(cells_of_condition(data, between.later, context), later, seed + 1))
    cells.push_back(i);
  return moved_cells(data, cells, {});
}

Query query_at(const TrainingData& data, double time, std::size_t context) {
  const auto order = in_order(data);
  check_course(order);
  const BetweenTimes place =
      place_of(data, order, std::clamp(time, data.times[order.front()], data.times[order.back()]));
  if (place.earlier == place.later) return {data.conditions[place.earlier], context};
  Query q{{}, context, place};
  auto add = [&](std::size_t condition, double weight) {
    for (Condition::Part part : data.conditions[condition].parts) {
      part.weight *= weight;
      q.condition.parts.push_back(std::move(part));
    }
  };
  add(place.earlier, 1 - place.share), add(place.later, place.share);
  std::sort(q.condition.parts.begin(), q.condition.parts.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return q;
}

std::vector<TimeCourse::Pair> TimeCourse::couple(Queue& queue, const TrainingData& data,
                                                 const std::vector<float>& positions, std::size_t width,
                                                 const Interval& interval) const {
  const auto [earlier, later, context] = interval;
  const auto from = cells_of_condition(data, earlier, context), to = cells_of_condition(data, later, context);
  auto at = [&](const std::vector<std::size_t>& cells) {
    std::vector<float> x;
    for (const std::size_t i : cells)
      x.insert(x.end(), positions.begin() + static_cast<std::ptrdiff_t>(i * width),
               positions.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
    return x;
  };
  const TransportPlan plan = transport_plan(queue, at(from), at(to), width, Coupling::balanced, {});
  const Pairs drawn = draw_pairs(queue, plan, Coupling::balanced, std::max(least_pairs, from.size()), 0x71e, context);
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < drawn.first.size(); ++i)
    pairs.push_back({from[static_cast<std::size_t>(drawn.first[i])], to[static_cast<std::size_t>(drawn.second[i])]});
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.earlier < b.earlier; });
  return pairs;
}

TimeCourse::TimeCourse(Queue& queue, const TrainingData& data, const std::vector<float>& positions, std::size_t width)
    : order_(in_order(data)) {
  if (order_.size() < 2) return;
  for (std::size_t c = 0; c < data.contexts.size(); ++c)
    for (std::size_t k = 1; k < order_.size(); ++k) {
      const Interval interval{order_[k - 1], order_[k], c};
      pairs_[interval] = couple(queue, data, positions, width, interval);
    }
  if (order_.size() == 2) {
    report_ = "between times: displacement interpolation of counts (two times leave nothing to choose by)";
    return;
  }
  double mixture = 0, displaced = 0;
  std::size_t judged = 0;
  auto distance = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t g = 0; g < a.size(); ++g) sum += (a[g] - b[g]) * (a[g] - b[g]);
    return std::sqrt(sum);
  };
  for (std::size_t c = 0; c < data.contexts.size(); ++c)
    for (std::size_t k = 1; k + 1 < order_.size(); ++k) {
      const std::vector<std::size_t> rest{order_[k - 1], order_[k + 1]};
      const BetweenTimes place = place_of(data, rest, data.times[order_[k]]);
      const std::vector<double> truth = mean_of(data, cells_of_condition(data, order_[k], c));
      mixture += distance(truth, mixture_mean(data, place, c));
      const auto pairs = couple(queue, data, positions, width, {rest[0], rest[1], c});
      displaced += distance(truth, displaced_mean(data, pairs, place.share));
      ++judged;
    }
  mixture_ = mixture < displaced;
  report_ = text("between times: ", mixture_ ? "mixture of both times' cells" : "displacement interpolation of counts",
                 ", chosen on ", judged, " training times left out; L2: displacement ",
                 displaced / static_cast<double>(judged), ", mixture ", mixture / static_cast<double>(judged));
}

std::vector<double> TimeCourse::mean(const TrainingData& data, const Query& q) const {
  if (mixture_) return mixture_mean(data, *q.between, q.context);
  const auto [earlier, later, share] = *q.between;
  return displaced_mean(data, pairs_.at({earlier, later, q.context}), share);
}

GeneratedCells TimeCourse::cells(const TrainingData& data, const Query& q, std::size_t count,
                                 std::uint64_t seed) const {
  if (mixture_) return mixture_cells(data, *q.between, q.context, count, seed);
  return follow(data, q.context, {*q.between}, count, seed)[0];
}

std::vector<GeneratedCells> TimeCourse::trajectory(const TrainingData& data, std::size_t context,
                                                   const std::vector<double>& times, std::size_t count,
                                                   std::uint64_t seed) const {
  check_course(order_);
  std::vector<BetweenTimes> points;
  const double first = data.times[order_.front()], last = data.times[order_.back()];
  for (std::size_t i = 0; i < times.size(); ++i) {
    require_input(times[i] >= first && times[i] <= last, "time ", times[i], " lies outside the training data's ", first,
                  " to ", last);
    require_input(i == 0 || times[i] > times[i - 1], "the times of a trajectory must rise, but ", times[i], " follows ",
                  times[i - 1]);
    points.push_back(place_of(data, order_, times[i]));
  }
  return follow(data, context, points, count, seed);
}

std::vector<GeneratedCells> TimeCourse::follow(const TrainingData& data, std::size_t context,
                                               const std::vector<BetweenTimes>& points, std::size_t count,
                                               std::uint64_t seed) const {
  // Every cell of the first time as often as every other.
  std::size_t at = points.front().earlier;
  const auto pool = cells_of_condition(data, at, context);
  std::vector<std::size_t> now, next;
  for (std::size_t i = 0; i < count; i += pool.size()) {
    const auto some = some_of(pool, std::min(pool.size(), count - i), seed + i);
    now.insert(now.end(), some.begin(), some.end());
  }
  auto partners = [&](std::size_t later) {
    const auto& pairs = pairs_.at({at, later, context});
    std::vector<std::size_t> to, used(data.cells(), 0);
    for (std::size_t i = 0; i < count; ++i) {
      const auto begin = std::lower_bound(pairs.begin(), pairs.end(), now[i],
                                          [](const Pair&p, std::size_t cell) { return p.earlier < cell; }),
                 end = std::upper_bound(begin, pairs.end(), now[i],
                                        [](std::size_t cell, const Pair&p) { return cell < p.earlier; });
      // Of the partners drawn from the plan the one used least so far, from a random one on: chance alone would favour
      // some of the later cells.
      const auto n = static_cast<std::uint64_t>(end - begin);
      const std::uint64_t first = (std::uint64_t{philox(seed, 0x71ea + at, i).word[0]} * n) >> 32;
      std::size_t best = (begin + static_cast<std::ptrdiff_t>(first))->later;
      for (std::uint64_t k = 1; k < n; ++k)
        if (const std::size_t cell = (begin + static_cast<std::ptrdiff_t>((first + k) % n))->later;
            used[cell] < used[best])
          best = cell;
      ++used[best];
      to.push_back(best);
    }
    return to;
  };
  std::vector<GeneratedCells> out;
  for (const auto& [earlier, later, share] : points) {
    while (at != earlier) {
      const std::size_t after = *(std::find(order_.begin(), order_.end(), at) + 1);
      now = next.empty() ? partners(after) : next, next.clear();
      at = after;
    }
    if (share > 0 && next.empty()) next = partners(later);
    GeneratedCells cells;
    cells.count = count, cells.genes = data.genes;
    for (std::size_t i = 0; i < count; ++i) {
      const CellBetween cell(data, now[i], share > 0 ? next[i] : now[i], share, seed, i);
      cells.library_size.push_back(cell.library_size());
      for (std::size_t g = 0; g < data.genes; ++g) {
        const double n = cell.counts(g);
        cells.counts.push_back(static_cast<float>(n));
        cells.expression.push_back(static_cast<float>(cell.expression(n)));
      }
    }
    out.push_back(std::move(cells));
  }
  return out;
}

}  // namespace perturbine
