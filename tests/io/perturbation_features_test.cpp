// What is known of perturbations: tables, gene sets and graphs, and what cannot be read.
#include <gtest/gtest.h>

#include <cmath>

#include "io/perturbation_features.h"
#include "kernels/core/error.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::folder;

PerturbationFeatures features_in(const std::string& name, const std::string& contents) {
  write_text(folder() + "/" + name, contents);
  return read_perturbation_features(folder() + "/" + name);
}
std::string features_refusal(const std::string& name, const std::string& contents) {
  return testing_files::complaint([&] { features_in(name, contents); });
}
double distance_between(const PerturbationFeatures& f, const char* a, const char* b) {
  const float *x = f.find(a), *y = f.find(b);
  double sum = 0;
  for (std::size_t k = 0; k < f.width; ++k) sum += std::pow(static_cast<double>(x[k] - y[k]), 2);
  return std::sqrt(sum);
}
double mean_square(const PerturbationFeatures& f) {
  double sum = 0;
  for (const float v : f.values) sum += static_cast<double>(v * v) / static_cast<double>(f.values.size());
  return sum;
}

TEST(Features, TablesAreCentredAndScaledWithOrWithoutAHeading) {
  for (const char* text : {"gene,x,y\nB,3,0\nA,1,2\nC,5,4\n", "B\t3\t0\r\nA\t1\t2\r\nC\t5\t4\r\n"}) {
    const auto f = features_in("table.csv", text);
    EXPECT_EQ(f.names, (std::vector<std::string>{"A", "B", "C"}));
    EXPECT_EQ(f.width, 2u);
    EXPECT_NEAR(mean_square(f), 1, 1e-6);
    // Centred rows are (-2, 0), (0, -2), (2, 2): a mean square of 16 / 6.
    const double unit = std::sqrt(16.0 / 6);
    EXPECT_NEAR(f.find("A")[0], -2 / unit, 1e-6);
    EXPECT_NEAR(f.find("B")[1], -2 / unit, 1e-6);
    EXPECT_EQ(f.find("D"), nullptr);
  }
}

TEST(Features, ManyColumnsBecomeTheirLeadingComponentsAndKeepDistances) {
  std::string text;
  std::vector<std::vector<double>> rows;
  for (int i = 0; i < 12; ++i) {
    text += "g" + std::to_string(i);
    rows.emplace_back();
    for (int k = 0; k < 100; ++k) {
      rows.back().push_back(std::sin(i * 1.7 + k * .3) + std::cos(i * k * .05));
      text += "\t" + std::to_string(rows.back().back());
    }
    text += "\n";
  }
  const auto f = features_in("wide.tsv", text);
  EXPECT_EQ(f.width, 12u);
  auto real = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t k = 0; k < 100; ++k) sum += std::pow(rows[a][k] - rows[b][k], 2);
    return std::sqrt(sum);
  };
  for (const auto& [a, b] : {std::pair{1u, 2u}, std::pair{3u, 9u}, std::pair{0u, 11u}})
    EXPECT_NEAR(distance_between(f, ("g" + std::to_string(a)).c_str(), ("g" + std::to_string(b)).c_str()) /
                    distance_between(f, "g4", "g7"),
                real(a, b) / real(4, 7), 1e-3);
}

TEST(Features, SetsAndEdgesPutWhatBelongsTogetherTogether) {
  // Two families that share one set, or one weak edge.
  const auto sets =
      features_in("sets.gmt", "s1\td\tA\tB\tC\ns2\td\tA\tB\tC\tD\ns3\td\tX\tY\tZ\ns4\td\tW\tX\tY\tZ\ns5\td\tD\tW\n");
  const auto edges = features_in(
      "edges.csv", "source,target,importance\nA,B,1\nB,C,1\nA,C,1\nC,D,1\nX,Y,1\nY,Z,1\nX,Z,1\nW,X,1\nD,W,0.05\n");
  for (const auto* f : {&sets, &edges}) {
    EXPECT_EQ(f->names.size(), 8u);
    EXPECT_NEAR(mean_square(*f), 1, 1e-5);
    EXPECT_LT(distance_between(*f, "A", "B"), .5 * distance_between(*f, "A", "X"));
    EXPECT_LT(distance_between(*f, "Y", "Z"), .5 * distance_between(*f, "B", "Z"));
  }
  EXPECT_EQ(
      features_in("sets.gmt", "s1\td\tA\tB\tC\ns2\td\tA\tB\tC\tD\ns3\td\tX\tY\tZ\ns4\td\tW\tX\tY\tZ\ns5\td\tD\tW\n")
          .values,
      sets.values);
}

TEST(Features, WhatCannotBeReadIsNamed) {
  auto says = [](const std::string& said, const char* part) { EXPECT_NE(said.find(part), std::string::npos) << said; };
  says(features_refusal("f.tsv", "A\t1\nB\t2\n"), "at least three");
  says(features_refusal("f.tsv", "A\t1\nB\t2\nC\t1\t2\n"), "line 3: has 2 numbers where 1 are expected");
  says(features_refusal("f.tsv", "A\t1\nB\t2\nC\tx\n"), "line 3: 'x' is not a number (up to 1e30)");
  says(features_refusal("f.tsv", "A\t1\nB\t2\nA\t3\n"), "line 3: 'A' has a row already");
  says(features_refusal("f.tsv", "A\nB\nC\n"), "line 2: is neither");
  says(features_refusal("f.csv", "A,B,1\nB,C,1\nC,D,0\n"), "line 3: the weight is 0");
  says(features_refusal("f.csv", "A,B,1\nB,C,1\nC\n"), "line 3: is not an edge");
  says(features_refusal("f.csv", "A,1\n\nB,2\n\nC,x\n"), "line 5: 'x' is not a number (up to 1e30)");
  says(features_refusal("f.csv", "A,1\nB,2\n,3\n"), "line 3: the first column");
  says(features_refusal("f.csv", "A,1\nB,2\nC,1e300\n"), "'1e300' is not a number (up to 1e30)");
  says(features_refusal("f.csv", "A,B,1\n,C,1\nC,D,1\n"), "line 2: is neither");
  // A heading of numbers over no name, as pandas writes it.
  EXPECT_EQ(features_in("pandas.csv", ",0,1\nA,1,5\nB,2,4\nC,4,1\n").values,
            features_in("plain.csv", "A,1,5\nB,2,4\nC,4,1\n").values);
  says(features_refusal("f.csv", "A,B\nB,A\nA,B\n"), "names 2 nodes");
  says(features_refusal("f.gmt", "s\td\tA\ns2\td\ns3\td\tB\n"), "line 2: a gene set needs");
}

}  // namespace
}  // namespace perturbine
