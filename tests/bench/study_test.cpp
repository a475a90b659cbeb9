// Every variant of every study agrees with the oracle, on the CPU and in the emulator; variants of one's own.
#include "bench/studies/study.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "kernels/emulator/install.h"

namespace perturbine::studies {
namespace {

class EveryStudy : public ::testing::TestWithParam<Device> {};

TEST_P(EveryStudy, VariantsAgreeWithTheOracle) {
#if defined(PERTURBINE_EMULATOR)
  install_emulator();
#endif
  if (GetParam() == Device::emulated && emulated_module() == nullptr) GTEST_SKIP() << "no emulator on this processor";
  Queue queue(GetParam(), {.threads = 2});
  for (const Study& s : all_studies()) {
    const StudyResult r = run_study(s, queue, {.time = false});
    EXPECT_FALSE(r.measured.empty()) << s.name;
    std::set<std::string> ran;
    for (const Measurement& m : r.measured) {
      EXPECT_EQ(m.differs, "") << s.name << ", " << m.variant;
      ran.insert(m.variant);
    }
    // Whatever a study has words for must be there.
    for (const VariantText& v : s.variants)
      if (v.native == (GetParam() == Device::cpu) && (v.native || v.emulated)) {
        EXPECT_TRUE(ran.count(v.name)) << s.name << ", " << v.name;
      }
  }
}
INSTANTIATE_TEST_SUITE_P(On, EveryStudy, ::testing::Values(Device::cpu, Device::emulated),
                         [](const auto& test) { return test.param == Device::cpu ? "Cpu" : "Emulated"; });

TEST(Studies, AreTimedInTurnsAndPredicted) {
  Queue queue(Device::cpu, {.threads = 1});
  const StudyResult r = run_study(study_named("sinkhorn_half"), queue, {.repetitions = 3});
  EXPECT_GT(r.ceilings.copy_gigabytes, 0);
  for (const Measurement& m : r.measured) {
    ASSERT_EQ(m.seconds.size(), 3u);
    ASSERT_EQ(m.against_copy.size(), 3u);
    EXPECT_GT(m.median(), 0);
    EXPECT_GT(m.predicted.bytes, 0);
  }
  EXPECT_NE(picture(study_named("sinkhorn_half"), r).find("one_walk"), std::string::npos);
}

struct Outcome {
  int code;
  std::string said;
};
Outcome study(const std::string& arguments) {
  const std::string command = std::string(PERTURBINE_STUDY) + " " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  Outcome o{0, ""};
  char part[512];
  while (std::fgets(part, sizeof part, pipe) != nullptr) o.said += part;
  const int status = pclose(pipe);
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return o;
}

const char* own_kernel = R"(
#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/transport/sinkhorn.h"
namespace {
using namespace perturbine;
__global__ void a_thread_a_row(SinkhornHalf<float> op) {
  const std::size_t i = blockIdx.x * 64 + threadIdx.x;
  if (i >= op.cost_matrix.rows) return;
  float largest = -1e30f, sum = 0;
  for (std::size_t j = 0; j < op.cost_matrix.columns; ++j)
    largest = fmaxf(largest, op.log_weight[j] + (op.other[j] - op.cost_matrix(i, j)) / op.epsilon);
  for (std::size_t j = 0; j < op.cost_matrix.columns; ++j)
    sum += expf(op.log_weight[j] + (op.other[j] - op.cost_matrix(i, j)) / op.epsilon - largest);
  op.potential[i] = FACTOR * op.damping * op.epsilon * (largest + logf(sum));
}
void enqueue(DeviceExecutor& executor, const SinkhornHalf<float>& op) {
  launch(a_thread_a_row, dim3(blocks_for(op.cost_matrix.rows, 64)), dim3(64), 0, executor, op);
}
}
PERTURBINE_VARIANT("sinkhorn_half", "mine", DeviceExecutor, enqueue, SinkhornHalf<float>)
)";

TEST(StudyProgram, TriesAFileOfOnesOwnInTheEmulator) {
#if !defined(PERTURBINE_EMULATOR)
  GTEST_SKIP() << "no emulator on this processor";
#endif
  const std::string folder = ::testing::TempDir() + "own_variant", file = folder + "/mine.cu";
  std::filesystem::create_directories(folder);
  auto with = [&](const std::string& factor) {
    std::string text = own_kernel;
    text.replace(text.find("FACTOR"), 6, factor);
    std::ofstream(file) << text;
    return study("sinkhorn_half --device emulated --variant " + file);
  };
  Outcome o = with("-1");
  EXPECT_EQ(o.code, 0) << o.said;
  EXPECT_NE(o.said.find("mine                   agrees"), std::string::npos) << o.said;
  o = with("-1.01f");
  EXPECT_EQ(o.code, 1) << o.said;
  EXPECT_NE(o.said.find("mine                   differs from the oracle"), std::string::npos) << o.said;
  o = with("does not compile");
  EXPECT_EQ(o.code, 1);
  EXPECT_NE(o.said.find("does not compile"), std::string::npos) << o.said;
  o = study("sinkhorn_half --device cpu --variant " + file + ".cpp");
  EXPECT_EQ(o.code, 1);
  EXPECT_NE(o.said.find("no such file"), std::string::npos) << o.said;
}

TEST(StudyProgram, RefusesWhatItDoesNotUnderstand) {
  for (const char* words :
       {"", "sinkhorm", "sinkhorn --repetitions none", "sinkhorn --device gpu", "sinkhorn --jsn x"}) {
    const Outcome o = study(words);
    EXPECT_EQ(o.code, 2) << words;
    EXPECT_NE(o.said.find("study: "), std::string::npos) << o.said;
  }
  EXPECT_NE(study("sinkhorm").said.find("there are film_layer_norm, adamw"), std::string::npos);
}

}  // namespace
}  // namespace perturbine::studies
