// Every case of the one list against the oracle, without a test framework: for machines that have none, and under
// compute-sanitizer.
//   check_cases [--device cpu|emulated|cuda] [--filter TEXT] [--against-emulated]
// Prints what differs and a last line with the counts; exit code 1 if anything differs.
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/cases/compare.h"
#include "kernels/emulator/install.h"

namespace {

using namespace perturbine;

// The same case on two executors: the largest difference, as a share of the operand's largest number.
std::string compare_devices(const cases::Case& c, Queue& a, Queue& b) {
  const auto x = c.instance(a, cases::Layout::dense), y = c.instance(b, cases::Layout::dense);
  x->run(a), y->run(b);
  a.synchronise(), b.synchronise();
  for (std::size_t k = 0; k < x->buffers().size(); ++k) {
    if (!x->buffers()[k].output) continue;
    const auto p = x->buffers()[k].get(), q = y->buffers()[k].get();
    double largest = 0, worst = 0;
    for (const double v : q)
      if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    for (std::size_t i = 0; i < p.size(); ++i)
      if (p[i] != q[i]) worst = std::max(worst, std::isfinite(p[i] - q[i]) ? std::abs(p[i] - q[i]) : 1e300);
    const double allowed = (c.type == "bf16" ? 2e-2 : 2e-5) * largest;
    if (worst > allowed)
      return text(c.name(), ": ", x->buffers()[k].name, " differs from the emulator's by ", worst, " (allowed ",
                  allowed, ")");
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  std::string device = cuda_module() != nullptr ? "cuda" : "cpu", filter;
  bool against_emulated = false;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--against-emulated") {
      against_emulated = true;
    } else if ((a == "--device" || a == "--filter") && i + 1 < argc) {
      (a == "--device" ? device : filter) = argv[++i];
    } else {
      std::fprintf(stderr, "check_cases: '%s' is not known; see the top of bench/check_cases.cpp\n", a.c_str());
      return 2;
    }
  }
  try {
#if defined(PERTURBINE_EMULATOR)
    install_emulator();
#endif
    Queue queue(device == "cuda" ? Device::cuda : device == "emulated" ? Device::emulated : Device::cpu);
    std::unique_ptr<Queue> emulated;
    if (against_emulated) emulated = std::make_unique<Queue>(Device::emulated);
    std::size_t passed = 0, failed = 0;
    for (const cases::Case& c : cases::all_cases().cases) {
      if (c.for_bench || c.name().find(filter) == std::string::npos) continue;
      for (const cases::Layout layout : {cases::Layout::dense, cases::Layout::sliced}) {
        std::string verdict = cases::compare_with_oracle(c, queue, layout);
        if (verdict.empty() && emulated && layout == cases::Layout::dense)
          verdict = compare_devices(c, queue, *emulated);
        verdict.empty() ? ++passed : ++failed;
        if (!verdict.empty()) std::printf("%s\n", verdict.c_str());
      }
    }
    std::printf("%s: %zu passed, %zu failed\n", device.c_str(), passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "check_cases: %s\n", e.what());
    return 1;
  }
}
