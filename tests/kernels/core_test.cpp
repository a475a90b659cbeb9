// The vocabulary: views and checks, the thread pool, Philox against known answers, bits for any thread count,
// observers.
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "bench/cases/case.h"
#include "kernels/core/observers.h"
#include "kernels/core/philox.h"
#include "kernels/operations.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/random/random.h"

namespace perturbine {
namespace {

TEST(Philox, KnownAnswersOfRandom123) {
  // Random123 1.14, kat_vectors: counter and key zero; all ones; digits of pi.
  const auto zero = philox(0, 0, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  const auto ones = philox(~0ull, ~0ull, ~0ull);
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
  const auto pi = philox(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull);
  EXPECT_EQ(pi.word[0], 0xd16cfe09u);
  EXPECT_EQ(pi.word[1], 0x94fdccebu);
  EXPECT_EQ(pi.word[2], 0x5001e420u);
  EXPECT_EQ(pi.word[3], 0x24126ea1u);
}

TEST(Philox, SixteenAtOnceEqualsOneByOne) {
  std::uint32_t words[4][16];
  philox16(77, 5, (1ull << 32) - 4, words);  // across a carry
  for (std::uint64_t i = 0; i < 16; ++i)
    for (int w = 0; w < 4; ++w) EXPECT_EQ(words[w][i], philox(77, 5, (1ull << 32) - 4 + i).word[w]);
}

TEST(Philox, EqualsCurandsHostGenerator) {
  void* library = nullptr;
  for (const char* name : {"libcurand.so.10", "libcurand.so", "/usr/local/cuda/lib64/libcurand.so"})
    if (library == nullptr) library = dlopen(name, RTLD_NOW);
  if (library == nullptr) GTEST_SKIP() << "cuRAND is not installed";
  auto create = reinterpret_cast<int (*)(void**, int)>(dlsym(library, "curandCreateGeneratorHost"));
  auto seed =
      reinterpret_cast<int (*)(void*, unsigned long long)>(dlsym(library, "curandSetPseudoRandomGeneratorSeed"));
  auto generate = reinterpret_cast<int (*)(void*, unsigned*, std::size_t)>(dlsym(library, "curandGenerate"));
  void* generator = nullptr;
  ASSERT_EQ(create(&generator, 161), 0);  // CURAND_RNG_PSEUDO_PHILOX4_32_10
  ASSERT_EQ(seed(generator, 1234), 0);
  auto destroy = reinterpret_cast<int (*)(void*)>(dlsym(library, "curandDestroyGenerator"));
  std::vector<unsigned> words(64);
  ASSERT_EQ(generate(generator, words.data(), words.size()), 0);
  EXPECT_EQ(destroy(generator), 0);
  for (std::uint64_t i = 0; i < 16; ++i)
    for (std::size_t w = 0; w < 4; ++w) EXPECT_EQ(words[4 * i + w], philox(1234, 0, i).word[w]) << i;
}

TEST(Permutation, IsOneAndIsFair) {
  std::vector<std::uint32_t> p(1000);
  random_permutation(1, 0, p.data(), p.size());
  EXPECT_EQ(std::set<std::uint32_t>(p.begin(), p.end()).size(), 1000u);
  int first[4] = {};
  for (std::uint64_t s = 0; s < 4000; ++s) {
    std::uint32_t q[4];
    random_permutation(s, 0, q, 4);
    ++first[q[0]];
  }
  for (const int n : first) EXPECT_NEAR(n, 1000, 110);
}

TEST(ThreadPool, RunsEveryTaskOnceAndRethrows) {
  ThreadPool pool(3);
  std::vector<int> hits(1000, 0);
  pool.run(1000, [&](std::size_t i) { ++hits[i]; });
  EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), 1000);
  EXPECT_THROW(pool.run(10, [](std::size_t i) { require(i != 7, "seven"); }), Error);
  pool.run(4, [&](std::size_t) { pool.run(4, [&](std::size_t i) { static_cast<void>(i); }); });  // nested: no deadlock
}

TEST(Checks, NameOperationAndOperand) {
  Queue queue(Device::cpu, {.threads = 1});
  std::vector<float> x(12), y(12);
  auto message = [&](auto op) -> std::string {
    try {
      queue.run(op);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message(Combine<float>{matrix<const float>(x.data(), 3, 4), {}, matrix(y.data(), 4, 3)})
                .find("combine: a is 3 x 4 but must be 4 x 3"),
            std::string::npos);
  EXPECT_NE(message(Silu<float>{{x.data(), 3, 4, 4}, {}, {x.data() + 1, 3, 3, 3}}).find("overlaps"), std::string::npos);
  EXPECT_NE(message(Silu<float>{{x.data(), 3, 4, 2}, {}, matrix(y.data(), 3, 4)}).find("row pitch of 2"),
            std::string::npos);
  EXPECT_EQ(message(Silu<float>{{x.data(), 3, 2, 4}, {}, {x.data() + 2, 3, 2, 4}}),
            "");  // interleaved column slices share nothing
}

TEST(Determinism, EveryCaseHasTheSameBitsForAnyThreadCount) {
  Queue one(Device::cpu, {.threads = 1}), three(Device::cpu, {.threads = 3});
  for (const cases::Case& c : cases::all_cases().cases) {
    if (c.for_bench) continue;
    const auto a = c.instance(one, cases::Layout::dense), b = c.instance(three, cases::Layout::dense);
    a->run(one);
    b->run(three);
    for (std::size_t k = 0; k < a->buffers().size(); ++k) {
      const auto x = a->buffers()[k].get(), y = b->buffers()[k].get();
      EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size() * sizeof(double)), 0)
          << c.name() << ": " << a->buffers()[k].name;
    }
  }
}

