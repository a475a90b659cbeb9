// The program as a user meets it: exit codes, one clear sentence, nothing overwritten; the same bits from any thread
// count and after being killed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "io/dataset.h"
#include "io/h5ad.h"
#include "io/hdf5.h"
#include "tests/cli/program.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::SmallFile;
using namespace testing_program;

TEST(Program, HelpVersionAndUnknowns) {
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_EQ(run("--version").out, "perturbine 0.1.0\n");
  EXPECT_EQ(run("").code, 2);
  expect_refused("fly", "'fly' is no command; all of them");
  expect_refused("trian --data x", "'trian' is no command; near spellings: train");
  EXPECT_EQ(run("inspect").code, 2);
  EXPECT_EQ(run("devices --operations").code, 0);
  expect_refused("devices --device gpu7 --threads -3", "--threads");
}

TEST(Program, BadInputIsRefusedAndNothingIsOverwritten) {
  Prepared& p = prepared();
  const std::string good = SmallFile().write("good.h5ad");
  expect_refused("inspect " + folder() + "/none.h5ad", "no such file");
  write_text(folder() + "/text.h5ad", "no");
  expect_refused("inspect " + folder() + "/text.h5ad", "is not an HDF5 file");
  expect_refused("inspect " + good + " --condition-column guide", "no column 'guide'");
  expect_refused("inspect " + good + " --cell-type-column kind", "no column 'kind'");
  expect_refused("inspect " + good + " --memory 0", "allow it by --memory 1");
  write_text(folder() + "/file", "no folder");
  expect_refused("simulate --out " + folder() + "/file/x.h5ad", "no such folder to write into");
  expect_refused(p.train + " --technical-shrinkage some --out " + folder() + "/r", "must be auto or a number");
  expect_refused(p.train + " --network tree --out " + folder() + "/r", "--network is 'tree'");
  expect_refused("prepare " + good + " --out " + good, "is read and written");
  expect_refused("prepare " + good + " " + folder() + "/none.h5ad --out " + folder() + "/x.h5ad", "no such file");
  expect_refused(
      "prepare " + good + " --control A --leave-out control --condition-column guide --out " + folder() + "/x.h5ad",
      "no column 'guide'");
  expect_refused("prepare " + good + " --expression log1p --out " + folder() + "/x.h5ad", "prepare works on counts");
  expect_refused("prepare " + good + " --genes -1 --out " + folder() + "/x.h5ad", "--genes");
  expect_refused("prepare " + good + " --out " + p.split, "is already there");
  expect_refused("split " + good + " --kind halves --out " + folder() + "/x.json", "--kind is 'halves'");
  expect_refused("split " + good + " --kind random --fraction 1.5 --out " + folder() + "/x.json", "--fraction is 1.5");
  expect_refused("split " + p.data + " --kind random --out " + p.split, "is already there");
  expect_refused("simulate --out /nonexistent/x.h5ad", "no such folder");
  expect_refused("simulate --perturbations 1 --out " + folder() + "/x.h5ad", "--perturbations is 1");
  expect_refused("simulate --preset dose --perturbations 5 --out " + folder() + "/x.h5ad", "goes with presets norman");
  expect_refused("simulate --preset moon --out " + folder() + "/x.h5ad", "must be norman, screen, dose or timecourse");
  expect_refused(p.train + " --out " + p.run_folder, "is already there");
  expect_refused(p.train + " --dropout 1.5 --out " + folder() + "/r", "--dropout is 1.5");
  expect_refused(p.train + " --guidance-perturbation nan --out " + folder() + "/r", "--guidance-perturbation is nan");
  expect_refused(p.train + " --model vae --out " + folder() + "/r",
                 "model 'vae' cannot be trained; choose among diffusion, flow, causal-vae, hybrid");
  expect_refused(p.train + " --target x1 --out " + folder() + "/r", "--target is 'x1'");
  expect_refused(p.train + " --sampler magic --out " + folder() + "/r", "--sampler is 'magic' but must be one of");
  expect_refused(p.train + " --model flow --coupling tight --out " + folder() + "/r", "--coupling is 'tight'");
  expect_refused(p.train + " --batch covariates --out " + folder() + "/r", "--batch is 'covariates'");
  expect_refused("split " + good + " --kind k-fold --of triples --out " + folder() + "/r.json", "--of is 'triples'");
  expect_refused("train --data " + good + " --split " + p.split + " --out " + folder() + "/r", "is not in");
  const std::string predict = "predict --run " + p.run_folder + " --out " + folder() + "/p.h5ad ";
  expect_refused(predict + "--condition P1 --cells -5", "--cells is -5");
  expect_refused(predict + "--condition P99", "near spellings");
  expect_refused(predict + "--condition P1+P1", "named twice");
  expect_refused(predict + "--condition P1 --dose 0", "--dose is 0");
  expect_refused(predict + "--condition P1 --dose 1,0.5", "doses must rise");
  expect_refused(predict + "--condition control --dose 1", "control, which has no dose");
  expect_refused(predict + "--condition P1 --dose 1 --time 2", "--dose and --time exclude");
  expect_refused(predict + "--condition P1 --dose 1,2 --from " + p.data, "name one --dose, not 2");
  expect_refused(predict + "--condition P1 --cell-type liver", "--cell-type 'liver'");
  expect_refused(predict + "--condition P1 --cells 5 --from " + p.data, "leave --cells out");
  expect_refused(predict + "--condition P1 --from " + p.data, "model diffusion: makes no counterfactuals");
  expect_refused(predict + "--condition P1 --from " + good, "has not all genes of the run");
  expect_refused(p.train + " --model causal-vae --likelihood poisson --out " + folder() + "/r",
                 "--likelihood is 'poisson'");
  expect_refused(p.train + " --model causal-vae --space genes --out " + folder() + "/r", "--space genes");
  expect_refused("effects --run " + p.run_folder + " --cell-type liver --out " + folder() + "/e.csv",
                 "--cell-type 'liver' was not in training");
  expect_refused("effects --run " + p.run_folder + " --out " + p.split, "is already there");
  expect_refused("impute --run " + p.run_folder + " --data " + p.data + " --field age --out " + folder() + "/i.csv",
                 "--field is 'age'");
  expect_refused("impute --run " + p.run_folder + " --data " + p.data + " --out " + folder() + "/i.csv",
                 "was trained on one cell type");
  expect_refused("impute --run " + p.run_folder + " --data " + good + " --field batch --out " + folder() + "/i.csv",
                 "has not all genes of the run");
  expect_refused("predict --run " + folder() + "/none --condition P1 --out " + folder() + "/p.h5ad", "no such file");
  expect_refused("benchmark --data " + p.data + " --split " + p.split + " --models oracle --out " + folder() + "/b1",
                 "model 'oracle' is not known");
  expect_refused("benchmark --data " + p.data + " --split " + p.split + " --seeds one --out " + folder() + "/b2",
                 "'one' is not a whole number");
  write_text(folder() + "/bad.toml", "stepps = 5\n");
  expect_refused(p.train + " --config " + folder() + "/bad.toml --out " + folder() + "/r",
                 "'stepps' is not an option of train; near spellings: steps");
  write_text(folder() + "/broken.toml", "steps = = 5\n");
  expect_refused(p.train + " --config " + folder() + "/broken.toml --out " + folder() + "/r", "is not valid TOML");
  EXPECT_FALSE(std::filesystem::exists(folder() + "/p.h5ad"));
}

