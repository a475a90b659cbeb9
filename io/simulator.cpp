#include "io/simulator.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "io/dataset.h"
#include "kernels/core/thread_pool.h"
#include "kernels/counts/formulas.h"

namespace perturbine {
namespace {

// Purposes of random streams: the row word of the counter.
enum Stream : std::uint64_t { loadings, effects, couplings, cycles, types, batch_offsets, shares, pairs, cells };

double normal_at(std::uint64_t seed, Stream s, std::uint64_t a, std::uint64_t b) {
  formulas::ElementRandom r{seed, a << 8, static_cast<std::uint64_t>(s), b};
  return static_cast<double>(r.normal());
}
double uniform_at(std::uint64_t seed, Stream s, std::uint64_t a, std::uint64_t b) {
  formulas::ElementRandom r{seed, (a << 8) + 128, static_cast<std::uint64_t>(s), b};
  return static_cast<double>(r.uniform());
}

}  // namespace

SimulationSettings preset_settings(const std::string& preset) {
  SimulationSettings s;
  s.preset = preset;
  if (preset == "screen") {
    s.perturbations = 40, s.doubles = 0, s.cell_types = 3, s.batches = 3, s.cells_per_condition = 90,
    s.control_cells = 600;
  } else if (preset == "dose") {
    s.perturbations = 8, s.doubles = 0, s.doses = {.25, .5, 1, 2}, s.cells_per_condition = 120, s.control_cells = 300;
  } else if (preset == "timecourse") {
    s.perturbations = 2, s.doubles = 0, s.responders = 1, s.rare = 0, s.times = {4, 8, 16, 32, 64},
    s.cells_per_condition = s.control_cells = 250;
  } else {
    require_input(preset == "norman", "--preset is '", preset, "' but must be norman, screen, dose or timecourse");
  }
  return s;
}

void imitate(SimulationSettings& s, const Dataset& data) {
  const auto controls = data.cells_of(0);
  s.genes = data.genes();
  s.gene_names = data.gene_names;
  s.share.assign(s.genes, 0);
  std::vector<double> square(s.genes, 0), expected_square(s.genes, 0);
  s.library_sizes.clear();
  for (const std::size_t i : controls) {
    s.library_sizes.push_back(data.library_size[i]);
    for (auto k = static_cast<std::size_t>(data.counts.row_offsets[i]);
         k < static_cast<std::size_t>(data.counts.row_offsets[i + 1]); ++k) {
      const double p = static_cast<double>(data.counts.values[k]) / data.library_size[i];
      s.share[static_cast<std::size_t>(data.counts.column_index[k])] += p / static_cast<double>(controls.size());
    }
  }
  // Moment estimate: E[(x - mu)^2] = mu + mu^2 / theta with mu = share * library size.
  s.theta.assign(s.genes, 10);
  for (std::size_t g = 0; g < s.genes; ++g)
    for (const std::size_t i : controls) expected_square[g] += std::pow(s.share[g] * data.library_size[i], 2);
  for (const std::size_t i : controls) {
    std::vector<double> x(s.genes, 0);
    for (auto k = static_cast<std::size_t>(data.counts.row_offsets[i]);
         k < static_cast<std::size_t>(data.counts.row_offsets[i + 1]); ++k)
      x[static_cast<std::size_t>(data.counts.column_index[k])] = static_cast<double>(data.counts.values[k]);
    for (std::size_t g = 0; g < s.genes; ++g) {
      const double mu = s.share[g] * data.library_size[i];
      square[g] += (x[g] - mu) * (x[g] - mu) - mu;
    }
  }
  for (std::size_t g = 0; g < s.genes; ++g) {
    if (square[g] > 0 && expected_square[g] > 0) s.theta[g] = std::clamp(expected_square[g] / square[g], .3, 100.0);
    s.share[g] = std::max(s.share[g], 1e-7);
  }
}

Simulator::Simulator(SimulationSettings settings) : settings_(std::move(settings)) {
  SimulationSettings& s = settings_;
  require_input(s.genes >= 2 && s.perturbations >= 2 && s.cells_per_condition >= 2,
                "the simulator needs at least 2 genes, perturbations and cells of each condition");
  if (s.gene_names.empty())
    for (std::size_t g = 0; g < s.genes; ++g) s.gene_names.push_back("GENE" + std::to_string(g + 1));
  if (s.share.empty()) {
    // Highly variable panel genes of a cell with about 15,000 counts: most are seldom seen, a few dominate.
    for (std::size_t g = 0; g < s.genes; ++g) {
      s.share.push_back(std::exp(-14.6 + 2.3 * normal_at(s.seed, shares, g, 0)));
      s.theta.push_back(std::exp(.9 + .7 * normal_at(s.seed, shares, g, 1)));
    }
    for (std::size_t i = 0; i < 1000; ++i)
      s.library_sizes.push_back(s.depth * std::exp(9.4 + .35 * normal_at(s.seed, shares, i, 2)));
  }
  for (double& p : s.share) p = std::min(p, 2e-2);
  for (std::size_t p = 0; p < s.perturbations; ++p) perturbations_.push_back("P" + std::to_string(p + 1));

  const std::size_t K = s.programs, G = s.genes;
  loading_.assign(K * G, 0);
  for (std::size_t k = 0; k < K; ++k)
    for (std::size_t g = 0; g < G; ++g)
      if (uniform_at(s.seed, loadings, k, g) < .15) loading_[k * G + g] = .9 * normal_at(s.seed, loadings, k, g);
  effect_.assign(s.perturbations * K, 0);
  for (std::size_t p = 0; p < s.perturbations; ++p) {
    // A quarter of the perturbations are weak, as real ones are.
    const double strength =
        s.strength *
        (uniform_at(s.seed, effects, p, 1000) < .25 ? .12 : .5 + .7 * uniform_at(s.seed, effects, p, 1001));
    for (std::size_t k = 0; k < K; ++k)
      if (uniform_at(s.seed, effects, p, k) < .3) effect_[p * K + k] = strength * normal_at(s.seed, effects, p, k);
  }
  coupling_.assign(K * K, 0);
  for (std::size_t a = 0; a < K; ++a)
    for (std::size_t b = 0; b < K; ++b)
      if (a != b && uniform_at(s.seed, couplings, a, b) < .15)
        coupling_[a * K + b] = .6 * normal_at(s.seed, couplings, a, b);
  for (std::size_t i = 0; i < 2 * G; ++i)
    cycle_.push_back(uniform_at(s.seed, cycles, 0, i) < .1 ? .35 * normal_at(s.seed, cycles, 0, i) : 0);
  for (std::size_t i = 0; i < s.cell_types * G; ++i)
    type_offset_.push_back(i < G ? 0
                                 : (uniform_at(s.seed, types, 0, i) < .3 ? .8 * normal_at(s.seed, types, 0, i) : 0));
  for (std::size_t i = 0; i < s.batches * G; ++i)
    batch_offset_.push_back(i < G ? 0 : s.batch_effect * normal_at(s.seed, batch_offsets, 0, i));

  conditions_.emplace_back();
  if (!s.times.empty()) {
    require_input(s.perturbations >= 2 && s.doubles == 0,
                  "a simulated time course has two perturbations and no doubles");
    for (const double t : s.times) conditions_.push_back(parse_condition(text("hour", t)));
    return;
  }
  for (const std::string& name : perturbations_) {
    if (s.doses.empty()) conditions_.push_back(parse_condition(name));
    for (const double dose : s.doses) conditions_.push_back(parse_condition(text(name, ":", dose)));
  }
  if (s.doubles == 0) return;
  std::size_t draw = 0;
  while (conditions_.size() < 1 + s.perturbations + s.doubles) {
    const auto pick = [&](std::uint64_t which) {
      return static_cast<std::size_t>(uniform_at(s.seed, pairs, which, draw) * static_cast<double>(s.perturbations) *
                                      .999999);
    };
    const std::size_t a = pick(0), b = pick(1);
    require_input(++draw < 100000, "the simulator cannot find ", s.doubles, " different pairs of ", s.perturbations,
                  " perturbations");
    if (a == b) continue;
    const Condition c = parse_condition(perturbations_[a] + "+" + perturbations_[b]);
    if (std::find(conditions_.begin(), conditions_.end(), c) == conditions_.end()) conditions_.push_back(c);
  }
}

Condition Simulator::resolved(const Condition& condition) const {
  if (settings_.times.empty() || condition.is_control()) return condition;
  const auto found = std::find(conditions_.begin(), conditions_.end(), condition);
  require_input(found != conditions_.end(), "the simulation has no condition '", canonical_label(condition), "'");
  const double t = settings_.times[static_cast<std::size_t>(found - conditions_.begin()) - 1];
  return {{{perturbations_[0], 3 * (1 - std::exp(-t / 8))}, {perturbations_[1], 3 * (1 - std::exp(-t / 30))}}};
}

std::vector<double> Simulator::activity(const Condition& asked, double strength) const {
  const Condition condition = resolved(asked);
  const std::size_t K = settings_.programs;
  std::vector<double> input(K, 0), out(K, 0);
  for (const auto& part : condition.parts) {
    const auto found = std::find(perturbations_.begin(), perturbations_.end(), part.name);
    require_input(found != perturbations_.end(), "the simulation has no perturbation '", part.name, "'");
    const auto p = static_cast<std::size_t>(found - perturbations_.begin());
    for (std::size_t k = 0; k < K; ++k) input[k] += strength * part.weight * effect_[p * K + k];
  }
  // Saturation, then one step along the network, saturated again: sums of perturbations are not sums of effects.
  const double top = settings_.saturation;
  for (std::size_t k = 0; k < K; ++k) {
    double driven = input[k];
    for (std::size_t j = 0; j < K; ++j) driven += coupling_[j * K + k] * top * std::tanh(input[j] / top);
    out[k] = top * std::tanh(driven / top);
  }
  return out;
}

Simulator::Cell Simulator::sample(const Condition& condition, std::size_t cell_type, std::size_t batch,
                                  std::uint64_t number) const {
  const SimulationSettings& s = settings_;
  std::uint64_t h = 1469598103934665603ull;
  for (const char c : canonical_label(condition)) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  formulas::ElementRandom random{s.seed ^ h, (number << 20) + (cell_type << 12) + (batch << 8),
                                 static_cast<std::uint64_t>(cells), 0};
  Cell cell;
  cell.library_size = s.library_sizes[static_cast<std::size_t>(random.uniform() *
                                                               static_cast<float>(s.library_sizes.size()) * .999999f)];
  const float u = random.uniform();
  cell.rare = static_cast<double>(u) < s.rare;
  cell.responds = cell.rare || static_cast<double>(u) < s.responders;
  const double phase = 2 * M_PI * static_cast<double>(random.uniform());
  const auto drive = activity(condition, cell.rare ? 3.0 : (cell.responds ? 1.0 : 0.0));
  cell.counts.resize(s.genes);
  std::vector<double> log_rate(s.genes);
  const double cosine = std::cos(phase), sine = std::sin(phase);
  for (std::size_t g = 0; g < s.genes; ++g)
    log_rate[g] = type_offset_[cell_type * s.genes + g] + batch_offset_[batch * s.genes + g] + cosine * cycle_[g] +
                  sine * cycle_[s.genes + g];
  for (std::size_t k = 0; k < s.programs; ++k)
    for (std::size_t g = 0; g < s.genes; ++g) log_rate[g] += drive[k] * loading_[k * s.genes + g];
  for (std::size_t g = 0; g < s.genes; ++g) {
    const double rate = std::min(.05, s.share[g] * std::exp(log_rate[g])) * cell.library_size;
    formulas::ElementRandom draw{s.seed ^ h, (number << 20) + (cell_type << 12) + (batch << 8),
                                 static_cast<std::uint64_t>(cells), g + 1};
    const float gamma = formulas::unit_gamma(static_cast<float>(s.theta[g]), draw);
    cell.counts[g] = formulas::poisson(static_cast<float>(rate) * gamma, draw);
  }
  return cell;
}

std::vector<double> Simulator::mean(const Condition& condition, std::size_t cell_type, std::size_t count) const {
  std::vector<double> m(settings_.genes, 0);
  for (std::size_t i = 0; i < count; ++i) {
    // Numbers far from those of the data set: the truth is not the sample.
    const Cell c = sample(condition, cell_type, i % settings_.batches, 1000000 + i);
    for (std::size_t g = 0; g < m.size(); ++g)
      m[g] += std::log1p(10000 * static_cast<double>(c.counts[g]) / c.library_size) / static_cast<double>(count);
  }
  return m;
}

H5adContents Simulator::data_set(int threads) const {
  const SimulationSettings& s = settings_;
  // Every cell has random numbers of its own.
  ThreadPool pool(threads);
  H5adContents out;
  out.gene_names = s.gene_names;
  out.matrix.columns = s.genes;
  std::vector<std::string> label, type, batch, flag;
  std::vector<double> library, time;
  for (std::size_t n = 0; n < conditions_.size(); ++n) {
    const Condition& c = conditions_[n];
    const std::size_t count = c.is_control() ? s.control_cells : s.cells_per_condition;
    std::vector<Cell> made(count);
    pool.for_ranges(count, 4, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) made[i] = sample(c, i % s.cell_types, i / s.cell_types % s.batches, i);
    });
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t t = i % s.cell_types, b = i / s.cell_types % s.batches;
      const Cell& cell = made[i];
      for (std::size_t g = 0; g < s.genes; ++g) {
        if (cell.counts[g] == 0) continue;
        out.matrix.column_index.push_back(static_cast<std::int32_t>(g));
        out.matrix.values.push_back(cell.counts[g]);
      }
      if (out.matrix.values.size() == static_cast<std::size_t>(out.matrix.row_offsets.back()))
        continue;  // an empty droplet
      out.matrix.row_offsets.push_back(static_cast<std::int64_t>(out.matrix.values.size()));
      ++out.matrix.rows;
      label.push_back(canonical_label(c));
      type.push_back("type" + std::to_string(t + 1));
      batch.push_back("batch" + std::to_string(b + 1));
      flag.emplace_back("yes");
      library.push_back(cell.library_size);
      time.push_back(n == 0 || s.times.empty() ? 0 : s.times[n - 1]);
      out.cell_names.push_back("cell" + std::to_string(out.matrix.rows));
    }
  }
  out.text_columns = {{"condition", label}, {"batch", batch}, {"simulated", flag}};
  if (s.cell_types > 1) out.text_columns.emplace_back("cell_type", type);
  out.number_columns = {{"library_size", library}};
  if (!s.times.empty()) out.number_columns.emplace_back("time", time);

  // Truth: means of every condition and type, and what doubles do beyond the sum of their parts.
  constexpr std::size_t truth_cells = 1000;
  std::vector<float> means, interactions;
  std::string labels, interaction_labels;
  for (std::size_t t = 0; t < s.cell_types; ++t) {
    std::vector<std::vector<double>> m(conditions_.size());
    pool.for_ranges(m.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t n = begin; n < end; ++n) m[n] = mean(conditions_[n], t, truth_cells);
    });
    for (std::size_t n = 0; n < m.size(); ++n) {
      const Condition& c = conditions_[n];
      means.insert(means.end(), m[n].begin(), m[n].end());
      labels +=
          (labels.empty() ? "" : "\n") + canonical_label(c) + (s.cell_types > 1 ? "|type" + std::to_string(t + 1) : "");
    }
    for (std::size_t c = 0; c < conditions_.size(); ++c) {
      if (conditions_[c].parts.size() != 2) continue;
      std::vector<double> rest = m[c];
      for (std::size_t g = 0; g < s.genes; ++g) rest[g] += m[0][g];
      for (const auto& part : conditions_[c].parts) {
        const auto single = static_cast<std::size_t>(
            std::find(conditions_.begin(), conditions_.end(), parse_condition(part.name)) - conditions_.begin());
        for (std::size_t g = 0; g < s.genes; ++g) rest[g] -= m[single][g];
      }
      interactions.insert(interactions.end(), rest.begin(), rest.end());
      interaction_labels += (interaction_labels.empty() ? "" : "\n") + canonical_label(conditions_[c]);
    }
  }
  const nlohmann::ordered_json settings{{"preset", s.preset},
                                        {"seed", s.seed},
                                        {"genes", s.genes},
                                        {"programs", s.programs},
                                        {"perturbations", s.perturbations},
                                        {"doubles", s.doubles},
                                        {"cell_types", s.cell_types},
                                        {"batches", s.batches},
                                        {"cells_per_condition", s.cells_per_condition},
                                        {"control_cells", s.control_cells},
                                        {"responders", s.responders},
                                        {"rare", s.rare},
                                        {"strength", s.strength},
                                        {"saturation", s.saturation},
                                        {"batch_effect", s.batch_effect},
                                        {"doses", s.doses},
                                        {"times", s.times}};
  out.notes = {{"settings", settings.dump()}, {"truth_labels", labels}, {"interaction_labels", interaction_labels}};
  out.arrays.emplace_back("truth_mean", std::vector<std::size_t>{means.size() / s.genes, s.genes}, means);
  if (!interactions.empty())
    out.arrays.emplace_back("truth_interaction", std::vector<std::size_t>{interactions.size() / s.genes, s.genes},
                            interactions);
  std::vector<float> share(s.share.begin(), s.share.end()), theta(s.theta.begin(), s.theta.end()),
      sizes(s.library_sizes.begin(), s.library_sizes.end());
  out.arrays.emplace_back("truth_share", std::vector<std::size_t>{share.size()}, share);
  out.arrays.emplace_back("truth_theta", std::vector<std::size_t>{theta.size()}, theta);
  out.arrays.emplace_back("truth_library_sizes", std::vector<std::size_t>{sizes.size()}, sizes);
  return out;
}

