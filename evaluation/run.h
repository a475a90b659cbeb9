// A trained model on disk: one checkpoint that needs nothing beside it.
#pragma once
#include <memory>
#include <string>

#include "models/network_model.h"

namespace perturbine {

struct Run {
  std::unique_ptr<NetworkModel> model;
  TrainingOptions options;
  std::vector<std::string> gene_names;
  std::string data_sha256, split_sha256, version;
  std::size_t step = 0;
};

/// What a checkpoint holds beside the network: the training cells, so that means, latent space and decoder follow
/// again.
void save_run(Queue& queue, const std::string& path, const NetworkModel& model, const TrainingOptions& options,
              const std::vector<std::string>& gene_names, const std::string& data_sha256,
              const std::string& split_sha256, std::size_t step);
/// Loads a checkpoint; the model is ready to predict and sample, and fit() is not called again.
Run load_run(Queue& queue, const std::string& path);

}  // namespace perturbine