TEST(Program, AFolderThatCannotBeWrittenIsRefused) {
  if (geteuid() == 0) {
    // Root may write everywhere but here.
    expect_refused("simulate --genes 20 --cells 5 --out /proc/self/x.h5ad", "/proc/self");
    return;
  }
  std::filesystem::create_directories(folder() + "/closed");
  std::filesystem::permissions(folder() + "/closed",
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_refused("simulate --out " + folder() + "/closed/x.h5ad", "cannot be written into");
}

TEST(Program, CounterfactualsKeepTheirCellsAndEffectsAndLabelsAreTables) {
  Prepared& p = prepared();
  const std::string vae = folder() + "/vae", cells = folder() + "/counterfactual.h5ad";
  ASSERT_EQ(run(p.train + " --model causal-vae --out " + vae).code, 0);
  const Outcome o = run("predict --quiet --run " + vae + " --condition P1+P2 --from " + p.data + " --out " + cells);
  ASSERT_EQ(o.code, 0) << o.err;
  DataOptions given;
  given.path = p.data;
  const Dataset before = read_dataset(given);
  given.path = cells, given.generated = true;
  const Dataset after = read_dataset(given);
  EXPECT_EQ(after.cell_names, before.cell_names);
  EXPECT_EQ(after.gene_names, before.gene_names);
  EXPECT_EQ(after.library_size, before.library_size);
  EXPECT_EQ(after.labels.back(), "P1+P2");
  EXPECT_EQ(after.batches, before.batches);
  ASSERT_EQ(run("effects --quiet --run " + vae + " --out " + folder() + "/effects.csv").code, 0);
  const std::string effects = read_text(folder() + "/effects.csv");
  EXPECT_EQ(effects.substr(0, effects.find('\n')), "perturbation,cell_type,space,feature,effect,standard_error,cells");
  EXPECT_NE(effects.find("\nP1,,gene,GENE1,"), std::string::npos);
  EXPECT_NE(effects.find("\nP1,,state,state10,"), std::string::npos);
  ASSERT_EQ(run("effects --quiet --run " + vae + " --out " + folder() + "/effects.tsv").code, 0);
  std::string with_tabs = effects;
  std::replace(with_tabs.begin(), with_tabs.end(), ',', '\t');
  EXPECT_EQ(read_text(folder() + "/effects.tsv"), with_tabs);
  ASSERT_EQ(run("impute --quiet --run " + vae + " --data " + p.data + " --split " + p.split +
                " --field perturbed --out " + folder() + "/labels.csv")
                .code,
            0);
  const std::string labels = read_text(folder() + "/labels.csv");
  EXPECT_EQ(labels.substr(0, labels.find('\n')), "cell,predicted,probability,observed,counted");
  EXPECT_EQ(static_cast<std::size_t>(std::count(labels.begin(), labels.end(), '\n')), before.cells() + 1);
}

TEST(Program, CellTypesAreTheLabelsWhereContextsAreTypesInBatches) {
  const std::string data = folder() + "/screen.h5ad", split = folder() + "/screen.json";
  ASSERT_EQ(run("simulate --quiet --preset screen --genes 30 --perturbations 3 --cells 40 --out " + data).code, 0);
  ASSERT_EQ(run("split --quiet " + data + " --kind random --fraction .3 --out " + split).code, 0);
  ASSERT_EQ(run("train --quiet --data " + data + " --split " + split + " --batch covariate --steps 5 --out " +
                folder() + "/screen_run")
                .code,
            0);
  const std::string table = folder() + "/types.csv";
  ASSERT_EQ(run("impute --quiet --run " + folder() + "/screen_run --data " + data + " --out " + table).code, 0);
  std::istringstream lines(read_text(table));
  std::string line;
  std::getline(lines, line);
  std::size_t cells = 0;
  for (; std::getline(lines, line); ++cells) {
    EXPECT_EQ(line.find('|'), std::string::npos) << line;  // a type, not a type in a batch
    EXPECT_TRUE(line.ends_with(",1")) << line;             // its observed type is one the run knows
  }
  EXPECT_GT(cells, 100u);
}

TEST(Program, DosesAreDrawnFromTheSameNoise) {
  Prepared& p = prepared();
  const std::string predict = "predict --quiet --cells 9 --run " + p.run_folder + " --out " + folder() + "/";
  ASSERT_EQ(run(predict + "dose_series.h5ad --condition P1 --dose 0.5,1").code, 0);
  ASSERT_EQ(run(predict + "dose_half.h5ad --condition P1:0.5").code, 0);
  ASSERT_EQ(run(predict + "dose_doubled.h5ad --condition P1:0.25 --dose 2").code, 0);
  ASSERT_EQ(run(predict + "dose_whole.h5ad --condition P1").code, 0);
  const H5adFile series(folder() + "/dose_series.h5ad"), half(folder() + "/dose_half.h5ad"),
      doubled(folder() + "/dose_doubled.h5ad"), whole(folder() + "/dose_whole.h5ad");
  EXPECT_EQ(series.text_column("condition")[8], "P1:0.5");
  EXPECT_EQ(series.text_column("condition")[9], "P1");
  EXPECT_EQ(series.number_column("dose")[8], .5);
  EXPECT_EQ(series.number_column("dose")[9], 1);
  EXPECT_EQ(series.read_rows(0, 9).values, half.read_rows(0, 9).values);
  EXPECT_EQ(doubled.read_rows(0, 9).values, half.read_rows(0, 9).values);
  EXPECT_EQ(doubled.text_column("condition")[0], "P1:0.5");
  EXPECT_EQ(series.read_rows(9, 9).values, whole.read_rows(0, 9).values);
  EXPECT_NE(half.read_rows(0, 9).values, whole.read_rows(0, 9).values);
}

TEST(Program, PreparedFilesTrain) {
  Prepared& p = prepared();
  const std::string out = folder() + "/prepared.h5ad";
  const Outcome o = run("prepare " + p.data + " --genes 40 --split " + p.split + " --out " + out);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.err.find("training cells of " + p.split), std::string::npos) << o.err;
  DataOptions read;
  read.path = out;
  const Dataset d = read_dataset(read);
  EXPECT_EQ(d.genes(), 40u);
  EXPECT_TRUE(d.simulated);
  const std::string train = "train --quiet --steps 5 --hidden 16 --blocks 1 --latent 5 --data " + out + " --split ";
  EXPECT_EQ(run(train + p.split + " --out " + folder() + "/prepared_run").code, 0);
}

