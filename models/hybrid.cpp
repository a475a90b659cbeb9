#include "models/hybrid.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/core/philox.h"
#include "models/mean_share.h"

namespace perturbine {
namespace {

constexpr std::size_t mean_steps = 300;

// What a step of the mean network reads.
struct MeanBatch {
  Buffer<float> target, time, row_weight;
  DeviceConditions conditions;
  MeanBatch(Queue& q, std::size_t rows, std::size_t width, const ConditionVocabulary& vocabulary, std::size_t parts)
      : target(q, rows * width),
        time(q, std::vector<float>(rows, 1.0f)),
        row_weight(q, std::vector<float>(rows, 1.0f / static_cast<float>(rows))),
        conditions(q, vocabulary, rows, parts) {}
};

}  // namespace

std::size_t Hybrid::total_steps() const { return options_.steps + (joint() ? 0 : mean_steps); }

void Hybrid::prepare_targets(Queue& queue) {
  const std::string network_mean = options_.network_mean;
  options_.network_mean = "never";  // the diffusion's own way of moving the mean; here a network of its own does
  Diffusion::prepare_targets(queue);
  options_.network_mean = network_mean;
  const TrainingData& d = data();
  missed_cells_ = about_means(d, [&](const Query& q) { return backbone_->left_out_mean(q); });
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> cells;
  for (std::size_t i = 0; i < d.cells(); ++i)
    if (d.condition[i] != 0) cells[{d.condition[i], d.context[i]}].push_back(i);
  pairs_.clear();
  for (auto& [key, members] : cells) {
    Pair p{{d.conditions[static_cast<std::size_t>(key.first)], static_cast<std::size_t>(key.second)},
           std::move(members),
           std::vector<float>(width(), 0)};
    for (std::size_t k = 0; k < width(); ++k) {
      double sum = 0;
      for (const std::size_t i : p.cells) sum += static_cast<double>(missed_cells_[i * width() + k]);
      p.missed[k] = static_cast<float>(sum / static_cast<double>(p.cells.size()));
    }
    p.length = length_of(p.query);
    pairs_.push_back(std::move(p));
  }
  require_input(!pairs_.empty(), "hybrid: there are no perturbed cells to train on");
  mean_share_ = options_.network_mean == "never" ? 0 : -1;
  share_report_.clear();
}

void Hybrid::declare(Parameters& parameters) {
  NetworkModel::declare(parameters);
  mean_network_ = std::make_unique<MeanNetwork>(parameters, width(), vocabulary_.sizes(options_.hidden),
                                                options_.penalty, joint() ? &network_->encoder() : nullptr);
}

NetworkModel::StepParts Hybrid::mean_step(Queue& queue, std::vector<const Pair*> pairs,
                                          const MeanNetwork& network) const {
  const std::size_t rows = options_.batch_size, K = width();
  const auto batch = std::make_shared<MeanBatch>(queue, rows, K, vocabulary_, vocabulary_.most_parts());
  StepParts parts;
  parts.fill = [this, &queue, batch, pairs = std::move(pairs), rows, K](std::size_t step) {
    HostConditions host;
    std::vector<float> target;
    for (std::size_t i = 0; i < rows; ++i) {
      const PhiloxWords w = philox(options_.seed ^ 0x3ea4ull, step, i);
      const Pair& p = *pairs[below(w.word[0], pairs.size())];
      const float* x =
          i % 2 == 0 ? p.missed.data() : missed_cells_.data() + p.cells[below(w.word[1], p.cells.size())] * K;
      target.insert(target.end(), x, x + K);
      host.add_row(
          vocabulary_, &p.query.condition, static_cast<std::int32_t>(p.query.context),
          [&](std::size_t k) { return philox(options_.seed ^ 0xc0118ull, step, i * 64 + k).word[0]; }, p.length);
    }
    batch->conditions.set(queue, std::move(host));
    batch->target.set(queue, target);
  };
  parts.loss = [batch, &network, rows, K](Tape& tape) {
    const Var shift = network.shift(tape, batch->conditions.view(batch->time.view()));
    return ops::squared_error_loss(tape, shift, batch->target.matrix(rows, K), batch->row_weight.view());
  };
  return parts;
}

std::vector<float> Hybrid::shift_of(Queue& queue, const Parameters& of, const MeanNetwork& network,
                                    const Query& q) const {
  Parameters parameters = of.averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.for_inference();
  tape.begin_step();
  HostConditions host;
  const std::size_t set = std::max<std::size_t>(1, vocabulary_.set_size());
  host.add_row(
      vocabulary_, &q.condition, static_cast<std::int32_t>(q.context),
      [&](std::size_t k) { return static_cast<std::uint32_t>(((2 * k + 1) << 31) / set); }, length_of(q));
  MeanBatch batch(queue, 1, width(), vocabulary_, std::max(vocabulary_.most_parts(), q.condition.parts.size()));
  batch.conditions.set(queue, std::move(host));
  const MatrixView<float> z = tape.value(network.shift(tape, batch.conditions.view(batch.time.view())));
  std::vector<float> shift(width());
  queue.read(shift.data(), z.data, shift.size() * sizeof(float));
  return shift;
}

void Hybrid::choose_share(Queue& queue) {
  std::vector<JudgedShift> judged;
  auto judge = [&](const Parameters& parameters, const MeanNetwork& network, const Pair& p) {
    judged.push_back(JudgedShift::of(p.missed, shift_of(queue, parameters, network, p.query)));
  };
  auto train_on = [&](const std::vector<const Pair*>& learn, auto&& then) {
    Parameters parameters;
    const MeanNetwork network(parameters, width(), vocabulary_.sizes(options_.hidden), options_.penalty, nullptr);
    parameters.allocate(queue, options_.seed);
    set_time_frequencies(queue, parameters);
    train_apart(queue, parameters, mean_step(queue, learn, network), mean_steps / 2);
    then(parameters, network);
  };
  const bool validates = data().validation != nullptr;
  if (validates) {
    std::vector<const Pair*> learn;
    for (const Pair& p : pairs_) learn.push_back(&p);
    train_on(learn, [&](const Parameters& parameters, const MeanNetwork& network) {
      const TrainingData& v = *data().validation;
      const auto about = about_means(v, [&](const Query& q) { return backbone_->mean(q); });
      for (const ConditionMean& m : condition_means(v, about))
        judge(parameters, network, Pair{m.query, {}, {m.mean.begin(), m.mean.end()}});
    });
  } else if (pairs_.size() >= 8) {
    for (std::size_t fold = 0; fold < 4; ++fold) {
      std::vector<const Pair*> learn;
      for (std::size_t i = 0; i < pairs_.size(); ++i)
        if (i % 4 != fold) learn.push_back(&pairs_[i]);
      train_on(learn, [&](const Parameters& parameters, const MeanNetwork& network) {
        for (std::size_t i = fold; i < pairs_.size(); i += 4) judge(parameters, network, pairs_[i]);
      });
    }
  }
  mean_share_ = 0;
  if (judged.size() < 3) {
    share_report_ = "hybrid: too few conditions to judge the network's mean; the closed form's is kept";
    return;
  }
  const MeanShare share = perturbine::choose_mean_share(judged);
  mean_share_ = share.taken;
  share_report_ =
      text("hybrid: the network's best share of the mean is ", share.best, " on ", judged.size(),
           validates ? " validation conditions" : " training conditions left out in four folds", ", which takes ",
           100 * share.gain, " % (standard error ", 100 * share.error, ") off the squared error; taken: ", mean_share_);
}

void Hybrid::resume(Queue& queue, const ProgressCallback& progress) {
  if (mean_share_ < 0) choose_share(queue);
  std::vector<const Pair*> all;
  for (const Pair& p : pairs_) all.push_back(&p);
  StepParts mean = mean_step(queue, all, *mean_network_), residual = diffusion_step(queue);
  if (joint()) {
    StepParts both;
    both.fill = [&](std::size_t step) { mean.fill(step), residual.fill(step); };
    both.loss = [&](Tape& tape) {
      mean.loss(tape);
      return residual.loss(tape);
    };
    both.validation = residual.validation;
    train(queue, both, 0, options_.steps, progress);
    return;
  }
  if (step_ < mean_steps && !train(queue, mean, 0, mean_steps, progress)) return;
  train(queue, residual, mean_steps, total_steps(), progress);
}

std::vector<double> Hybrid::shift(Queue& queue, const Query& q) const {
  return genes_of(shift_of(queue, *parameters_, *mean_network_, q), q.context);
}

std::vector<std::string> Hybrid::report() const {
  auto lines = Diffusion::report();
  if (!share_report_.empty()) lines.push_back(share_report_);
  return lines;
}

}  // namespace perturbine
