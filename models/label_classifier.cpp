// The classifier of labels every trained model has.
#include "models/label_classifier.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "models/network_model.h"

namespace perturbine {

std::vector<float> softmax_rows(const std::vector<float>& logits, std::size_t classes) {
  std::vector<float> p(logits);
  for (std::size_t i = 0; i < p.size(); i += classes) {
    const auto begin = p.begin() + static_cast<std::ptrdiff_t>(i), end = begin + static_cast<std::ptrdiff_t>(classes);
    const float largest = *std::max_element(begin, end);
    float sum = 0;
    for (auto c = begin; c != end; ++c) sum += * c = std::exp(*c - largest);
    for (auto c = begin; c != end; ++c) *c /= sum;
  }
  return p;
}

CellLabels NetworkModel::labels(Queue& queue, const std::vector<float>& expression) const {
  constexpr std::size_t steps = 400, hidden = 64;
  const TrainingData& d = data();
  const std::size_t K = width(), rows = options_.batch_size, classes[3] = {d.contexts.size(), d.batch_count(), 2};
  Parameters parameters;
  const ParameterSettings bias{1, 0, 0, false};
  const Parameter w = parameters.add("labels.1.weight", hidden, K, Initial::uniform_fan_in),
                  b = parameters.add("labels.1.bias", 1, hidden, Initial::zero, bias);
  Parameter head_w[3], head_b[3];
  const char* names[3] = {"labels.context", "labels.batch", "labels.perturbed"};
  for (std::size_t h = 0; h < 3; ++h) {
    head_w[h] = parameters.add(std::string(names[h]) + ".weight", classes[h], hidden, Initial::uniform_fan_in);
    head_b[h] = parameters.add(std::string(names[h]) + ".bias", 1, classes[h], Initial::zero, bias);
  }
  parameters.allocate(queue, options_.seed);
  auto logits = [&](Tape& t, Var x, std::size_t h) {
    return ops::linear(t, ops::linear(t, x, w, b, Activation::silu), head_w[h], head_b[h]);
  };
  const std::vector<float> positions = positions_of(d.expression);
  Buffer<float> x(queue, rows * K);
  const Buffer<float> weight(queue, std::vector<float>(rows, 1.0f / static_cast<float>(rows)));
  Buffer<std::int32_t> label[3] = {{queue, rows}, {queue, rows}, {queue, rows}};
  StepParts parts;
  parts.fill = [&](std::size_t step) {
    std::vector<float> chosen;
    std::vector<std::int32_t> of[3];
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t cell = below(philox(options_.seed ^ 0x1abe1ull, step, i).word[0], d.cells());
      const auto at = positions.begin() + static_cast<std::ptrdiff_t>(cell * K);
      chosen.insert(chosen.end(), at, at + static_cast<std::ptrdiff_t>(K));
      of[0].push_back(d.context[cell]), of[1].push_back(static_cast<std::int32_t>(d.batch_of(cell)));
      of[2].push_back(d.condition[cell] == 0 ? 0 : 1);
    }
    x.set(queue, chosen);
    for (std::size_t h = 0; h < 3; ++h) label[h].set(queue, of[h]);
  };
  parts.loss = [&](Tape& t) {
    VectorView<float> loss;
    for (std::size_t h = 0; h < 3; ++h)
      loss = ops::softmax_cross_entropy(t, logits(t, t.constant(x.matrix(rows, K)), h), label[h].view(), weight.view());
    return loss;
  };
  train_apart(queue, parameters, parts, steps);

  Parameters averaged = parameters.averaged(queue);
  Arena arena(queue);
  Tape tape(arena, averaged);
  tape.for_inference();
  tape.begin_step();
  const std::vector<float> at = positions_of(expression);
  const std::size_t n = at.size() / K;
  const Buffer<float> cells(queue, at);
  std::vector<float> probability[3];
  for (std::size_t h = 0; h < 3; ++h) {
    std::vector<float> out(n * classes[h]);
    queue.read(out.data(), tape.value(logits(tape, tape.constant(cells.matrix(n, K)), h)).data,
               out.size() * sizeof(float));
    probability[h] = softmax_rows(out, classes[h]);
  }
  CellLabels labels{probability[0], probability[1], {}};
  for (std::size_t i = 0; i < n; ++i) labels.perturbed.push_back(probability[2][2 * i + 1]);
  return labels;
}

}  // namespace perturbine
