#include "models/flow.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "kernels/core/philox.h"
#include "kernels/random/random.h"
#include "kernels/transport/path.h"
#include "models/calibration.h"
#include "models/real_cells.h"

namespace perturbine {
namespace {

constexpr std::size_t group_rows = 64;        // of a batch that are coupled with one another
constexpr std::size_t least_to_judge = 40;    // cells of a pool
constexpr std::size_t rectified_pairs = 256;  // of each condition and context

// One batch on the device: fixed capacity, the same addresses every step.
struct DeviceBatch {
  Buffer<float> source;
  Buffer<std::int32_t> row, target;
  Buffer<float> time, shared_time, row_weight;  // shared: of the network's conditions
  Buffer<std::uint64_t> draw;
  DeviceBatch(Queue& q, std::size_t rows, std::size_t width)
      : source(q, rows * width),
        row(q, rows),
        target(q, rows),
        time(q, rows),
        shared_time(q, rows / cells_sharing(rows)),
        row_weight(q, std::vector<float>(rows, 1.0f / static_cast<float>(rows))),
        draw(q, 1) {}
};

}  // namespace

void Flow::check_options(const TrainingOptions& options) const {
  NetworkModel::check_options(options);
  require_input(options.objective == "flow-matching" || options.rectify == 0,
                "rectification straightens paths; objective transport has none");
}

void Flow::prepare_targets(Queue& queue) {
  const TrainingData& d = data();
  residuals_ = backbone_->residuals();
  for (float& v : residuals_) v *= static_cast<float>(scale_);
  keep_.clear();
  for (const double share : backbone_->space().technical_share)
    keep_.push_back(static_cast<float>(std::sqrt(1 - share)));
  controls_.clear(), pools_.clear(), teacher_.clear();
  for (std::size_t c = 0; c < d.contexts.size(); ++c) controls_.push_back(controls_of(d, c));
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> cells;
  for (std::size_t i = 0; i < d.cells(); ++i)
    if (d.condition[i] != 0) cells[{d.condition[i], d.context[i]}].push_back(i);
  for (auto& [key, members] : cells) {
    const auto context = static_cast<std::size_t>(key.second);
    Pool pool{{d.conditions[static_cast<std::size_t>(key.first)], context}, {}, {}, {}, {}};
    auto deal = [](const std::vector<std::size_t>& from, std::vector<std::size_t>& learn,
                   std::vector<std::size_t>& judge) {
      for (std::size_t i = 0; i < from.size(); ++i)
        (i % 5 == 4 && from.size() >= least_to_judge ? judge : learn).push_back(from[i]);
    };
    deal(members, pool.cells, pool.judge_cells);
    deal(controls_[context], pool.controls, pool.judge_controls);
    pools_.push_back(std::move(pool));
  }
  share_ = 1;
  share_report_.clear();
  bases_.clear();
  for (std::size_t c = 0; c < d.contexts.size(); ++c) bases_.push_back(fit_base(c));
  require_input(!pools_.empty(), "flow: there are no perturbed cells to train on");
  straight_ = false, covariance_ = variance_;
  if (options_.objective == "transport") return;
  // How alike the ends of pairs are, from the pairs of ten batches.
  std::vector<double> product(variance_.size(), 0);
  std::size_t count = 0;
  for (std::size_t batch = 0; batch < 10; ++batch) {
    std::vector<float> source;
    std::vector<std::int32_t> target;
    std::vector<std::size_t> pool;
    fill_pairs(queue, batch, source, target, pool);
    count += target.size();
    for (std::size_t i = 0; i < target.size(); ++i)
      for (std::size_t k = 0; k < product.size(); ++k)
        product[k] += static_cast<double>(source[i * product.size() + k]) *
                      static_cast<double>(residuals_[static_cast<std::size_t>(target[i]) * product.size() + k]);
  }
  for (std::size_t k = 0; k < product.size(); ++k)
    covariance_[k] =
        std::clamp(static_cast<float>(product[k] / static_cast<double>(count)), -.9f * variance_[k], variance_[k]);
}

void Flow::fill_pairs(Queue& queue, std::size_t step, std::vector<float>& source, std::vector<std::int32_t>& target,
                      std::vector<std::size_t>& pool_of_row) const {
  const std::size_t rows = options_.batch_size, width = variance_.size();
  const Coupling coupling = coupling_named(options_.coupling);
  for (std::size_t first = 0; first < rows; first += group_rows) {
    const std::size_t n = std::min(group_rows, rows - first);
    const std::uint64_t seed = options_.seed ^ 0xf10eull;
    const Pool& pool = pools_[below(philox(seed, step, first).word[0], pools_.size())];
    auto draw = [&](const std::vector<std::size_t>& from, std::uint64_t stream) {
      // Without repeats while there are enough.
      std::vector<std::uint32_t> order(from.size());
      random_permutation(seed + stream, step * 4096 + first / group_rows, order.data(), order.size());
      std::vector<std::size_t> chosen;
      for (std::size_t i = 0; i < n; ++i) chosen.push_back(from[order[i % order.size()]]);
      return chosen;
    };
    const auto controls = draw(pool.controls, 1), cells = draw(pool.cells, 2);
    // A control cell stands for its neighbourhood: learned from the cells alone, a flow memorises them.
    const Base& base = bases_[pool.query.context];
    std::vector<float> start(n * width), end, noise(width);
    for (std::size_t i = 0; i < n; ++i) {
      normal_row(seed + 4, step * 4096 + first / group_rows, i, noise.data(), width);
      smooth(base, residuals_.data() + controls[i] * width, noise.data(), start.data() + i * width);
      const float* z = residuals_.data() + cells[i] * width;
      end.insert(end.end(), z, z + width);
    }
    auto weighed = [&](std::vector<float> x) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] *= keep_[i % width];
      return x;
    };
    const TransportPlan plan = transport_plan(queue, weighed(start), weighed(end), width, coupling,
                                              {options_.coupling_epsilon, options_.coupling_penalty, 50});
    const Pairs pairs = draw_pairs(queue, plan, coupling, n, seed + 3, step * 4096 + first / group_rows);
    for (std::size_t r = 0; r < n; ++r) {
      const float* x = start.data() + static_cast<std::size_t>(pairs.first[r]) * width;
      source.insert(source.end(), x, x + width);
      target.push_back(static_cast<std::int32_t>(cells[static_cast<std::size_t>(pairs.second[r])]));
      pool_of_row.push_back(static_cast<std::size_t>(&pool - pools_.data()));
    }
  }
}