TEST(Program, CellsOfATimeCourseAreSampledBetweenTimesAndFollowed) {
  H5adContents c;
  std::vector<std::string> condition;
  std::vector<double> time;
  for (int g = 0; g < 12; ++g) c.gene_names.push_back("g" + std::to_string(g));
  c.matrix.columns = 12;
  for (int i = 0; i < 90; ++i) {
    c.cell_names.push_back("c" + std::to_string(i));
    condition.push_back("hour" + std::to_string(i / 30 * 12));
    const int hour = i / 30 * 12;
    time.push_back(hour);
    for (int g = 0; g < 12; ++g) {
      c.matrix.column_index.push_back(g);
      c.matrix.values.push_back(static_cast<float>(1 + (i * 5 + g * 3) % 7 + (g < 4 ? i / 30 * 3 : 0)));
    }
    c.matrix.row_offsets.push_back(static_cast<std::int64_t>(c.matrix.values.size()));
  }
  c.matrix.rows = 90;
  c.text_columns = {{"condition", condition}};
  c.number_columns = {{"time", time}};
  const std::string data = folder() + "/course.h5ad", split = folder() + "/course.json", r = folder() + "/course";
  write_h5ad(data, c);
  write_text(split, R"({"schema":"perturbine.split/1","train":["hour24"],"test":["hour12"]})");
  const std::string given = " --quiet --data " + data + " --control hour0 --split " + split;
  const std::string small = " --steps 30 --hidden 16 --blocks 1 --batch-size 32 --latent 6";
  const Outcome b = run("benchmark" + given + small + " --out " + folder() + "/course_results");
  ASSERT_EQ(b.code, 0) << b.err;
  EXPECT_NE(b.out.find("time-mixture"), std::string::npos) << b.out;
  ASSERT_EQ(run("train" + given + small + " --model flow --out " + r).code, 0);
  const std::string predict = "predict --quiet --run " + r + " --cells 40 --out " + folder() + "/";
  ASSERT_EQ(run(predict + "half.h5ad --time 12 --condition hour12").code, 0);
  ASSERT_EQ(run(predict + "path.h5ad --time 0,6,24").code, 0);
  DataOptions o;
  o.generated = true, o.path = folder() + "/half.h5ad";
  EXPECT_EQ(read_dataset(o).labels[1], "hour12");
  o.path = folder() + "/path.h5ad";
  const Dataset path = read_dataset(o);
  EXPECT_EQ(path.cells(), 120u);
  EXPECT_EQ(path.labels, (std::vector<std::string>{"control", "hour24", "time6"}));
  const H5adFile file(o.path, "");
  const auto followed = file.number_column("followed_cell"), at = file.number_column("time");
  EXPECT_EQ(followed[0], 1);
  EXPECT_EQ(followed[119], 40);
  EXPECT_EQ(at[39], 0);
  EXPECT_EQ(at[40], 6);
  const Outcome e = run("evaluate --quiet --real " + data + " --control hour0 --predicted " + folder() +
                        "/half.h5ad --out " + folder() + "/course_evaluated");
  EXPECT_EQ(e.code, 0) << e.err;
  expect_refused(predict + "x.h5ad --time 0,30", "lies outside the training data's 0 to 24");
  expect_refused(predict + "x.h5ad --time 6 --condition hour24", "was trained at time 24, not 6");
  expect_refused(predict + "x.h5ad --time 0,6 --condition hour24", "leave --condition out");
  expect_refused(predict + "x.h5ad", "say what to predict");
  expect_refused("predict --quiet --run " + prepared().run_folder + " --time 6 --out " + folder() + "/x.h5ad",
                 "no time course");
}

