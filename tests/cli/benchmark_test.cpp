// predict, evaluate and benchmark through the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "io/h5ad.h"
#include "tests/cli/program.h"

namespace perturbine {
namespace {

using namespace testing_program;

TEST(Program, AnInterruptedBenchmarkGoesOnWhereItStopped) {
  Prepared& p = prepared();
  const std::string whole = folder() + "/benchmark_whole", parts = folder() + "/benchmark_parts",
                    options = " --data " + p.data + " --split " + p.split +
                              " --models no-change,additive-cells,diffusion --seeds 1,2,3,4,5 --steps 1200 --cells 50 "
                              "--hidden 64 --out ";
  ASSERT_EQ(run("benchmark --quiet" + options + whole).code, 0);
  const std::string command = "timeout --foreground --preserve-status -s INT 1.5 " + std::string(PERTURBINE_PROGRAM);
  const int status =
      std::system((command + " benchmark" + options + parts + " >/dev/null 2>" + folder() + "/stderr").c_str());
  ASSERT_EQ(WEXITSTATUS(status), 130);
  EXPECT_NE(read_text(folder() + "/stderr").find("with --resume goes on from here"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(parts + "/metrics.json"));
  expect_refused("benchmark" + options + parts, "is already there");
  const Outcome o = run("benchmark --resume" + options + parts);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.err.find("no-change, seed 1: done before"), std::string::npos) << o.err;
  EXPECT_EQ(o.err.find("diffusion, seed 5: done before"), std::string::npos) << o.err;
  EXPECT_EQ(read_text(parts + "/metrics.csv"), read_text(whole + "/metrics.csv"));
  EXPECT_FALSE(std::filesystem::exists(parts + "/unfinished"));
  expect_refused("benchmark --resume" + options + parts, "is finished");
}

TEST(Program, PredictEvaluateAndBenchmarkRun) {
  Prepared& p = prepared();
  Outcome o =
      run("predict --quiet --run " + p.run_folder + " --condition P2+P1 --cells 50 --out " + folder() + "/cells.h5ad");
  ASSERT_EQ(o.code, 0) << o.err;
  const std::string again = folder() + "/again.h5ad";
  usleep(1100000);  // the file must not tell the time
  ASSERT_EQ(
      run("predict --quiet --threads 1 --run " + p.run_folder + " --condition P1+P2 --cells 50 --out " + again).code,
      0);
  EXPECT_EQ(sha256_of_file(again), sha256_of_file(folder() + "/cells.h5ad"));  // the same seed, the same cells
  const std::string split = read_text(p.split);
  const std::size_t at = split.find('"', split.find("\"test\": [") + 9);
  const std::string held_out = split.substr(at + 1, split.find('"', at + 1) - at - 1);
  ASSERT_EQ(run("predict --quiet --run " + p.run_folder + " --condition " + held_out + " --cells 60 --out " + folder() +
                "/held.h5ad")
                .code,
            0);
  o = run("evaluate --quiet --real " + p.data + " --predicted " + folder() +
          "/held.h5ad --predicted-expression counts --split " + p.split + " --out " + folder() + "/evaluated");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.out.find("SIMULATED"), std::string::npos);
  const std::string unmeasured = folder() + "/unmeasured.h5ad";
  ASSERT_EQ(run("predict --quiet --run " + p.run_folder + " --condition P1+P2+P3 --cells 20 --out " + unmeasured).code,
            0);
  expect_refused("evaluate --real " + p.data + " --predicted " + unmeasured + " --predicted-expression counts --out " +
                     folder() + "/nothing",
                 "holds cells of 'P1+P2+P3', of which " + p.data + " has none to judge them by");
  // What was refused leaves nothing in the way.
  o = run("evaluate --quiet --real " + p.data + " --predicted " + folder() +
          "/held.h5ad --predicted-expression counts --out " + folder() + "/nothing");
  EXPECT_EQ(o.code, 0) << o.err;
  // Units run side by side on three threads, one after another on one: the same numbers.
  for (const char* threads : {"3", "1"}) {
    o = run("benchmark --quiet --data " + p.data + " --split " + p.split +
            " --models backbone,diffusion,flow,causal-vae,hybrid,thinned,replicate,true-sampler --steps 30 --hidden 32 "
            "--blocks 1 --cells 60 --threads " +
            threads + " --out " + folder() + "/bench" + (*threads == '3' ? "" : "1"));
    EXPECT_EQ(o.code, 0) << o.err;
  }
  EXPECT_EQ(read_text(folder() + "/bench/metrics.csv"), read_text(folder() + "/bench1/metrics.csv"));
  for (const char* f : {"metrics.json", "metrics.csv", "report.html"})
    EXPECT_TRUE(std::filesystem::exists(folder() + "/bench/" + f));
  write_text(folder() + "/ok.toml", "steps = 20\nhidden = 32\nquiet = true\n");
  o = run("train --data " + p.data + " --split " + p.split + " --config " + folder() +
          "/ok.toml --batch-size 32 --blocks 1 --out " + folder() + "/configured");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_NE(read_text(folder() + "/configured/config.toml").find("steps = 20"), std::string::npos);
}

TEST(Program, ABenchmarkComparesModelsUnderOptionsOfTheirOwn) {
  const Prepared& p = prepared();
  const std::string out = folder() + "/variants", known = folder() + "/known.tsv",
                    common = "benchmark --data " + p.data + " --split " + p.split + " --out " + out + " --force ";
  const nlohmann::json split = nlohmann::json::parse(read_text(p.split));
  std::string table = "pair\tscore\n";
  double score = 1;
  for (const auto& label : split.at("test")) table += label.get<std::string>() + "\t" + std::to_string(score++) + "\n";
  ASSERT_GT(score, 4);
  write_text(known, table);
  const Outcome o =
      run(common + "--steps 20 --hidden 16 --blocks 1 --latent 5 --cells 20 --known-interactions " + known +
          " --models "
          "additive,backbone,backbone:technical-shrinkage=0,backbone:technical-shrinkage=1,diffusion,diffusion:target="
          "v:steps=30");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.out.find("diffusion:target=v:steps=30"), std::string::npos) << o.out;
  EXPECT_NE(o.err.find("known interactions: "), std::string::npos) << o.err;
  const auto j = nlohmann::json::parse(read_text(out + "/metrics.json"));
  std::map<std::string, double> crps, known_interaction;
  for (const auto& row : j.at("summary"))
    if (row.at("group") == "all" && row.at("metric") == "crps" && !row.at("mean").is_null())
      crps[row.at("model")] = row.at("mean");
  for (const auto& row : j.at("rows"))
    if (row.at("metric") == "known_interaction_spearman") known_interaction[row.at("model")] = row.at("value");
  EXPECT_NE(crps.at("backbone:technical-shrinkage=1"), crps.at("backbone:technical-shrinkage=0"));
  EXPECT_NE(crps.at("diffusion"), crps.at("diffusion:target=v:steps=30"));
  EXPECT_EQ(known_interaction.at("additive"), 0);
  EXPECT_EQ(known_interaction.count("backbone"), 1u);
  bool paired = false;
  for (const auto& row : j.at("paired")) paired = paired || row.at("model") == "backbone:technical-shrinkage=0";
  EXPECT_TRUE(paired);
  expect_refused(common + "--models backbone,flow:colour=red", "'colour' is no option");
  expect_refused(common + "--models backbone,flow,backbone", "--models: backbone is named twice");
  expect_refused(common + "--models backbone --seeds 2,1,2", "--seeds: 2 is named twice");
  expect_refused(common + "--models additive:steps=3", "additive has no options");
  expect_refused(common + "--models diffusion,flow:mean-centre=control --steps 1000000",  // before diffusion trains
                 "model 'flow:mean-centre=control': --mean-centre control is for diffusion");
  expect_refused(common + "--models backbone --known-interactions " + p.split, "an interaction is a pair");
}