void Flow::choose_share(Queue& queue) {
  std::vector<const Pool*> judged;
  for (const Pool& p : pools_)
    if (!p.judge_cells.empty() && !p.judge_controls.empty()) judged.push_back(&p);
  std::stable_sort(judged.begin(), judged.end(),
                   [](auto* a, auto* b) { return a->judge_cells.size() > b->judge_cells.size(); });
  if (judged.size() > 8) judged.resize(8);
  share_ = 1;
  if (judged.empty()) return;
  auto residuals_of = [&](const std::vector<std::size_t>& cells) {
    std::vector<float> x;
    for (std::size_t i = 0; i < std::min<std::size_t>(200, cells.size()); ++i)
      x.insert(x.end(), residuals_.begin() + static_cast<std::ptrdiff_t>(cells[i] * width()),
               residuals_.begin() + static_cast<std::ptrdiff_t>((cells[i] + 1) * width()));
    return x;
  };
  // Means are the backbone's (decoding centres the residuals), so that only shapes are compared.
  auto centred = [&](std::vector<float> x) {
    const std::size_t n = x.size() / width();
    for (std::size_t k = 0; k < width(); ++k) {
      double mean = 0;
      for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(x[i * width() + k]) / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) x[i * width() + k] -= static_cast<float>(mean);
    }
    return x;
  };
  share_report_ = text("flow: share of the network's velocity chosen on held-out cells of ", judged.size(),
                       " training conditions; energy distance:");
  std::vector<std::vector<double>> scores;  // of each share and pool
  std::size_t best = 0;
  std::vector<double> means;
  for (int quarter = 0; quarter <= 4; ++quarter) {
    share_ = quarter / 4.0;
    scores.emplace_back(), means.push_back(0);
    for (const Pool* p : judged) {
      scores.back().push_back(sample_energy_distance(
          queue, centred(carry(queue, p->query, residuals_of(p->judge_controls), 0, 1, solver())),
          centred(residuals_of(p->judge_cells)), width()));
      means.back() += scores.back().back() / static_cast<double>(judged.size());
    }
    share_report_ += text(" ", share_, " ", means.back());
    if (means.back() < means[best]) best = scores.size() - 1;
  }
  std::size_t chosen = 0;
  while (excess_beyond_error(scores[chosen], scores[best]) > 0) ++chosen;
  share_ = static_cast<double>(chosen) / 4;
  share_report_ += text("; chosen ", share_, ", the smallest within a standard error of the least");
}