TEST(Program, PerturbationsNeverTrainedAreKnownByTheirFeatures) {
  Prepared& p = prepared();
  const std::string table = folder() + "/features.tsv", r = folder() + "/featured", out = folder() + "/unseen.h5ad";
  std::string rows = "name\tx\ty\n";
  for (int i = 1; i <= 12; ++i) rows += text("P", i, "\t", .1 * i, "\t", 1 - .05 * i * i, "\n");
  write_text(table, rows + "NEW\t0.25\t0.5\n");
  const Outcome trained = run(p.train + " --perturbation-embedding " + table + " --out " + r);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(run("predict --quiet --run " + r + " --condition NEW+P1 --cells 30 --out " + out).code, 0);
  expect_refused("predict --quiet --run " + r + " --condition NEWER --out " + folder() + "/x.h5ad",
                 "'NEWER' was not in training");
  expect_refused("predict --quiet --run " + p.run_folder + " --condition NEW --out " + folder() + "/x.h5ad",
                 "'NEW' was not in training; the run knows P1");
  expect_refused(p.train + " --resume --out " + r, "another --perturbation-embedding");
  EXPECT_EQ(run(p.train + " --resume --perturbation-embedding " + table + " --out " + r).code, 0);
  write_text(table, "a\t1\nb\t2\nc\t3\n");
  expect_refused(p.train + " --perturbation-embedding " + table + " --out " + folder() + "/x", "knows none of");
  expect_refused(p.train + " --perturbation-embedding " + folder() + "/nowhere --out " + folder() + "/x", "nowhere");
}