// Cells of one type are judged by real cells of that type, not of all.
TEST(Program, EvaluateComparesWithinCellTypes) {
  const std::string data = folder() + "/types.h5ad", split = folder() + "/types.json", run_folder = folder() + "/types",
                    out = folder() + "/types_evaluated";
  ASSERT_EQ(run("simulate --quiet --preset screen --genes 60 --cells 20 --out " + data).code, 0);
  ASSERT_EQ(run("split --kind random " + data + " --out " + split).code, 0);
  ASSERT_EQ(run("train --quiet --data " + data + " --split " + split +
                " --model flow --steps 5 --hidden 16 --blocks 1 --out " + run_folder)
                .code,
            0);
  ASSERT_EQ(
      run("predict --quiet --run " + run_folder + " --condition P1 --cell-type type2 --cells 30 --out " + out + ".h5ad")
          .code,
      0);
  const Outcome o =
      run("evaluate --real " + data + " --predicted " + out + ".h5ad --predicted-expression counts --out " + out);
  ASSERT_EQ(o.code, 0) << o.err;
  const std::string rows = read_text(out + "/metrics.csv");
  EXPECT_NE(rows.find("P1,type2,l2"), std::string::npos) << rows.substr(0, 400);
  EXPECT_EQ(rows.find("P1,type1,"), std::string::npos);
  // The column of conditions may have any name, in both files.
  expect_refused(
      "evaluate --real " + data + " --condition-column guide --predicted " + out + ".h5ad --out " + out + "2",
      "no column 'guide'");
  EXPECT_EQ(run("evaluate --quiet --real " + data +
                " --condition-column cell_type --control type1 --cell-type-column none --predicted " + data +
                " --out " + out + "3")
                .code,
            0);
  // Or different names in the two.
  const std::string apart = "evaluate --quiet --real " + data + " --condition-column cell_type --control type1" +
                            " --cell-type-column none --predicted " + data + " --predicted-cell-type-column none";
  EXPECT_EQ(run(apart + " --predicted-condition-column cell_type --out " + out + "4").code, 0);
  expect_refused(apart + " --predicted-condition-column condition --out " + out + "5", "has none to judge them by");
  expect_refused(apart + " --predicted-condition-column guide --out " + out + "5", "no column 'guide'");
}

