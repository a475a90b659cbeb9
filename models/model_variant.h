// A model under options of its own: "diffusion:target=v:sampler-steps=20" is diffusion with two options changed, so
// that one benchmark compares configurations as it compares models.
#pragma once
#include <string>

#include "models/training_options.h"

namespace perturbine {

struct ModelVariant {
  std::string model;
  TrainingOptions options;  // `base` with the variant's own values
};
/// Throws InputError naming the part that is no option, has no value or an impossible one. The seed is not an option.
ModelVariant parse_variant(const std::string& name, const TrainingOptions& base);
/// What stands before the first colon: the model's name.
std::string model_of_variant(const std::string& name);

}  // namespace perturbine
