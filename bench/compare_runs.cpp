// compare_runs BEFORE.json AFTER.json: what became slower or faster beyond noise; exit code 1 if anything is slower.
#include <cstdio>
#include <cstdlib>

#include "bench/comparison.h"
#include "kernels/core/error.h"

int main(int argc, char** argv) {
  using namespace perturbine;
  std::vector<std::string> files;
  ComparisonOptions options;
  try {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word != "--threshold" && word != "--alpha") {
        require(word[0] != '-', "'", word, "' is not understood");
        files.push_back(word);
        continue;
      }
      require(i + 1 < argc, word, " needs a value");
      char* end = nullptr;
      const double value = std::strtod(argv[++i], &end);
      require(end != argv[i] && *end == 0 && value > 0 && value < 10, word, " is '", argv[i],
              "' but must be a number above 0");
      (word == "--alpha" ? options.alpha : options.threshold) = value;
    }
    require(files.size() == 2, "needs two files");
    const auto changes = compare_samples(read_samples(files[0]), read_samples(files[1]), options);
    require(!changes.empty(), files[0], " and ", files[1], " have no name in common");
    std::size_t slower = 0;
    std::printf("%-64s %9s %9s  %s\n", "", "ratio", "p", "");
    for (const Change& c : changes) {
      const char* word = c.verdict == Change::Verdict::slower   ? "SLOWER"
                         : c.verdict == Change::Verdict::faster ? "faster"
                                                                : "";
      slower += c.verdict == Change::Verdict::slower ? 1 : 0;
      std::printf("%-64s %9.3f %9.2g  %s\n", c.name.c_str(), c.after / c.before, c.p, word);
    }
    std::printf("%zu of %zu slower (medians differ by more than %.0f %%, p below %g)\n", slower, changes.size(),
                100 * options.threshold, options.alpha);
    return slower == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr,
                 "compare_runs: %s\ncompare_runs BEFORE.json AFTER.json [--threshold 0.1] [--alpha 0.01]\n"
                 "  files of study --json, or of Google Benchmark with --benchmark_repetitions\n",
                 e.what());
    return 2;
  }
}