TEST(Program, ListedConditionsAreDrawnIntoOneFile) {
  Prepared& p = prepared();
  const std::string list = folder() + "/list.txt", one = folder() + "/listed_one.h5ad", all = folder() + "/listed.h5ad",
                    predict = "predict --quiet --run " + p.run_folder + " --cells 20 ";
  std::string pair;  // a measured one
  for (const std::string& label : H5adFile(p.data).text_column("condition"))
    if (label.find('+') != std::string::npos) pair = label;
  const std::string turned = pair.substr(pair.find('+') + 1) + "+" + pair.substr(0, pair.find('+'));
  write_text(list, "# one and a pair\nP2\n\n  " + turned + " \r\n");
  ASSERT_EQ(run(predict + "--conditions " + list + " --out " + all).code, 0);
  ASSERT_EQ(run(predict + "--condition " + pair + " --out " + one).code, 0);
  const H5adFile many(all), single(one);
  EXPECT_EQ(many.description().cells, 40u);
  const auto condition = many.text_column("condition");
  EXPECT_EQ(condition.front(), "P2");
  EXPECT_EQ(condition.back(), pair);
  EXPECT_EQ(many.description().cell_names[20], pair + "_cell1");
  EXPECT_EQ(many.read_rows(20, 20).values, single.read_rows(0, 20).values);
  // It is judged as any file of cells; the means it states are found.
  const Outcome o = run("evaluate --real " + p.data + " --predicted " + all + " --out " + folder() + "/listed");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.err.find("mean metrics use: uns/perturbine/predicted_mean\n"), std::string::npos) << o.err;
  const auto refused = [&](const std::string& lines, const std::string& more, const std::string& part) {
    write_text(list, lines);
    expect_refused(predict + "--conditions " + list + more + " --out " + folder() + "/refused.h5ad", part);
  };
  refused("P1\nP1+Q\n", "", "line 2: perturbation 'Q' was not in training");
  refused("P1+P2\n#\nP2+P1\n", "", "line 3: P1+P2 stands there already");
  refused("\n", "", "lists no condition");
  refused("P1\n", " --condition P2", "leave --condition, --dose");
}

// Another tool's cells: combinations joined by underscores and no single perturbation, sizes of libraries unknown, or
// log values.
TEST(Program, EvaluateReadsTheCellsOfOtherTools) {
  Prepared& p = prepared();
  const H5adFile real(p.data);
  const auto conditions = real.text_column("condition");
  H5adContents c;
  c.matrix.columns = real.description().genes;
  c.gene_names = real.description().gene_names;
  c.text_columns = {{"condition", {}}};
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const std::size_t plus = conditions[i].find('+');
    if (plus == std::string::npos) continue;
    const CsrMatrix row = real.read_rows(i, 1);
    c.matrix.column_index.insert(c.matrix.column_index.end(), row.column_index.begin(), row.column_index.end());
    c.matrix.values.insert(c.matrix.values.end(), row.values.begin(), row.values.end());
    c.matrix.row_offsets.push_back(static_cast<std::int64_t>(c.matrix.values.size()));
    ++c.matrix.rows;
    c.cell_names.push_back("cell");
    c.text_columns[0].second.push_back(conditions[i].substr(plus + 1) + "_" + conditions[i].substr(0, plus));
  }
  const std::string counts = folder() + "/other_tool.h5ad", logarithms = folder() + "/other_logarithms.h5ad",
                    common = "evaluate --real " + p.data + " --split " + p.split + " --predicted ";
  write_h5ad(counts, c);
  const Outcome o = run(common + counts + " --out " + folder() + "/other_tool");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.err.find("has no column library_size: its counts are divided by their sums over these 60 genes"),
            std::string::npos)
      << o.err;
  EXPECT_NE(o.err.find("have a name that an earlier one has"), std::string::npos) << o.err;
  const auto j = nlohmann::json::parse(read_text(folder() + "/other_tool/metrics.json"));
  EXPECT_EQ(j.at("conventions").at("library_size"), "obs/library_size; of the generated cells: row sums");
  for (float& v : c.matrix.values) v = std::log1p(v);
  write_h5ad(logarithms, c);
  expect_refused(common + logarithms + " --out " + folder() + "/other_logarithms", "say --predicted-expression log1p");
  for (auto& label : c.text_columns[0].second) label = "P1";
  write_h5ad(logarithms, c);
  expect_refused(common + logarithms + " --predicted-expression log1p --out " + folder() + "/other_logarithms",
                 "has no cells of any held-out condition; it has P1");
}

}  // namespace
}  // namespace perturbine
