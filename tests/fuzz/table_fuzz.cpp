// Tables of text: gene sets, what is known of perturbations, known interactions. All numbers that come out are finite.
#include <cmath>

#include "io/gene_sets.h"
#include "io/known_interactions.h"
#include "io/perturbation_features.h"
#include "tests/fuzz/fuzzer.h"

using namespace perturbine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // spectral coordinates of many names take their time
  for (const char* name : {"sets.gmt", "table.tsv"}) {
    const std::string path = fuzzing::file_with(name, reinterpret_cast<const char*>(data), size);
    fuzzing::accepted([&] {
      const PerturbationFeatures f = read_perturbation_features(path);
      fuzzing::promise(f.values.size() == f.names.size() * f.width, "every name has its numbers");
      for (const float v : f.values) fuzzing::promise(std::isfinite(v), "features are finite");
      for (const std::string& n : f.names) fuzzing::promise(f.find(n) != nullptr, "names are found");
    });
    fuzzing::accepted([&] { read_gene_sets(path); });
    fuzzing::accepted([&] {
      for (const auto& [pair, score] : read_known_interactions(path))
        fuzzing::promise(std::isfinite(score), "scores are finite");
    });
  }
  return 0;
}
