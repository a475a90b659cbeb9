// Mean + residual diffusion. Stage 1 predicts the mean mu(c): the closed form, moved by a network as far as helps on
// conditions it did not learn from. Stage 2 is diffusion of the residuals x - mu(c); samples are centred, so that their
// mean is mu(c).
#pragma once
#include "models/diffusion.h"
#include "models/mean_network.h"

namespace perturbine {

class Hybrid : public Diffusion {
 public:
  std::string name() const override { return "hybrid"; }
  std::vector<std::string> report() const override;

  void resume(Queue& queue, const ProgressCallback& progress) override;
  std::size_t total_steps() const override;
  /// Share of the network's shift in predictions.
  double mean_share() const { return mean_share_; }

 protected:
  void declare(Parameters& parameters) override;
  void prepare_targets(Queue& queue) override;
  /// What the mean network says.
  std::vector<double> shift(Queue& queue, const Query& query) const override;

 private:
  bool joint() const { return options_.hybrid_training == "joint"; }
  /// A seen condition in a context and what the closed form misses of it when it is left out.
  struct Pair {
    Query query;
    std::vector<std::size_t> cells;
    std::vector<float> missed;  // [width], scaled
    float length = 0;           // of the mean change, as the network is told
  };
  /// Squared error of the mean network on pairs: half of the rows single cells, half whole pairs.
  StepParts mean_step(Queue& queue, std::vector<const Pair*> pairs, const MeanNetwork& network) const;
  std::vector<float> shift_of(Queue& queue, const Parameters& parameters, const MeanNetwork& network,
                              const Query& query) const;
  /// The share in [0, 1] with the least squared error on conditions the network did not learn from: the split's
  /// validation conditions, else training pairs in four folds, each judged by a network trained on the others. 0 unless
  /// the gain is larger than its standard error over the conditions.
  void choose_share(Queue& queue);

  std::vector<Pair> pairs_;
  std::vector<float> missed_cells_;  // [cells, width], scaled, about the left-out means
  std::unique_ptr<MeanNetwork> mean_network_;
  std::string share_report_;
};

}  // namespace perturbine