void Flow::make_rectified_pairs(Queue& queue) {
  // The teacher samples; its weights stand in a copy whose average they are.
  rectified_source_.clear(), rectified_target_.clear(), rectified_first_ = {0};
  const std::vector<float> average = parameters_->average().get(queue);
  parameters_->average().set(queue, teacher_);
  straight_ = false;
  for (const Pool& pool : pools_) {
    const Start s = start(pool.query, rectified_pairs, options_.seed ^ 0x4ec7);
    const auto end = carry(queue, pool.query, s.residuals, 0, 1, {Solver::rk4, 10, 1e-4});
    rectified_source_.insert(rectified_source_.end(), s.residuals.begin(), s.residuals.end());
    rectified_target_.insert(rectified_target_.end(), end.begin(), end.end());
    rectified_first_.push_back(rectified_source_.size() / width());
  }
  parameters_->average().set(queue, average);
}

void Flow::resume(Queue& queue, const ProgressCallback& progress) {
  const std::size_t rows = options_.batch_size, width = variance_.size();
  const bool direct = options_.objective == "transport";
  DeviceBatch batch(queue, rows, width);
  std::vector<std::int32_t> in_order(rows);
  std::iota(in_order.begin(), in_order.end(), 0);
  batch.row.set(queue, in_order);
  const std::size_t sharing = cells_sharing(rows), groups = rows / sharing;
  DeviceConditions conditions(queue, vocabulary_, groups, vocabulary_.most_parts());
  const Buffer<float> variance(queue, variance_);
  const float spread = direct ? 0.0f : static_cast<float>(options_.spread);

  auto run_stage = [&](const std::vector<float>& target_cells, float noise, auto&& choose, std::size_t first,
                       std::size_t last) {
    const Buffer<float> targets(queue, target_cells), covariance(queue, end_covariance());
    StepParts parts;
    parts.fill = [&](std::size_t step) {
      std::vector<float> source;
      std::vector<std::int32_t> target;
      std::vector<std::size_t> pool_of_row;
      choose(step, source, target, pool_of_row);
      std::vector<float> time(groups, 0), row_time;
      HostConditions host;
      for (std::size_t group = 0; group < groups; ++group) {
        const PhiloxWords w = philox(options_.seed ^ 0xf10full, step, group);
        // Stratified, and in another order than the pools.
        const std::size_t stratum = (group * 97 + step) % groups;
        if (!direct) time[group] = (static_cast<float>(stratum) + uniform(w.word[0])) / static_cast<float>(groups);
        row_time.insert(row_time.end(), sharing, time[group]);
        const Pool& pool = pools_[pool_of_row[group * sharing]];
        host.add_row(vocabulary_, uniform(w.word[1]) > options_.drop_perturbation ? &pool.query.condition : nullptr,
                     uniform(w.word[2]) > options_.drop_context ? static_cast<std::int32_t>(pool.query.context) : -1,
                     [&](std::size_t k) { return philox(options_.seed ^ 0xc0117ull, step, group * 64 + k).word[0]; });
      }
      conditions.set(queue, std::move(host));
      batch.source.set(queue, source), batch.target.set(queue, target), batch.time.set(queue, row_time);
      batch.shared_time.set(queue, time);
      batch.draw.set(queue, {step});
    };
    parts.loss = [&](Tape& tape) {
      const MatrixView<float> xt = tape.arena().matrix<float>(rows, width),
                              velocity = tape.arena().matrix<float>(rows, width);
      queue.run(PathInterpolation<float>{
          batch.source.matrix(rows, width), targets.matrix(target_cells.size() / width, width), batch.row.view(),
          batch.target.view(), batch.time.view(), direct ? VectorView<float>{} : variance.view(),
          direct ? VectorView<float>{} : covariance.view(), batch.draw.view(), xt, velocity, noise, options_.seed});
      const Var F = network_->forward(tape, tape.constant(xt),
                                      network_->modulation(tape, conditions.view(batch.shared_time.view())),
                                      options_.dropout, batch.draw.view(), options_.seed);
      return ops::squared_error_loss(tape, F, velocity, batch.row_weight.view());
    };
    return train(queue, parts, first, last, progress);
  };

  if (step_ < options_.steps) {
    if (!run_stage(
            residuals_, spread,
            [&](std::size_t step, auto& source, auto& target, auto& pool) {
              fill_pairs(queue, step, source, target, pool);
            },
            0, options_.steps))
      return;
  }
  // The teacher's share is chosen on its own paths.
  if (step_ == options_.steps) choose_share(queue);
  if (options_.rectify == 0) return;
  if (teacher_.empty()) teacher_ = parameters_->average().get(queue);
  make_rectified_pairs(queue);
  // Liu et al., arXiv:2209.03003: flow matching again, on the ends of the first flow's own paths.
  straight_ = true;
  if (run_stage(
          rectified_target_, 0.0f,
          [&](std::size_t step, auto& source, auto& target, auto& pool) {
            for (std::size_t i = 0; i < rows; ++i) {
              const PhiloxWords w = philox(options_.seed ^ 0x4ec8ull, step, i);
              pool.push_back(i % sharing == 0 ? below(w.word[0], pools_.size()) : pool.back());
              const std::size_t first = rectified_first_[pool.back()], end = rectified_first_[pool.back() + 1];
              const std::size_t pair = first + below(w.word[1], end - first);
              const float* x = rectified_source_.data() + pair * width;
              source.insert(source.end(), x, x + width);
              target.push_back(static_cast<std::int32_t>(pair));
            }
          },
          options_.steps, total_steps()))
    share_ = 1;  // its targets are the teacher's paths, their share included
}

void Flow::set_state(Queue& queue, const State& s) {
  NetworkModel::set_state(queue, s);
  teacher_ = s.teacher;
  straight_ = step_ > options_.steps;
  share_ = s.choices.at(0);
}

NetworkModel::State Flow::state(Queue& queue) const {
  State s = NetworkModel::state(queue);
  s.teacher = teacher_;
  s.choices = {share_};
  return s;
}

std::vector<std::string> Flow::report() const {
  auto lines = backbone_->report();
  std::size_t without = 0;
  for (std::size_t c = 0; c < controls_.size(); ++c)
    without += static_cast<std::size_t>(data().context[controls_[c].at(0)]) != c ? 1 : 0;
  if (without > 0)
    lines.push_back(text("flow: ", without, " context(s) have no control cells; cells there start from all controls"));
  if (!share_report_.empty()) lines.push_back(share_report_);
  return lines;
}

}  // namespace perturbine
