// Conditions, splits, files and the simulator.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>

#include "io/checkpoint.h"
#include "io/simulator.h"
#include "io/split.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::complaint;
using testing_files::folder;
using testing_files::SmallFile;

TEST(Condition, CanonicalLabels) {
  auto canonical = [](const char* s) { return canonical_label(parse_condition(s)); };
  EXPECT_EQ(canonical("B+A"), "A+B");
  EXPECT_EQ(canonical("A+ctrl"), "A");
  EXPECT_EQ(canonical("ctrl+A"), "A");
  EXPECT_EQ(canonical("Non-Targeting"), "control");
  EXPECT_EQ(canonical("DMSO"), "control");
  EXPECT_EQ(canonical(" a + B "), "B+a");
  EXPECT_EQ(canonical("B:0.5+A:0.25"), "A:0.25+B:0.5");
  EXPECT_EQ(canonical_label(parse_condition("safe", {"safe"})), "control");
  // Whatever is read is called so that it is read back.
  EXPECT_EQ(canonical("A:1000000"), "A:1e06");
  EXPECT_EQ(parse_condition("A:1e06").parts[0].weight, 1e6);
  EXPECT_EQ(canonical("A : 1 + B"), "A+B");
  EXPECT_EQ(canonical("A:0.5+ctrl:0.5"), "A:0.5");
  EXPECT_SAYS(complaint([] { parse_condition(":0.5"); }), "is not NAME:WEIGHT");
  EXPECT_SAYS(complaint([] { parse_condition("A:1:1"); }), "is not NAME:WEIGHT");
  EXPECT_SAYS(complaint([] { parse_condition("A:-1"); }), "must be a positive number");
  EXPECT_SAYS(complaint([] { parse_condition("A:nan"); }), "must be a positive number");
  EXPECT_EQ(near_spellings("KLF", {"KLF1", "SET", "KLF2"}).front(), "KLF1");
  EXPECT_TRUE(near_spellings("x", {""}).empty());
}

TEST(Condition, UnderscoresDivideWhereTheirPartsStandAlone) {
  std::vector<std::string> divided;
  const auto read =
      parse_labels({"A", "B", "A_B", "ctrl_ctrl", "C_ctrl", "C_A", "_ctrl", "x:1_ctrl", "D_A"}, {}, &divided);
  EXPECT_EQ(divided, (std::vector<std::string>{"A_B", "C_A", "C_ctrl", "ctrl_ctrl"}));
  EXPECT_EQ(canonical_label(read.at("A_B")), "A+B");
  EXPECT_EQ(canonical_label(read.at("C_A")), "A+C");
  EXPECT_TRUE(read.at("ctrl_ctrl").is_control());
  for (const char* whole : {"_ctrl", "x:1_ctrl", "D_A"}) EXPECT_EQ(canonical_label(read.at(whole)), whole);
}

Dataset small() {
  SmallFile f;
  f.condition = {"control", "control", "A", "A", "B", "B", "A+B", "A+B", "C", "C", "B+C", "B+C"};
  DataOptions o;
  o.path = f.write("split.h5ad");
  return read_dataset(o);
}

TEST(Split, EveryKindIsAcceptedByItsReader) {
  const Dataset data = small();
  for (const char* kind : {"random", "doubles", "leave-one-out", "k-fold"}) {
    const auto folds = make_split(data, {kind, 2, .5, "cell_type", 3});
    write_text(folder() + "/s.json", split_text(kind, folds));
    const auto again = read_split(folder() + "/s.json");
    ASSERT_EQ(again.size(), folds.size());
    for (const SplitLists& f : again) {
      const Fold fold = apply_split(f, data);
      EXPECT_FALSE(fold.test.empty());
      for (const auto& e : fold.test)
        for (const std::size_t i : e.cells) EXPECT_EQ(fold.role[i], Role::test);
    }
  }
  const auto doubles = apply_split(make_split(data, {"doubles", 2, .9, "", 1})[0], data);
  for (const auto& e : doubles.test) EXPECT_EQ(e.group, "double_seen2");
  EXPECT_EQ(make_split(data, {"random", 2, .5, "", 3})[0].test, make_split(data, {"random", 2, .5, "", 3})[0].test);
}

