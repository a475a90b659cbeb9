// effects and impute: what a trained run says of perturbations and of cells.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/command.h"
#include "evaluation/run.h"
#include "io/file.h"
#include "io/split.h"
#include "models/causal_vae.h"

namespace perturbine::cli {
namespace {

// Rows of text for a file: commas between the fields, or tabs where its name ends in .tsv.
class Table {
 public:
  Table(const std::string& path, int digits) : separator_(path.ends_with(".tsv") ? '\t' : ',') {
    out_.precision(digits);
  }

  template <class... Fields>
  void row(const Fields&... fields) {
    bool first = true;
    const auto put = [&]<class F>(const F& f) {
      if (!std::exchange(first, false)) out_ << separator_;
      if constexpr (std::is_arithmetic_v<F>)
        out_ << f;
      else
        out_ << quoted(f);
    };
    (put(fields), ...);
    out_ << "\n";
  }
  std::string contents() const { return out_.str(); }

 private:
  // Where it has to be.
  std::string quoted(const std::string& s) const {
    if (s.find_first_of("\"\n\r") == std::string::npos && s.find(separator_) == std::string::npos) return s;
    std::string quoted = "\"";
    for (const char c : s) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
  }

  char separator_;
  std::ostringstream out_;
};

struct EffectsOptions {
  std::string run, out, cell_type;
  bool force = false;
};

void effects(const EffectsOptions& o, const Common& common) {
  claim_output(o.out, o.force);
  Work work(common);
  Queue& queue = work.queue();
  const Run run = load_run(queue, checkpoint_of(o.run));
  const TrainingData& data = run.model->backbone().data();
  std::vector<std::size_t> contexts;
  if (!o.cell_type.empty())
    contexts = {context_named(data, o.cell_type, "--cell-type")};
  else
    for (std::size_t c = 0; c < data.contexts.size(); ++c) contexts.push_back(c);
  const auto sure = perturbation_uncertainty(data);
  require_input(!sure.empty(), o.run, ": was trained on control cells alone; there are no effects");
  const auto variance = residual_variance(data);
  Table table(o.out, 6);
  table.row("perturbation", "cell_type", "space", "feature", "effect", "standard_error", "cells");
  for (const std::size_t c : contexts) {
    const auto control = run.model->predict_mean(queue, {{}, c});
    for (const PerturbationUncertainty& u : sure) {
      const auto mean = run.model->predict_mean(queue, {parse_condition(u.perturbation), c});
      for (std::size_t g = 0; g < data.genes; ++g)
        table.row(u.perturbation, data.contexts[c], "gene", run.gene_names[g], mean[g] - control[g],
                  u.factor * std::sqrt(variance[g]), u.cells);
    }
  }
  std::size_t latent = 0;
  if (const auto* vae = dynamic_cast<const CausalVae*>(run.model.get())) {
    const auto deltas = vae->latent_effects(queue);
    for (std::size_t p = 0; p < deltas.size(); ++p)
      for (std::size_t k = 0; k < deltas[p].delta.size(); ++k)
        table.row(deltas[p].perturbation, "", "state", text("state", k + 1), deltas[p].delta[k],
                  deltas[p].standard_error[k], sure[p].cells);
    latent = deltas.empty() ? 0 : deltas[0].delta.size();
  }
  write_text(o.out, table.contents());
  say(common, text("effects of ", sure.size(), " perturbations on ", data.genes, " genes",
                   latent == 0 ? "" : text(" and on ", latent, " coordinates of the state")));
  print_result(common, "effects", o.out,
               {{"perturbations", sure.size()}, {"genes", data.genes}, {"state_coordinates", latent}});
}

// The labels of a field that a run tells apart, and for each of the model's classes which label it is.
struct Labels {
  std::vector<std::string> names;
  std::vector<std::size_t> of_class;
};

// Contexts of a run with --batch covariate are batches, or cell types in batches, "type|batch".
Labels cell_types_of(const TrainingData& data) {
  const auto type = [&](const std::string& context) -> std::optional<std::string> {
    for (const std::string& batch : data.batches) {
      if (context == batch) return "";
      if (context.ends_with("|" + batch)) return context.substr(0, context.size() - batch.size() - 1);
    }
    return std::nullopt;
  };
  const bool in_batches = data.batch_count() > 1 && std::all_of(data.contexts.begin(), data.contexts.end(),
                                                                [&](const auto& c) { return type(c).has_value(); });
  Labels labels;
  for (const std::string& context : data.contexts) {
    const std::string name = in_batches ? *type(context) : context;
    const auto at = std::find(labels.names.begin(), labels.names.end(), name);
    labels.of_class.push_back(static_cast<std::size_t>(at - labels.names.begin()));
    if (at == labels.names.end()) labels.names.push_back(name);
  }
  return labels;
}

struct ImputeOptions {
  DataOptions data;
  std::string run, field = "cell_type", split, out;
  bool force = false;
};

void impute(ImputeOptions& o, const Common& common) {
  require_input(o.field == "cell_type" || o.field == "batch" || o.field == "perturbed", "--field is '", o.field,
                "' but must be cell_type, batch or perturbed");
  claim_output(o.out, o.force);
  const Dataset cells = read_data(o.data, common);
  Work work(common);
  const Run run = load_run(work.queue(), checkpoint_of(o.run));
  const TrainingData& data = run.model->backbone().data();
  Labels known{{"control", "perturbed"}, {0, 1}};
  if (o.field == "cell_type") known = cell_types_of(data);
  if (o.field == "batch") {
    known = {data.batches, std::vector<std::size_t>(data.batches.size())};
    std::iota(known.of_class.begin(), known.of_class.end(), std::size_t{0});
  }
  const std::vector<std::string>& names = known.names;
  require_input(names.size() > 1, o.run, ": was trained on one ", o.field == "batch" ? "batch" : "cell type",
                "; there is nothing to tell apart");
  // Accuracy is told of cells that were held out of training, where a split says which those are.
  std::vector<char> counts(cells.cells(), 1);
  if (!o.split.empty()) {
    const auto folds = read_split(o.split);
    require_input(folds.size() == 1, o.split, ": has ", folds.size(), " folds; impute takes the split of the run");
    std::fill(counts.begin(), counts.end(), char{0});
    for (const Fold::Entry& e : apply_split(folds[0], cells).test)
      for (const std::size_t i : e.cells) counts[i] = 1;
  }
  const CellLabels labels = run.model->labels(work.queue(), cells.expression_of_genes(run.gene_names));
  Table table(o.out, 4);
  table.row("cell", "predicted", "probability", "observed", "counted");
  std::size_t judged = 0, right = 0;
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < cells.cells(); ++i) {
    std::size_t best = 0;
    double probability;
    if (o.field == "perturbed") {
      probability = static_cast<double>(labels.perturbed[i]);
      best = probability > .5 ? 1 : 0;
      probability = best == 1 ? probability : 1 - probability;
    } else {
      const std::size_t classes = known.of_class.size();
      const float* p = (o.field == "cell_type" ? labels.context : labels.batch).data() + i * classes;
      std::vector<double> of_label(names.size());
      for (std::size_t k = 0; k < classes; ++k) of_label[known.of_class[k]] += static_cast<double>(p[k]);
      best = static_cast<std::size_t>(std::max_element(of_label.begin(), of_label.end()) - of_label.begin());
      probability = of_label[best];
    }
    const std::string observed = o.field == "cell_type" ? cells.contexts[static_cast<std::size_t>(cells.context[i])]
                                 : o.field == "batch"   ? cells.batches[static_cast<std::size_t>(cells.batch[i])]
                                                        : names[cells.condition[i] == 0 ? 0 : 1];
    const bool judge = counts[i] != 0 && std::find(names.begin(), names.end(), observed) != names.end();
    if (judge) ++seen[observed];
    judged += judge ? 1 : 0, right += judge && names[best] == observed ? 1 : 0;
    table.row(cells.cell_names[i], names[best], probability, observed, judge ? 1 : 0);
  }
  write_text(o.out, table.contents());
  std::size_t most = 0;
  for (const auto& [label, count] : seen) most = std::max(most, count);
  const double share = judged == 0 ? 0 : static_cast<double>(most) / static_cast<double>(judged);
  const double accuracy = judged == 0 ? 0 : static_cast<double>(right) / static_cast<double>(judged);
  if (judged > 0)
    say(common, text(o.field, ": ", 100 * accuracy, " % of ", judged, " cells with a known label are right, ",
                     100 * share, " % have the most common one",
                     o.split.empty() ? " (cells of the training data may be among them; name the --split to leave "
                                       "them out)"
                                     : " (held-out cells)"));
  else
    say(common, text("no cell could be judged: none that counts has a ", o.field, " that the run was trained on"));
  print_result(common, "impute", o.out,
               {{"field", o.field},
                {"cells", cells.cells()},
                {"judged", judged},
                {"accuracy", accuracy},
                {"most_common", share}});
}

}  // namespace

void add_effects(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<EffectsOptions>();
  app.add_option("--run", o->run, "folder of a trained run")->required();
  app.add_option("--cell-type", o->cell_type, "one context only");
  app.add_option("--out", o->out, "table to write (.csv, or .tsv)")->required();
  app.add_flag("--force", o->force, "replace an existing file");
  action = [o, &common] { effects(*o, common); };
}

void add_impute(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<ImputeOptions>();
  app.add_option("--run", o->run, "folder of a trained run")->required();
  app.add_option("--data", o->data.path, "AnnData file (.h5ad) with the cells")->required();
  app.add_option("--field", o->field, "cell_type, batch or perturbed")->capture_default_str();
  app.add_option("--split", o->split, "the run's split: accuracy is then told of its held-out cells alone");
  app.add_option("--out", o->out, "table to write (.csv, or .tsv)")->required();
  app.add_flag("--force", o->force, "replace an existing file");
  add_given_cell_options(app, o->data);
  action = [o, &common] { impute(*o, common); };
}

}  // namespace perturbine::cli