TEST(Program, EveryCommandGivesItsResultAsJson) {
  Prepared& p = prepared();
  for (const std::string& command :
       {"simulate --genes 20 --cells 5 --out " + folder() + "/json.h5ad",
        "prepare " + p.data + " --genes 30 --out " + folder() + "/json_prepared.h5ad",
        "split " + p.data + " --kind random --out " + folder() + "/json.split",
        "predict --run " + p.run_folder + " --condition P1 --cells 5 --out " + folder() + "/json_cells.h5ad",
        "effects --run " + p.run_folder + " --out " + folder() + "/json_effects.csv",
        "impute --run " + p.run_folder + " --data " + p.data + " --field batch --out " + folder() + "/json_labels.csv",
        "inspect " + p.data, p.train + " --out " + folder() + "/json_run", std::string("devices")}) {
    const Outcome o = run(command + " --json --quiet");
    EXPECT_EQ(o.code, 0) << command << o.err;
    EXPECT_EQ(o.out.substr(0, 12), "{\n \"schema\":") << command;
  }
}

TEST(Program, ValidationConditionsGiveTheirLossAndChooseTheShareOfTheMean) {
  Prepared& p = prepared();
  auto split = nlohmann::json::parse(read_text(p.split));
  ASSERT_GE(split["test"].size(), 2u);
  const nlohmann::json held = split["test"].back();
  split["test"].erase(split["test"].size() - 1);
  split["validation"] = nlohmann::json::array({held});
  split.erase("groups");
  write_text(folder() + "/validated.json", split.dump());
  const std::string train = "train --data " + p.data + " --split " + folder() +
                            "/validated.json --steps 60 --hidden 32 --blocks 1 " +
                            "--batch-size 64 --latent 10 --out " + folder() + "/validated";
  const Outcome o = run(train);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_NE(o.err.find("chosen on 1 validation conditions"), std::string::npos) << o.err;
  const auto line = nlohmann::json::parse(
      read_text(folder() + "/validated/log.jsonl").substr(0, read_text(folder() + "/validated/log.jsonl").find('\n')));
  EXPECT_TRUE(line["validation"].is_number());
  EXPECT_EQ(run("predict --quiet --run " + folder() + "/validated --cells 5 --condition " + held.get<std::string>() +
                " --out " + folder() + "/validated.h5ad")
                .code,
            0);
}

