// Metrics against values worked out another way, and the report's safety.
#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/benchmark.h"
#include "evaluation/discrimination.h"
#include "evaluation/distribution_metrics.h"
#include "evaluation/enrichment.h"
#include "evaluation/report_parts.h"
#include "evaluation/scoring.h"
#include "io/file.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

constexpr std::size_t genes = 12;

std::vector<float> cells(std::size_t n, std::uint64_t seed, float shift) {
  std::vector<float> x;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t g = 0; g < genes; ++g) {
      float z[4];
      normal4(seed, i, g, z);
      x.push_back(std::max(0.0f, 1.5f + .1f * static_cast<float>(g) + (g < 4 ? shift : 0.0f) + z[0] * .6f));
    }
  return x;
}
std::vector<double> mean_of(const std::vector<float>& x) {
  std::vector<double> m(genes, 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    m[i % genes] += static_cast<double>(x[i]) * static_cast<double>(genes) / static_cast<double>(x.size());
  return m;
}
double value(const std::vector<MetricValue>& v, const std::string& name) {
  for (const auto& m : v)
    if (m.metric == name) return m.value;
  ADD_FAILURE() << name << " is missing";
  return 0;
}

struct Scene {
  Queue queue{Device::cpu, {.threads = 2}};
  EvaluationSpace space;
  HeldOut truth;
  Scene() {
    truth.genes = genes;
    truth.real = cells(300, 1, 1), truth.real_cells = 300;
    set_moments(truth, truth.real);
    truth.control = cells(200, 2, 0), truth.control_cells = 200;
    truth.training_mean = mean_of(truth.control);
    std::vector<float> all = truth.real;
    all.insert(all.end(), truth.control.begin(), truth.control.end());
    space.components = principal_components(all.data(), 500, genes, 10);
  }
  std::vector<MetricValue> score(const std::vector<float>& generated) {
    return evaluate_condition(queue, space, truth, {mean_of(generated), generated, generated.size() / genes});
  }
};

TEST(Metrics, AnotherSampleOfTheTruthIsNearPerfect) {
  Scene s;
  const auto good = s.score(cells(300, 3, 1)), bad = s.score(cells(300, 4, 0));
  EXPECT_NEAR(value(good, "energy_distance"), 0, .03);
  EXPECT_NEAR(value(good, "rbf_mmd"), 0, .01);
  EXPECT_NEAR(value(good, "coverage_90"), .9, .02);
  EXPECT_NEAR(value(good, "variance_ratio"), 1, .06);
  EXPECT_GT(value(good, "pearson_delta"), .98);
  for (const char* worse : {"energy_distance", "rbf_mmd", "wasserstein1", "crps", "l2", "mse_top20"})
    EXPECT_GT(value(bad, worse), 1.2 * std::abs(value(good, worse))) << worse;
  EXPECT_LT(value(bad, "coverage_90_de20"), value(good, "coverage_90_de20"));
}

TEST(Metrics, ByDefinition) {
  Scene s;
  const auto generated = cells(100, 5, .5f);
  const auto v = s.score(generated);
  const auto real = mean_of(s.truth.real), mean = mean_of(generated);
  double square = 0;
  for (std::size_t g = 0; g < genes; ++g) square += std::pow(mean[g] - real[g], 2);
  EXPECT_NEAR(value(v, "l2"), std::sqrt(square), 1e-5);
  EXPECT_NEAR(value(v, "mse"), square / genes, 1e-6);
  double crps = 0;
  for (std::size_t g = 0; g < genes; ++g) {
    double cross = 0, spread = 0;
    for (std::size_t i = 0; i < 100; ++i) {
      for (std::size_t j = 0; j < 300; ++j)
        cross += std::abs(static_cast<double>(generated[i * genes + g] - s.truth.real[j * genes + g])) / 30000;
      for (std::size_t j = 0; j < 100; ++j)
        spread += std::abs(static_cast<double>(generated[i * genes + g] - generated[j * genes + g]));
    }
    crps += (cross - spread / (2.0 * 100 * 99)) / genes;
  }
  EXPECT_NEAR(value(v, "crps"), crps, 1e-5);
}

TEST(Metrics, InteractionScoresGiveNothingForAdditive) {
  Scene s;
  const auto control = mean_of(s.truth.control), real = mean_of(s.truth.real);
  std::vector<double> additive(genes);
  for (std::size_t g = 0; g < genes; ++g)
    additive[g] = .8 * (real[g] - control[g]) + .1 * std::sin(static_cast<double>(g));
  s.truth.additive_delta = additive;
  auto predict = [&](double factor, double bend) {
    std::vector<double> m = control;
    for (std::size_t g = 0; g < genes; ++g) m[g] += factor * additive[g] + bend * (real[g] - control[g]);
    return evaluate_condition(s.queue, s.space, s.truth, {m, {}, 0});
  };
  for (const double factor : {0.0, .5, 1.0, 2.0})
    EXPECT_NEAR(value(predict(factor, 0), "interaction_partial"), 0, 1e-9) << factor;
  EXPECT_NEAR(value(predict(1, 0), "interaction_correlation"), 0, 1e-9);
  EXPECT_GT(value(predict(.5, .5), "interaction_partial"), .9);
}

TEST(Report, EscapesEveryName) {
  BenchmarkResults r;
  const std::string evil = "<script>alert('x')</script>\"&";
  r.models = {evil, "backbone"};
  r.data_path = evil;
  for (const std::string& m : r.models) r.rows.push_back({m, 1, evil, evil, evil, "=1+1", {"l2", 1.5, "ok"}});
  summarise(r);
  const std::string html = report_html(r);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(metrics_csv(r).find("'=1+1"), std::string::npos);
}

TEST(Report, TheVerdictSaysWhatTheNumbersSay) {
  BenchmarkResults r;
  r.models = {"no-change", "additive", "backbone", "flow", "causal-vae", "replicate"};
  r.groups = {"all"};
  auto mean = [&](const char* model, const char* metric, double v) {
    r.summary.push_back({model, "all", metric, {v, v - .1, v + .1, 5}});
  };
  mean("no-change", "l2", 2), mean("additive", "l2", 1), mean("backbone", "l2", .5), mean("flow", "l2", .5);
  mean("causal-vae", "l2", .5), mean("replicate", "l2", .1);
  mean("backbone", "energy_distance", .3), mean("flow", "energy_distance", .4),
      mean("causal-vae", "energy_distance", .2);
  mean("replicate", "energy_distance", 0);
  mean("no-change", "crps", .01), mean("backbone", "crps", .02), mean("causal-vae", "crps", .02);
  mean("causal-vae", "coverage_90", .87), mean("causal-vae", "coverage_90_de20", .81);
  auto all = [&] {
    std::string s;
    for (const std::string& sentence : verdict(r)) s += sentence + " ";
    return s;
  };
  const auto has = [&](const char* part) { EXPECT_NE(all().find(part), std::string::npos) << part << "\n" << all(); };
  r.paired = {{"flow", "all", "energy_distance", {.1, -.1, .3, 5}},
              {"causal-vae", "all", "energy_distance", {-.1, -.2, .1, 5}}};
  has("best predicted by backbone, flow and causal-vae: L2 0.500, 2.000 for no-change, 1.000 for additive.");
  has("those of causal-vae are nearest to the real ones (energy distance 0.200; half the real cells 0.0000)");
  has("those of no-change (CRPS 0.0100)");
  has("use the backbone.");
  has("Simple baselines are best in: no-change in crps.");
  has("intervals of cells of causal-vae hold 87 % of the real values, and 81 % on the genes");
  r.paired = {{"flow", "all", "energy_distance", {.1, .05, .3, 5}},
              {"causal-vae", "all", "energy_distance", {-.1, -.2, -.05, 5}}};
  has("trained models beat the backbone (no network): causal-vae in energy distance.");
  has("Beyond it, flow is worse in energy distance.");
  EXPECT_EQ(all().find("use the backbone"), std::string::npos);
}

TEST(Report, DrawsTheConditionsOfTheBestTrainedModelAlone) {
  BenchmarkResults r;
  r.models = {"backbone", "flow"}, r.groups = {"all"};
  r.summary = {{"backbone", "all", "energy_distance", {.2, .1, .3, 5}},
               {"flow", "all", "energy_distance", {.1, .05, .2, 5}}};
  for (const char* model : {"backbone", "flow"})
    r.pictures.push_back({model,
                          std::string("<A>") + model,
                          "T",
                          {1, -1, .5f},
                          {.8f, -1, 0},
                          {0, 0, 1, 1},
                          {0, 1, 1, 0},
                          {.5f, -1, .5f},
                          {"<gene>"},
                          {0, 0, 1, 2},
                          {1, 1, 2},
                          {1, 2, -1, -2}});
  r.pit["flow"] = {10, 20, 30, 40, 50, 60, 70, 80};
  r.training = {{"<m>", {0, 3, 50, 2, 100, 1}, {0, 3, 100, 2}}};
  for (std::size_t i = 0; i < 3; ++i)
    for (const auto& [metric, v] : {std::pair{"l2", .5}, std::pair{"stated_error", .7}})
      r.rows.push_back(
          {"flow", 1, "", "", "c" + std::to_string(i), "", {metric, v + .1 * static_cast<double>(i), "ok"}});
  const std::string page = report_html(r);
  EXPECT_NE(page.find("&lt;A&gt;flow in T: mean change"), std::string::npos);
  EXPECT_EQ(page.find("&lt;A&gt;backbone"), std::string::npos);
  for (const char* title : {"&lt;A&gt;flow in T: interaction", "&lt;A&gt;flow in T: &lt;gene&gt;",
                            "&lt;A&gt;flow in T: gene sets", "Probability integral transform", "Calibration of cells",
                            "Stated and real error of means", "Training of &lt;m&gt;", ">validation<"})
    EXPECT_NE(page.find(title), std::string::npos) << title;
  for (const char* raw : {"<A>", "<gene>", "<m>", "nan", "inf,", "inf\""})
    EXPECT_EQ(page.find(raw), std::string::npos) << raw;
}

TEST(Uncertainty, CoverageOfMeansAndRankCorrelationOfErrors) {
  Scene s;
  Prediction p;
  p.mean = s.truth.real_mean;
  p.mean[0] += .1, p.mean[1] -= .3;
  auto judged = [&](const char* name) {
    for (const MetricValue& v : evaluate_condition(s.queue, s.space, s.truth, p))
      if (v.metric == name) return v.status == "ok" ? v.value : -1;
    return -2.0;
  };
  EXPECT_EQ(judged("coverage_90_mean"), -1);
  p.stated.half_width.assign(genes, .2);
  p.stated.error = .5;
  EXPECT_NEAR(judged("coverage_90_mean"), 11.0 / 12, 1e-12);
  EXPECT_EQ(judged("stated_error"), .5);

  BenchmarkResults r;
  r.models = {"backbone", "mean"};
  Scoring scoring(s.queue, s.space, r);
  // Ranks of errors 1 3 2 4 5 against 2 1 3.5 3.5 5 of what was stated: 1 - 6 sum d^2 / (n (n^2 - 1)) does not hold
  // with ties; the correlation of ranks is 6 / sqrt(10 * 9.5).
  const double error[] = {.1, .3, .2, .4, .5}, stated[] = {2, 1, 4, 4, 9};
  for (std::size_t i = 0; i < 5; ++i) {
    const Fold::Entry entry{"P" + std::to_string(i), "", "", {}};
    scoring.add("backbone", 1, "", entry, s.truth, p.mean, {{"l2", error[i], "ok"}, {"stated_error", stated[i], "ok"}});
    scoring.add("mean", 1, "", entry, s.truth, p.mean,
                {{"l2", error[i], "ok"}, {"stated_error", std::nan(""), "not-applicable"}});
  }
  scoring.finish();
  std::size_t found = 0;
  for (const SummaryRow& row : r.summary)
    if (row.metric == "error_uncertainty_spearman") {
      ++found;
      EXPECT_EQ(row.model, "backbone");
      EXPECT_EQ(row.group, "all");
      EXPECT_NEAR(row.interval.mean, 6 / std::sqrt(95.0), 1e-12);
      EXPECT_TRUE(std::isnan(row.interval.low));
    }
  EXPECT_EQ(found, 1u);
}

TEST(Enrichment, RankSumsOfSetsByHandAndTheirCorrelation) {
  // Six genes, changes 3 1 2 -1 0 5: ranks 5 3 4 1 2 6. The set of genes 0, 2 and 5: rank sum 15 where 10.5 is
  // expected, with a variance of 3 * 3 * 7 / 12.
  const std::vector<GeneSet> sets{{"up", {0, 2, 5}}, {"down", {3, 4}}};
  const auto z = enrichment(sets, {3, 1, 2, -1, 0, 5});
  EXPECT_NEAR(z[0], 4.5 / std::sqrt(5.25), 1e-12);
  EXPECT_NEAR(z[1], (3 - 7) / std::sqrt(2 * 4 * 7 / 12.0), 1e-12);
  EXPECT_NEAR(enrichment(sets, {1, 1, 1, 1, 1, 1})[0], 0, 1e-12);

  Scene s;
  s.space.gene_sets = {{"a", {0, 1, 2}}, {"b", {2, 3, 4}}, {"c", {5, 6, 7}}, {"d", {8, 9, 10, 11}}, {"e", {0, 4, 8}}};
  auto judged = [&](const std::vector<double>& mean) {
    Prediction p;
    p.mean = mean;
    for (const MetricValue& v : evaluate_condition(s.queue, s.space, s.truth, p))
      if (v.metric == "enrichment_spearman") return v;
    return MetricValue{};
  };
  const auto control = mean_of(s.truth.control);
  auto opposite = control;
  for (std::size_t g = 0; g < genes; ++g) opposite[g] -= s.truth.real_mean[g] - control[g];
  EXPECT_NEAR(judged(s.truth.real_mean).value, 1, 1e-12);
  EXPECT_NEAR(judged(opposite).value, -1, 1e-12);
  auto rounded = control;
  for (std::size_t g = 0; g < genes; ++g) rounded[g] += 1e-7 * static_cast<double>(g);
  EXPECT_EQ(judged(rounded).status, "undefined");
  s.space.gene_sets.clear();
  EXPECT_EQ(judged(opposite).status, "not-applicable");
}

TEST(Enrichment, ReadsSetsOfMeasuredGenesAndSaysWhenTooFewAreLeft) {
  std::vector<std::string> names;
  for (int g = 0; g < 20; ++g) names.push_back("g" + std::to_string(g));
  const std::string path = testing::TempDir() + "sets.gmt";
  auto members = [](int first, int count) {
    std::string s;
    for (int g = first; g < first + count; ++g) s += "\tg" + std::to_string(g);
    return s;
  };
  std::string lines;
  for (int k = 0; k < 5; ++k) lines += "set" + std::to_string(k) + "\td" + members(2 * k, 6) + "\tunmeasured\r\n";
  write_text(path, lines + "small\td" + members(0, 4) + "\nlarge\td" + members(0, 11) + "\n");
  const auto sets = measured_gene_sets(path, names);
  ASSERT_EQ(sets.size(), 5u);
  EXPECT_EQ(sets[1].name, "set1");
  EXPECT_EQ(sets[1].genes, (std::vector<std::size_t>{2, 3, 4, 5, 6, 7}));
  auto complaint = [&](const std::string& contents) -> std::string {
    write_text(path, contents);
    try {
      measured_gene_sets(path, names);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(complaint("a\td" + members(0, 6) + "\n").find("only 1 of its 1 gene sets"), std::string::npos);
  EXPECT_NE(complaint("a b c\n").find("line 1: a gene set needs"), std::string::npos);
}

TEST(Bootstrap, IntervalsHoldTheMean) {
  std::vector<std::pair<std::string, double>> v;
  for (int i = 0; i < 20; ++i) v.emplace_back("c" + std::to_string(i), i % 5);
  const Interval i = bootstrap(v, 1);
  EXPECT_DOUBLE_EQ(i.mean, 2);
  EXPECT_LT(i.low, 2);
  EXPECT_GT(i.high, 2);
  EXPECT_GT(i.low, 1.2);
}

TEST(Metrics, DiscriminationByHand) {
  // Three conditions on a line at 1, 2 and 4; control at 0. Predictions 1.2 (near the first), 3.5 (nearest to the
  // third) and 4 (exact).
  auto profile = [](double predicted, double real) { return MeanProfile{{predicted}, {real}, {0}}; };
  const auto v = discrimination({profile(1.2, 1), profile(3.5, 2), profile(4, 4)});
  auto at = [&](std::size_t i, const char* name) { return value(v[i], name); };
  EXPECT_DOUBLE_EQ(at(0, "rank"), 0);
  EXPECT_DOUBLE_EQ(at(1, "rank"), .5);  // 1.2 lies nearer to 2 than 3.5, 4 does not
  EXPECT_DOUBLE_EQ(at(2, "rank"), 0);
  EXPECT_DOUBLE_EQ(at(0, "pds_l1"), 1);
  EXPECT_NEAR(at(1, "pds_l1"), 2. / 3, 1e-12);  // the real 4 lies nearer to 3.5 than 2
  EXPECT_DOUBLE_EQ(at(2, "centroid_accuracy"), 1);
  EXPECT_DOUBLE_EQ(at(1, "centroid_accuracy"), .5);
  // The same prediction for all: chance.
  const auto same = discrimination({profile(2, 1), profile(2, 2), profile(2, 4)});
  double rank = 0;
  for (const auto& row : same) rank += value(row, "rank") / 3;
  EXPECT_DOUBLE_EQ(rank, .5);
  EXPECT_EQ(discrimination({profile(1, 1)})[0][0].status, "not-applicable");
}

TEST(Metrics, DistributionsByDefinition) {
  Queue queue(Device::cpu, {.threads = 2});
  constexpr std::size_t n = 60, width = 4;
  auto sample = [](std::uint64_t seed, float shift) {
    std::vector<float> x(n * width);
    for (std::size_t i = 0; i < n; ++i) normal_row(seed, 0, i, x.data() + i * width, width);
    for (float& v : x) v += shift;
    return x;
  };
  const auto a = sample(1, 0), b = sample(2, .6f), c = sample(3, 0);
  auto view = [](const std::vector<float>& x) { return matrix<const float>(x.data(), n, width); };
  // Debiased: nothing to itself, larger with distance.
  EXPECT_NEAR(sinkhorn_divergence(queue, view(a), view(a)), 0, 1e-4);
  EXPECT_GT(sinkhorn_divergence(queue, view(a), view(b)), 3 * std::abs(sinkhorn_divergence(queue, view(a), view(c))));
  // For a shift alone it is the squared distance.
  std::vector<float> shifted(a);
  for (float& v : shifted) v += .5f;
  EXPECT_NEAR(sinkhorn_divergence(queue, view(shifted), view(a)), 4 * .25, .03);
  EXPECT_NEAR(knn_mixing(view(a), view(c), 10), .5, .08);
  std::vector<float> far(b);
  for (float& v : far) v += 50;
  EXPECT_EQ(knn_mixing(view(far), view(a), 10), 0);
}

TEST(Metrics, MeanMetricsByDefinition) {
  Scene s;
  const auto generated = cells(100, 5, .5f);
  const auto v = s.score(generated);
  const auto real = mean_of(s.truth.real), control = mean_of(s.truth.control), mean = mean_of(generated);
  double absolute = 0, left = 0, around = 0, centre = 0;
  for (std::size_t g = 0; g < genes; ++g) centre += (real[g] - control[g]) / genes;
  for (std::size_t g = 0; g < genes; ++g) {
    absolute += std::abs(mean[g] - real[g]) / genes;
    left += std::pow(mean[g] - real[g], 2), around += std::pow(real[g] - control[g] - centre, 2);
  }
  EXPECT_NEAR(value(v, "mae"), absolute, 1e-6);
  EXPECT_NEAR(value(v, "rmse"), value(v, "l2") / std::sqrt(static_cast<double>(genes)), 1e-9);
  EXPECT_NEAR(value(v, "r2_delta"), 1 - left / around, 1e-5);
  EXPECT_NEAR(value(v, "l2_top1000"), value(v, "l2"), 1e-12);  // there are fewer genes
  // The whole list, in its order.
  std::vector<std::string> names;
  for (const auto& m : v) names.push_back(m.metric);
  for (const auto& name : metric_names())
    EXPECT_EQ(std::count(names.begin(), names.end(), name),
              name == "rank" || name == "pds_l1" || name == "centroid_accuracy" ||
                      name == "error_uncertainty_spearman" || name == "known_interaction_spearman"
                  ? 0
                  : 1)
        << name;
}

}  // namespace
}  // namespace perturbine