TEST(Operations, ThoseWithoutDeviceCodeOfOursAreThese) {
  std::set<std::string> names;
#define PERTURBINE_NAME(...) names.insert(std::string(__VA_ARGS__::name));
  PERTURBINE_EACH_LIBRARY_OPERATION(PERTURBINE_NAME)
  EXPECT_EQ(names, (std::set<std::string>{"matrix_product", "linear", "sort_keys", "sort_columns"}));
  names.clear();
  PERTURBINE_EACH_OPERATION(PERTURBINE_NAME)
#undef PERTURBINE_NAME
  std::set<std::string> in_cases;
  for (const cases::Case& c : cases::all_cases().cases) in_cases.insert(c.operation);
  for (const std::string& n : names) EXPECT_EQ(in_cases.count(n), 1u) << n << " has no case";
}

TEST(Observers, TraceFindsTheOperationThatDiffersAndCheckFiniteTheFirstNaN) {
  const auto folder = std::filesystem::temp_directory_path();
  auto run = [&](const std::string& file, float factor, bool nan) {
    Queue queue(Device::cpu, {.threads = 1});
    Trace trace(file);
    CheckFinite finite;
    queue.add_observer(&trace);
    queue.add_observer(&finite);
    std::vector<float> x{1, 2, 3, nan ? NAN : 4.0f}, y(4), z(4);
    queue.run(Combine<float>{matrix<const float>(x.data(), 2, 2), {}, matrix(y.data(), 2, 2), 2, 0});
    queue.run(Combine<float>{matrix<const float>(y.data(), 2, 2), {}, matrix(z.data(), 2, 2), factor, 0});
  };
  const std::string a = folder / "perturbine_trace_a", b = folder / "perturbine_trace_b";
  run(a, 3, false);
  run(b, 3, false);
  EXPECT_EQ(compare_traces(a, b, true, 0), "");
  run(b, 3.0000005f, false);
  EXPECT_NE(compare_traces(a, b, true, 0).find("operation 2, combine, y"), std::string::npos);
  EXPECT_EQ(compare_traces(a, b, false, 1e-5), "");
  EXPECT_NE(compare_traces(a, b, false, 1e-8), "");
  try {
    run(b, 3, true);
    FAIL() << "a NaN went unnoticed";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("operation 1, combine: y[1, 1]"), std::string::npos) << e.what();
  }
  std::filesystem::remove(a);
  std::filesystem::remove(b);
}

// kernels <- engine <- models <- evaluation <- cli; io stands on kernels; models may see io/condition.h and io/batch.h.
TEST(Layering, IncludesRunOneWay) {
  const std::map<std::string, std::set<std::string>> allowed{
      {"kernels", {"kernels"}},
      {"engine", {"engine", "kernels"}},
      {"io", {"io", "kernels"}},
      {"models", {"models", "engine", "kernels", "io"}},
      {"evaluation", {"evaluation", "models", "engine", "io", "kernels"}},
      {"cli", {"cli", "evaluation", "models", "engine", "io", "kernels"}}};
  const std::filesystem::path root = std::filesystem::path(PERTURBINE_TEST_SOURCE).parent_path();
  if (!std::filesystem::exists(root / "kernels")) GTEST_SKIP() << "the source tree is not on this machine";
  int seen = 0;
  for (const auto& [layer, may] : allowed)
    for (const auto& file : std::filesystem::recursive_directory_iterator(root / layer)) {
      const std::string extension = file.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
      std::ifstream in(file.path());
      for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("#include \"")) continue;
        const std::string path = line.substr(10, line.find('"', 10) - 10), to = path.substr(0, path.find('/'));
        EXPECT_EQ(may.count(to), 1u) << file.path() << " includes " << path;
        if (layer == "models" && to == "io") {
          EXPECT_TRUE(path == "io/condition.h" || path == "io/batch.h") << file.path() << " includes " << path;
        }
        ++seen;
      }
    }
  EXPECT_GT(seen, 100);
}

}  // namespace
}  // namespace perturbine