TEST(Program, ACheckpointOfAnotherKindIsRefused) {
  Prepared& p = prepared();
  const std::string file = p.run_folder + "/checkpoint.h5", bytes = read_text(file);
  auto with = [&](const std::string& other, const std::string& part) {
    std::filesystem::create_directories(folder() + "/broken");
    write_text(folder() + "/broken/checkpoint.h5", other);
    expect_refused("predict --run " + folder() + "/broken --condition P1 --out " + folder() + "/q.h5ad", part);
  };
  with(bytes.substr(0, bytes.size() - 7), "is cut short");
  std::string versioned = bytes;  // byte 8 of the file is the format's version
  versioned[8] = static_cast<char>(bytes[8] + 1);
  with(versioned, "newer version");
  versioned[8] = static_cast<char>(bytes[8] - 1);
  with(versioned, "older version");
  with("hello", "is not a checkpoint");
  expect_refused("inspect " + p.run_folder, "is the folder of a trained run");
  EXPECT_EQ(run("simulate --quiet --seed 5 --genes 60 --cells 25 --out " + folder() + "/other.h5ad").code, 0);
  EXPECT_EQ(run("split --quiet " + folder() + "/other.h5ad --kind doubles --out " + folder() + "/other.json").code, 0);
  expect_refused("train --data " + folder() + "/other.h5ad --split " + folder() +
                     "/other.json --steps 60 --hidden 32 --blocks 1 --batch-size 64 --latent 10 --resume --out " +
                     p.run_folder,
                 "another data set");
}

TEST(Program, EveryTrainableModelTrainsResumesAndPredicts) {
  Prepared& p = prepared();
  for (const std::string model : {"flow", "hybrid"}) {
    const std::string out = folder() + "/" + model;
    Outcome o = run(p.train + " --model " + model + " --out " + out);
    ASSERT_EQ(o.code, 0) << o.err;
    EXPECT_NE(read_text(out + "/config.toml").find("model = \"" + model + "\""), std::string::npos);
    const std::string weights = sha256_of_file(out + "/checkpoint.h5");
    EXPECT_EQ(run(p.train + " --resume --model " + model + " --out " + out).code, 0);
    EXPECT_EQ(sha256_of_file(out + "/checkpoint.h5"), weights) << "a finished training has nothing to go on with";
    expect_refused(p.train + " --resume --model diffusion --out " + out, "another configuration");
    o = run("predict --quiet --run " + out + " --condition P1+P2 --cells 20 --out " + out + ".h5ad");
    EXPECT_EQ(o.code, 0) << o.err;
  }
}

std::string weights_hash(const std::string& run_folder) {
  const auto file = hdf5::open_file(run_folder + "/checkpoint.h5");
  const auto d = hdf5::open_dataset(file, "floats/weights");
  std::vector<float> v(hdf5::element_count(d, "weights"));
  hdf5::read_slice(d, 0, v.size(), H5T_NATIVE_FLOAT, v.data(), "weights");
  return sha256(v.data(), v.size() * sizeof(float));
}

TEST(Program, SameWeightsFromAnyThreadCountAndAfterKillNine) {
  Prepared& p = prepared();
  const std::string train =
      "train --data " + p.data + " --split " + p.split +
      " --steps 6000 --hidden 48 --blocks 2 --batch-size 64 --latent 10 --checkpoint-seconds 0 --quiet";
  const std::string straight = folder() + "/straight";
  ASSERT_EQ(run(train + " --threads 1 --out " + straight).code, 0);
  const std::string want = weights_hash(straight);
  for (const char* threads : {"2", "3", "7"}) {
    const std::string out = folder() + "/threads" + threads;
    ASSERT_EQ(run(train + " --threads " + threads + " --out " + out).code, 0);
    EXPECT_EQ(weights_hash(out), want) << threads;
  }
  int landed = 0;  // kills that met a training still running
  for (int round = 0; round < 10; ++round) {
    const std::string out = folder() + "/killed" + std::to_string(round);
    const std::string millis = std::to_string(60 + round * 90);
    // Killed at ten moments; whatever is there, --resume goes on and ends at the same weights.
    const std::string line = std::string(PERTURBINE_PROGRAM) + " " + train + " --out " + out + " & pid=$!; sleep 0." +
                             (millis.size() < 3 ? "0" : "") + millis +
                             "; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null; true";
    ASSERT_EQ(std::system(("bash -c '" + line + "' >/dev/null 2>&1").c_str()), 0);
    const std::string log = out + "/log.jsonl";
    if (!std::filesystem::exists(log) || read_text(log).find("\"step\":6000,") == std::string::npos) ++landed;
    const Outcome o = run(train + " --resume --out " + out);
    ASSERT_EQ(o.code, 0) << o.err;
    EXPECT_EQ(weights_hash(out), want) << "killed after " << millis << " ms";
  }
  EXPECT_GE(landed, 5);
}

}  // namespace
}  // namespace perturbine
