#include "models/published_model.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "kernels/core/philox.h"
#include "models/network_model.h"

namespace perturbine {
namespace {

std::vector<std::size_t> shuffled(std::vector<std::size_t> cells, std::uint64_t seed, std::uint64_t stream) {
  for (std::size_t i = cells.size(); i > 1; --i)
    std::swap(cells[i - 1], cells[below(philox(seed, stream, i).word[0], i)]);
  return cells;
}

// One network's steps by Adam.
class Learner {
 public:
  Learner(Queue& queue, Parameters& parameters, float epsilon, std::function<void(Tape&)> loss)
      : queue_(queue),
        optimiser_(queue, parameters, {.decay = 0, .epsilon = epsilon, .clip = 1e30f, .average_decay = 0}),
        arena_(queue),
        tape_(arena_, parameters),
        loss_(std::move(loss)) {}

  void step(float rate) {
    optimiser_.prepare(queue_, ++taken_, rate);
    auto launches = [&] {
      tape_.begin_step();
      loss_(tape_);
      tape_.backward();
      optimiser_.apply(queue_);
    };
    // The first step sizes the arena, the second captures, the others replay.
    if (taken_ == 1)
      launches();
    else if (taken_ == 2)
      captured_ = queue_.capture(launches);
    else
      captured_.run();
  }

 private:
  Queue& queue_;
  Optimiser optimiser_;
  Arena arena_;
  Tape tape_;
  std::function<void(Tape&)> loss_;
  CapturedWork captured_;
  std::size_t taken_ = 0;
};

}  // namespace

void PublishedModel::begin(const TrainingData& data, const TrainingOptions& options) {
  data_ = data;
  seed_ = options.seed;
  parameters_ = std::make_unique<Parameters>();
  report_.clear();
}

std::size_t PublishedModel::rows_of_batch(const Schedule& s) const {
  const auto held = static_cast<std::size_t>(s.held_out_share * static_cast<double>(data_.cells()));
  const std::size_t rows = std::min(s.batch, data_.cells() - held);
  require_input(rows >= 2, name(), ": needs at least 2 training cells");
  return rows;
}

void PublishedModel::train(Queue& queue, const Schedule& s, const Steps& steps, const ProgressCallback& progress) {
  std::vector<std::size_t> cells(data_.cells());
  std::iota(cells.begin(), cells.end(), std::size_t{0});
  cells = shuffled(std::move(cells), seed_, 0x5b117ull);
  const auto held = static_cast<std::ptrdiff_t>(s.held_out_share * static_cast<double>(cells.size()));
  const std::vector<std::size_t> watched(cells.begin(), cells.begin() + held);
  cells.erase(cells.begin(), cells.begin() + held);
  const std::size_t rows = rows_of_batch(s);

  VectorView<float> loss;
  Learner model(queue, *parameters_, s.epsilon, [&](Tape& tape) { loss = steps.loss(tape); });
  std::unique_ptr<Learner> opponent;
  if (steps.opponent.parameters != nullptr)
    opponent = std::make_unique<Learner>(queue, *steps.opponent.parameters, s.epsilon, steps.opponent.loss);
  const auto start = std::chrono::steady_clock::now();
  const std::size_t most = std::max<std::size_t>(1, s.epochs * cells.size() / rows);
  double best = INFINITY;
  std::size_t since_best = 0, epoch = 0, step = 0;
  std::vector<std::size_t> coming;
  std::string stopped;
  while (step < most) {
    while (coming.size() < rows) {
      const auto next = shuffled(cells, seed_, 0xe90c4ull + epoch++);
      coming.insert(coming.end(), next.begin(), next.end());
    }
    steps.fill(coming, rows, step, epoch - 1);
    coming.erase(coming.begin(), coming.begin() + static_cast<std::ptrdiff_t>(rows));
    const double fall =
        s.rate_epochs == 0 ? 1 : std::pow(static_cast<double>(s.rate_factor), (epoch - 1) / s.rate_epochs);
    if (opponent == nullptr || step % (steps.opponent.turns + 1) == 0)
      model.step(static_cast<float>(s.rate * fall));
    else
      opponent->step(static_cast<float>(steps.opponent.rate * fall));
    ++step;
    if (progress && step % 50 == 0) {
      std::vector<float> of_row(rows);
      queue.read(of_row.data(), loss.data, rows * sizeof(float));
      const double sum = std::accumulate(of_row.begin(), of_row.end(), 0.0) / static_cast<double>(rows);
      require(std::isfinite(sum), name(), ": the loss is not finite at step ", step);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (!progress({step, most, sum, static_cast<double>(s.rate) * fall, seconds,
                     static_cast<double>(step * rows) / seconds, std::nullopt}))
        break;
    }
    if (s.patience == 0 || coming.size() >= rows || watched.empty()) continue;  // the epoch goes on
    const double now = steps.watch(watched);
    if (now < best) {
      best = now, since_best = 0;
    } else if (++since_best >= s.patience) {
      stopped = text("; the loss on a tenth of the cells had not fallen for ", s.patience, " epochs");
      break;
    }
  }
  report_ = {text(name(), ": ", epoch, " of at most ", s.epochs, " epochs of ", cells.size(), " cells, ", step,
                  " steps of ", rows, stopped,
                  " (its published recipe; of the training options it takes the seed only)")};
}

Parameter PublishedModel::add_weight(const std::string& name, std::size_t rows, std::size_t columns) {
  return parameters_->add(name, rows, columns, Initial::uniform_fan_in, adam);
}
Parameter PublishedModel::add_row(const std::string& name, std::size_t columns) {
  return parameters_->add(name, 1, columns, Initial::zero, adam);
}
std::vector<float> PublishedModel::read(Queue& queue, MatrixView<const float> m) {
  std::vector<float> out(m.rows * m.columns);
  queue.read(out.data(), m.data, out.size() * sizeof(float));
  return out;
}

std::vector<float> PublishedModel::expression_of(const std::vector<std::size_t>& cells, std::size_t first,
                                                 std::size_t count) const {
  std::vector<float> x;
  x.reserve(count * data_.genes);
  for (std::size_t i = first; i < first + count; ++i)
    x.insert(x.end(), data_.row(cells[i]), data_.row(cells[i]) + data_.genes);
  return x;
}

}  // namespace perturbine