Simulator read_simulation(const std::string& path) {
  const auto file = hdf5::open_file(path);
  require_input(hdf5::exists(file, "uns/perturbine/settings"), path, ": was not made by this program's simulator");
  auto floats = [&](const char* name) {
    return hdf5::read_doubles(hdf5::open_dataset(file, std::string("uns/perturbine/") + name), path + ": " + name);
  };
  const auto text_form = hdf5::read_strings(hdf5::open_dataset(file, "uns/perturbine/settings"), path + ": settings");
  SimulationSettings s;
  try {
    const auto j = nlohmann::json::parse(text_form.at(0));
    s.preset = j.at("preset"), s.seed = j.at("seed"), s.genes = j.at("genes"), s.programs = j.at("programs");
    s.perturbations = j.at("perturbations"), s.doubles = j.at("doubles"), s.cell_types = j.at("cell_types");
    s.batches = j.at("batches"), s.cells_per_condition = j.at("cells_per_condition"),
    s.control_cells = j.at("control_cells");
    s.responders = j.at("responders"), s.rare = j.at("rare"), s.saturation = j.at("saturation");
    s.strength = j.value("strength", 1.0);
    s.batch_effect = j.at("batch_effect"), s.doses = j.value("doses", std::vector<double>{}),
    s.times = j.value("times", std::vector<double>{});
  } catch (const std::exception& e) {
    throw InputError(text(path, ": the simulation's settings cannot be read: ", e.what()));
  }
  s.share = floats("truth_share"), s.theta = floats("truth_theta"), s.library_sizes = floats("truth_library_sizes");
  s.gene_names = H5adFile(path).description().gene_names;
  require_input(s.share.size() == s.genes && s.theta.size() == s.genes && s.gene_names.size() == s.genes &&
                    !s.library_sizes.empty(),
                path, ": the simulation's truth does not fit its genes");
  return Simulator(s);
}

}  // namespace perturbine