TEST(Split, OfSinglesDoublesAndPairs) {
  const Dataset data = small();
  auto tests = [&](const char* kind, const char* of) {
    std::vector<std::vector<std::string>> names;
    for (const SplitLists& f : make_split(data, {kind, 2, .5, "cell_type", 3, of})) {
      names.emplace_back();
      for (const SplitEntry& e : f.test) names.back().push_back(e.name());
      EXPECT_FALSE(apply_split(f, data).test.empty());
    }
    return names;
  };
  EXPECT_EQ(tests("leave-one-out", "doubles"), (std::vector<std::vector<std::string>>{{"A+B"}, {"B+C"}}));
  EXPECT_EQ(tests("leave-one-out", "singles"), (std::vector<std::vector<std::string>>{{"A"}, {"B"}, {"C"}}));
  EXPECT_EQ(tests("k-fold", "singles").size(), 2u);
  EXPECT_EQ(tests("k-fold", "singles")[0].size() + tests("k-fold", "singles")[1].size(), 3u);
  EXPECT_EQ(tests("leave-one-out", "pairs").size(), 5u);  // one context: pairs are conditions
  EXPECT_SAYS(complaint([&] { make_split(data, {"k-fold", 2, .5, "", 1, "triples"}); }), "must be all, singles");
}

TEST(Split, HeldOutConditionsOfFewCellsAreAGroupOfTheirOwn) {
  SmallFile f;
  f.condition = {"control", "control", "A", "A", "A", "A", "A", "B", "B", "B", "B", "B"};
  DataOptions o;
  o.path = f.write("few.h5ad");
  Dataset data = read_dataset(o);
  data.batches = data.contexts = {"r1", "r2"};  // A: three cells in r1, two in r2; B: two and three
  data.batch = data.context = {0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1};
  SplitOptions split;
  split.kind = "leave-covariate-out", split.by = "batch", split.enough_cells = 3;
  std::map<std::string, std::string> groups;
  for (const SplitLists& lists : make_split(data, split))
    for (const auto& e : apply_split(lists, data).test) groups[e.label + " " + e.context] = e.group;
  EXPECT_EQ(groups,
            (std::map<std::string, std::string>{
                {"A r1", "enough_cells"}, {"A r2", "few_cells"}, {"B r1", "few_cells"}, {"B r2", "enough_cells"}}));
  split.enough_cells = 0;
  EXPECT_TRUE(make_split(data, split)[0].groups.empty());
  // Groups that say what was seen stay.
  split = {"doubles", 2, .9, "", 1};
  split.enough_cells = 3;
  const std::vector<SplitLists> doubles = make_split(small(), split);
  for (const auto& [entry, group] : doubles[0].groups) EXPECT_EQ(group, "double_seen2");
}

TEST(Dataset, BatchesBecomeContextsWhenAsked) {
  SmallFile f;
  DataOptions o;
  o.path = f.write("batches.h5ad");
  EXPECT_SAYS(complaint([&] {
                DataOptions bad = o;
                bad.batch = "covariate";
                read_dataset(bad);
              }),
              "needs a column with more than one batch");
  o.batch = "covariate", o.batch_column = "condition";  // any column can name batches
  const Dataset d = read_dataset(o);
  EXPECT_EQ(d.cell_types.size(), 1u);
  EXPECT_EQ(d.contexts, (std::vector<std::string>{"A", "B", "control"}));
  for (std::size_t i = 0; i < d.cells(); ++i)
    EXPECT_EQ(d.contexts[static_cast<std::size_t>(d.context[i])], d.batches[static_cast<std::size_t>(d.batch[i])]);
  o.batch = "twice";
  EXPECT_SAYS(complaint([&] { read_dataset(o); }), "must be ignore or covariate");
}

