// The list of models.
#include <algorithm>

#include "kernels/core/joined.h"
#include "models/baselines.h"
#include "models/causal_vae.h"
#include "models/cpa.h"
#include "models/diffusion.h"
#include "models/flow.h"
#include "models/hybrid.h"
#include "models/model_variant.h"
#include "models/scgen.h"
#include "models/scvi.h"

namespace perturbine {

const std::vector<std::string>& trainable_names() {
  static const std::vector<std::string> names{"diffusion", "flow", "causal-vae", "hybrid"};
  return names;
}

std::unique_ptr<NetworkModel> make_trainable(const std::string& name) {
  if (name == "diffusion") return std::make_unique<Diffusion>();
  if (name == "flow") return std::make_unique<Flow>();
  if (name == "causal-vae") return std::make_unique<CausalVae>();
  if (name == "hybrid") return std::make_unique<Hybrid>();
  throw InputError(text("model '", name, "' cannot be trained; choose among ", joined(trainable_names())));
}

bool is_trainable(const std::string& name) {
  return std::find(trainable_names().begin(), trainable_names().end(), model_of_variant(name)) !=
         trainable_names().end();
}

bool builds_on_backbone(const std::string& name) { return model_of_variant(name) == "backbone" || is_trainable(name); }

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = baseline_names();
    all.emplace_back("backbone");
    all.insert(all.end(), {"scgen", "cpa", "scvi"});
    all.insert(all.end(), trainable_names().begin(), trainable_names().end());
    return all;
  }();
  return names;
}

std::unique_ptr<Model> make_model(const std::string& name) {
  if (auto baseline = make_baseline(name)) return baseline;
  if (name == "backbone") return std::make_unique<Backbone>();
  if (name == "scgen") return std::make_unique<ScGen>();
  if (name == "cpa") return std::make_unique<Cpa>();
  if (name == "scvi") return std::make_unique<ScVi>();
  if (is_trainable(name)) return make_trainable(name);
  throw InputError(text("model '", name, "' is not known; choose among ", joined(model_names())));
}

}  // namespace perturbine
