// A study asks one question of an operation. Its variants, in rising cleverness, are checked against the oracle and
// timed beside the kernel that ships. Adding one: a folder with study.cpp (question, cases, what each variant does,
// what was learned), native variants in cpu.cpp, device code in device.cu, and its line in studies.cpp.
#pragma once
#include "bench/cases/case.h"
#include "bench/studies/variant.h"
#include "engine/ceilings.h"

namespace perturbine::studies {

/// What a variant must move and compute, from what the operation must at least.
using Prediction = Cost (*)(Cost least);

struct VariantText {
  std::string name;    // as registered; "shipped": the kernel in kernels/
  bool native = true;  // false: device code
  std::string says;    // what it does, in a few words
  Prediction predict = [](Cost least) { return least; };
  bool emulated = true;  // false: device code that calls a CUDA library and so is for a GPU alone
};

struct StudyCase {
  std::string operation, type;        // of the list of cases, variant included ("film_layer_norm.silu")
  cases::Shape timed;                 // where it is timed
  std::vector<cases::Shape> checked;  // and where, besides, it must agree with the oracle, columns sliced too
};

struct Study {
  std::string name, question;
  std::vector<StudyCase> cases;
  std::vector<VariantText> variants;
  std::string learned;
};

const std::vector<Study>& all_studies();
/// Throws Error with what there is for an unknown name.
const Study& study_named(const std::string& name);

/// One variant on one case.
struct Measurement {
  std::string case_name, variant, says;
  std::string differs;          // from the oracle; empty: it agrees
  Cost least, predicted;        // of the operation, of the variant
  std::vector<double> seconds;  // of one run each
  std::vector<double>
      against_copy;  // the same in units of a copy timed beside it (CopyProbe): less of the machine's mood
  double median() const;
};

struct RunOptions {
  std::size_t repetitions = 15;
  bool time = true;  // false: only check
};

struct StudyResult {
  std::vector<Measurement> measured;
  Ceilings ceilings;  // zero where nothing was timed
};

/// Checks every variant that this queue's device has, then times those that agree, in turns. A variant that is
/// registered without a text (a file of one's own) is run too.
StudyResult run_study(const Study& study, Queue& queue, const RunOptions& options);

/// The case with `run` as the function that executes it.
cases::Case with_function(const cases::Case& c, Module::Execute run);

/// Opens the studies' CUDA code; false where there is none.
bool open_cuda_variants();
/// Compiles a file with a variant for a queue's device and opens it. Throws Error with the compiler's words.
void open_variant_file(const std::string& path, Device device);

/// What a page says of a study: question, the tables of its cases, what was learned. `measured_on`: the machine in
/// words.
std::string page(const Study& study, const StudyResult& result, const std::string& measured_on,
                 const std::string& picture_file);

/// A bar for each variant of each case, its time and, as a line, the predicted one; an SVG picture.
std::string picture(const Study& study, const StudyResult& result);

}  // namespace perturbine::studies