TEST(Dataset, TimesBelongToConditionsOrAreNotUsed) {
  H5adContents c;
  c.gene_names = {"g1", "g2"};
  c.matrix.columns = 2;
  std::vector<std::string> condition, text_time, type;
  std::vector<double> time, mixed;
  for (int i = 0; i < 6; ++i) {
    c.cell_names.push_back("c" + std::to_string(i));
    c.matrix.column_index.push_back(i % 2);
    c.matrix.values.push_back(2);
    c.matrix.row_offsets.push_back(i + 1);
    condition.push_back(i < 2 ? "day0" : i < 4 ? "day2" : "day1.5");
    time.push_back(i < 2 ? 0 : i < 4 ? 2 : 1.5);
    mixed.push_back(i % 2);
    text_time.push_back(i < 3 ? "early" : "late");
    type.push_back(i % 2 == 0 ? "x" : "y");
  }
  c.matrix.rows = 6;
  c.text_columns = {{"condition", condition}, {"word", text_time}, {"cell_type", type}};
  c.number_columns = {{"time", time}, {"mixed", mixed}};
  DataOptions o;
  o.path = folder() + "/times.h5ad", o.control = {"day0"};
  write_h5ad(o.path, c);
  std::string said;
  auto read = [&](const std::string& column) {
    o.time_column = column;
    said.clear();
    return read_dataset(o, [&](const std::string& line) { said += line + "\n"; });
  };
  const Dataset d = read("");
  EXPECT_EQ(d.labels, (std::vector<std::string>{"control", "day1.5", "day2"}));
  EXPECT_EQ(d.times, (std::vector<double>{0, 1.5, 2}));
  EXPECT_SAYS(said, "a time course (obs/time): 0, 1.5, 2");
  EXPECT_EQ(d.contexts.size(), 2u);
  o.cell_type_column = "none";
  EXPECT_EQ(read("none").contexts.size(), 1u);
  EXPECT_TRUE(read("none").times.empty());
  EXPECT_TRUE(read("mixed").times.empty());
  EXPECT_SAYS(said, "do not stand for one another");
  EXPECT_SAYS(complaint([&] { read("word"); }), "of cell c0 is 'early', which is not a number");
  EXPECT_SAYS(complaint([&] { read("hour"); }), "obs has no column 'hour' (--time-column)");
  c.number_columns[0].second[3] = std::nan("");
  write_h5ad(o.path, c);
  EXPECT_SAYS(complaint([&] { read("time"); }), "obs/time of cell c3 is missing");
  c.number_columns.erase(c.number_columns.begin());
  c.text_columns.emplace_back("time", text_time);
  write_h5ad(o.path, c);
  EXPECT_TRUE(read("").times.empty());
  EXPECT_SAYS(said, "not used: ");
}

TEST(Split, LeakageAndUnknownNamesAreRefused) {
  const Dataset data = small();
  auto says = [&](const std::string& lists) {
    write_text(folder() + "/bad.json", "{\"schema\":\"perturbine.split/1\"," + lists + "}");
    return complaint([&] { apply_split(read_split(folder() + "/bad.json")[0], data); });
  };
  EXPECT_SAYS(says("\"train\":[\"A\",\"B\"],\"test\":[\"B\"],\"rest\":\"train\""), "would leak into training");
  EXPECT_SAYS(says("\"test\":[\"D\"],\"rest\":\"train\""), "'D' in test is not in");
  EXPECT_SAYS(says("\"test\":[\"A\"]"), "stand in no list");
  EXPECT_SAYS(says("\"test\":[\"control\"],\"rest\":\"train\""), "no control cells are left");
  EXPECT_SAYS(says("\"tests\":[\"A\"]"), "field 'tests' is not known");
  EXPECT_SAYS(says("\"rest\":\"maybe\""), "must be train or ignore");
  write_text(folder() + "/bad.json", "{");
  EXPECT_SAYS(complaint([] { read_split(folder() + "/bad.json"); }), "is not a valid split file");
  EXPECT_EQ(says("\"test\":[\"B+A\"],\"rest\":\"train\""), "");  // any spelling
}

