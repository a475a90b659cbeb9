// What the published systems share: networks of their own, not built on the backbone, trained over epochs by Adam as
// their packages do.
#pragma once
#include <memory>

#include "models/model.h"
#include "models/normalised_layer.h"

namespace perturbine {

class PublishedModel : public Model {
 public:
  std::vector<std::string> report() const override { return report_; }

 protected:
  using Layer = NormalisedLayer;
  using Noise = DropoutNoise;
  struct Schedule {
    std::size_t batch = 32, epochs = 100;
    std::size_t patience = 0;    // epochs without a fall of the watched loss after which training stops; 0: never
    double held_out_share = .1;  // of the training cells, which are watched or, as in the packages, unused
    float rate = 1e-3f, epsilon = .01f;
    std::size_t rate_epochs = 0;  // after which the rate is multiplied by rate_factor; 0: never
    float rate_factor = 1;
  };
  /// A second network with an aim of its own, which takes `turns` steps after each one of the model's.
  struct Opponent {
    Parameters* parameters = nullptr;  // null: there is none
    float rate = 1e-3f;
    std::size_t turns = 0;
    std::function<void(Tape& tape)> loss;
  };
  struct Steps {
    /// Writes a batch, the first `rows` of `cells`, to device memory.
    std::function<void(const std::vector<std::size_t>& cells, std::size_t rows, std::size_t step, std::size_t epoch)>
        fill;
    /// Runs forward and returns the rows' losses.
    std::function<VectorView<float>(Tape& tape)> loss;
    Opponent opponent = {};
    /// The loss of cells that do not train; may be empty.
    std::function<double(const std::vector<std::size_t>& cells)> watch;
  };

  /// Forgets everything, for new data: parameters are declared and allocated after it.
  void begin(const TrainingData& data, const TrainingOptions& options);
  std::size_t rows_of_batch(const Schedule& s) const;
  /// Trains over shuffled epochs, which run into one another so that every batch is whole; reports how it ended.
  void train(Queue& queue, const Schedule& schedule, const Steps& steps, const ProgressCallback& progress);

  /// Adam with L2 penalty, the model's parameters.
  static constexpr ParameterSettings adam{1, 0, 1e-6f, false};
  Layer add_layer(const std::string& name, std::size_t out, std::size_t in, float slope) {
    return add_normalised_layer(*parameters_, name, out, in, slope, adam);
  }
  Parameter add_weight(const std::string& name, std::size_t rows, std::size_t columns);
  Parameter add_row(const std::string& name, std::size_t columns);
  static Var layer(Tape& tape, Var x, const Layer& layer, const Noise* noise, std::uint64_t stream) {
    return normalised_layer(tape, x, layer, noise, stream);
  }

  /// Calls body(tape, first, count) for blocks of rows, with frozen parameters.
  template <class Body>
  void infer(Queue& queue, std::size_t rows, Body&& body) const {
    constexpr std::size_t at_once = 512;
    Parameters parameters = *parameters_;
    Arena arena(queue);
    Tape tape(arena, parameters);
    tape.for_inference();
    for (std::size_t first = 0; first < rows; first += at_once) {
      tape.begin_step();
      body(tape, first, std::min(at_once, rows - first));
    }
  }
  static std::vector<float> read(Queue& queue, MatrixView<const float> m);
  /// Expression of cells first ... first + count - 1 of a list, [count, genes].
  std::vector<float> expression_of(const std::vector<std::size_t>& cells, std::size_t first, std::size_t count) const;

  TrainingData data_;
  std::uint64_t seed_ = 1;
  std::unique_ptr<Parameters> parameters_;
  std::vector<std::string> report_;
};

}  // namespace perturbine