TEST(Files, Sha256KnownAnswers) {
  EXPECT_EQ(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Files, AFullDiskLeavesTheOldFileWhole) {
  const std::string path = folder() + "/kept.txt";
  write_text(path, "old contents");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small_limit{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small_limit);
  const std::string said = complaint<Error>([&] { write_text(path, std::string(100000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_SAYS(said, "what was there before is unchanged");
  EXPECT_EQ(read_text(path), "old contents");
  for (const auto& f : std::filesystem::directory_iterator(folder()))
    EXPECT_EQ(f.path().string().find(".partial-"), std::string::npos);
  EXPECT_SAYS(complaint<Error>([] { write_text("/nonexistent/folder/file", "x"); }), "cannot be written");
}

TEST(Checkpoint, RoundTripAndEveryDamage) {
  CheckpointContents c;
  c.texts["a"] = "text", c.lists["l"] = {"x", "y"}, c.floats["f"] = {1, 2, 3}, c.doubles["d"] = {.5},
  c.integers["i"] = {7, -7};
  const std::string path = folder() + "/c.h5";
  write_checkpoint(path, c);
  const CheckpointContents back = read_checkpoint(path);
  EXPECT_EQ(back.texts, c.texts);
  EXPECT_EQ(back.lists, c.lists);
  EXPECT_EQ(back.floats, c.floats);
  EXPECT_EQ(back.doubles, c.doubles);
  EXPECT_EQ(back.integers, c.integers);
  EXPECT_GT(H5Fis_hdf5(path.c_str()), 0);  // ordinary tools open it: the block is an HDF5 user block
  const std::string good = read_text(path);
  auto says = [&](std::string bytes) {
    write_file(path, bytes.data(), bytes.size());
    return complaint([&] { read_checkpoint(path); });
  };
  EXPECT_SAYS(says(good.substr(0, good.size() - 10)), "is cut short");
  EXPECT_SAYS(says(good.substr(0, 100)), "is not a checkpoint");
  std::string newer = good;
  newer[8] = 9;
  EXPECT_SAYS(says(newer), "newer version");
  std::string damaged = good;
  damaged[good.size() / 2] = static_cast<char>(damaged[good.size() / 2] ^ 1);
  EXPECT_SAYS(says(damaged), "is damaged");
}

TEST(Simulator, SameSeedSameCellsAndTruthIsTheMeanOfManyCells) {
  SimulationSettings s = preset_settings("norman");
  s.genes = 60, s.perturbations = 6, s.doubles = 4, s.cells_per_condition = 30, s.control_cells = 40;
  const Simulator a(s), b(s);
  const Condition c = a.conditions().back();
  EXPECT_EQ(c.parts.size(), 2u);
  EXPECT_EQ(a.sample(c, 0, 0, 3).counts, b.sample(c, 0, 0, 3).counts);
  EXPECT_NE(a.sample(c, 0, 0, 3).counts, a.sample(c, 0, 0, 4).counts);
  const auto m = a.mean(c, 0, 400), n = a.mean({}, 0, 400);
  double moved = 0;
  for (std::size_t g = 0; g < s.genes; ++g) moved += std::abs(m[g] - n[g]);
  EXPECT_GT(moved, .1);
  write_h5ad(folder() + "/sim.h5ad", a.data_set());
  DataOptions o;
  o.path = folder() + "/sim.h5ad";
  const Dataset d = read_dataset(o);
  EXPECT_TRUE(d.simulated);
  EXPECT_EQ(d.labels.size(), 11u);
  EXPECT_SAYS(complaint([] { preset_settings("screeen"); }), "must be norman, screen, dose or timecourse");
}

// What a data set looks like to a model, in eight numbers.
struct Pattern {
  double zeros;                   // share of zero counts
  double variance_slope, excess;  // log variance against log mean of control counts over genes: slope, and mean excess
  double no_change, split_half;   // mean norm of a condition's change, and between the means of its two halves
  double additive;                // of doubles whose singles are there: norm of what the sum of the singles misses,
  double doubles;                 // beside the norm of the doubles' own change
};

std::vector<double> mean_of(const Dataset& d, const std::vector<std::size_t>& cells) {
  const auto x = d.expression(cells);
  std::vector<double> m(d.genes(), 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    m[i % d.genes()] += static_cast<double>(x[i]) / static_cast<double>(cells.size());
  return m;
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0;
  for (std::size_t g = 0; g < a.size(); ++g) square += (a[g] - b[g]) * (a[g] - b[g]);
  return std::sqrt(square);
}

Pattern pattern_of(const Dataset& d) {
  Pattern p{};
  p.zeros = 1 - static_cast<double>(d.counts.non_zeros()) / static_cast<double>(d.cells() * d.genes());
  std::vector<double> sum(d.genes(), 0), square = sum;
  const auto controls = d.cells_of(0);
  for (const std::size_t i : controls)
    for (auto k = static_cast<std::size_t>(d.counts.row_offsets[i]);
         k < static_cast<std::size_t>(d.counts.row_offsets[i + 1]); ++k) {
      const double v = static_cast<double>(d.counts.values[k]);
      const auto g = static_cast<std::size_t>(d.counts.column_index[k]);
      sum[g] += v, square[g] += v * v;
    }
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  const auto cells = static_cast<double>(controls.size());
  for (std::size_t g = 0; g < d.genes(); ++g) {
    const double m = sum[g] / cells, v = square[g] / cells - m * m;
    if (m < .1 || v <= 0) continue;
    const double x = std::log(m), y = std::log(v);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  p.variance_slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  p.excess = (sy - sx) / n;
  std::map<std::string, std::vector<double>> mean;
  for (std::size_t l = 0; l < d.labels.size(); ++l) mean[d.labels[l]] = mean_of(d, d.cells_of(l));
  const auto& base = mean["control"];
  double doubles = 0;
  for (std::size_t l = 1; l < d.labels.size(); ++l) {
    const double share = 1 / static_cast<double>(d.labels.size() - 1);
    p.no_change += share * distance(mean[d.labels[l]], base);
    std::vector<std::size_t> half[2];
    const auto all = d.cells_of(l);
    for (std::size_t k = 0; k < all.size(); ++k) half[k % 2].push_back(all[k]);
    p.split_half += share * distance(mean_of(d, half[0]), mean_of(d, half[1]));
    const Condition& c = d.conditions[l];
    if (c.parts.size() != 2 || !mean.count(c.parts[0].name) || !mean.count(c.parts[1].name)) continue;
    std::vector<double> sum_of_singles = base;
    for (const auto& part : c.parts)
      for (std::size_t g = 0; g < base.size(); ++g) sum_of_singles[g] += mean[part.name][g] - base[g];
    p.additive += distance(mean[d.labels[l]], sum_of_singles);
    p.doubles += distance(mean[d.labels[l]], base);
    doubles += 1;
  }
  p.additive /= doubles, p.doubles /= doubles;
  return p;
}

// The preset's pattern against the real file's, within bands.
TEST(Simulator, PresetNormanLooksLikeNorman) {
  const char* folder_of_data = std::getenv("PERTURBINE_DATA");
  if (folder_of_data == nullptr) GTEST_SKIP() << "PERTURBINE_DATA is not set";
  DataOptions o;
  o.path = std::string(folder_of_data) + "/norman2019_k562_crispra_500g.h5ad";
  const Pattern real = pattern_of(read_dataset(o));
  write_h5ad(folder() + "/norman.h5ad", Simulator(preset_settings("norman")).data_set());
  o.path = folder() + "/norman.h5ad";
  const Pattern made = pattern_of(read_dataset(o));
  EXPECT_NEAR(made.zeros, real.zeros, .06);
  EXPECT_NEAR(made.variance_slope, real.variance_slope, .3);
  EXPECT_NEAR(made.excess, real.excess, .5);
  const auto within_factor = [](const char* what, double a, double b, double factor) {
    EXPECT_GT(a, b / factor) << what;
    EXPECT_LT(a, b * factor) << what;
  };
  within_factor("change", made.no_change, real.no_change, 2);
  within_factor("split-half", made.split_half, real.split_half, 2);
  within_factor("change of doubles", made.doubles, real.doubles, 2);
  // Doubles are not sums, and not far from them.
  within_factor("additive error over change", made.additive / made.doubles, real.additive / real.doubles, 2.5);
  RecordProperty("real", text(real.zeros, " ", real.variance_slope, " ", real.excess, " ", real.no_change, " ",
                              real.split_half, " ", real.additive, " ", real.doubles));
  RecordProperty("simulated", text(made.zeros, " ", made.variance_slope, " ", made.excess, " ", made.no_change, " ",
                                   made.split_half, " ", made.additive, " ", made.doubles));
}

}  // namespace
}  // namespace perturbine
