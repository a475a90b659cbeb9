// devices and trace-diff.
#include <cstdio>

#include "cli/command.h"
#include "kernels/dense/product_library.h"
#include "kernels/operations.h"

namespace perturbine::cli {
namespace {

template <class Op>
void print_operation(const char* type) {
  if constexpr (requires { Op::library; })
    std::printf("%-28s %-34s cpu, cuda (%s); emulated: no, %s has no device code of ours\n",
                std::string(Op::name).c_str(), type, std::string(Op::library).c_str(),
                std::string(Op::library).c_str());
  else
    std::printf("%-28s %-34s cpu, cuda, emulated\n", std::string(Op::name).c_str(), type);
}

}  // namespace

void add_devices(CLI::App& app, Common& common, std::function<void()>& action) {
  auto operations = std::make_shared<bool>(false);
  app.add_flag("--operations", *operations, "list every operation and its executors");
  action = [operations, &common] {
    if (*operations) {
#define PERTURBINE_PRINT(...) print_operation<__VA_ARGS__>(#__VA_ARGS__);
      PERTURBINE_EACH_OPERATION(PERTURBINE_PRINT)
#undef PERTURBINE_PRINT
      return;
    }
    Common cpu = common;
    cpu.device = "cpu";
    Work work(cpu);
    const Ceilings c = measure_ceilings(work.queue());
    std::printf("cpu: %d threads, copy %.1f GB/s, products %.0f GFLOP/s (%s, %s)\n", work.queue().threads(),
                c.copy_gigabytes, c.product_gigaflops, blas::library_name(), common.math.c_str());
    const char* reason = "";
    if (const Module* cuda = cuda_module(&reason)) {
      for (int i = 0; i < cuda->device_count(); ++i) std::printf("cuda:%d: %s\n", i, cuda->describe(i));
    } else {
      std::printf("cuda: not available (%s)\n", reason);
    }
  };
}

void add_trace_diff(CLI::App& app, Common&, std::function<void()>& action) {
  struct Options {
    std::string a, b;
    double tolerance = 0;
  };
  auto o = std::make_shared<Options>();
  app.add_option("a", o->a, "a trace")->required();
  app.add_option("b", o->b, "another trace")->required();
  app.add_option("--tolerance", o->tolerance, "0: the same bits; else of the largest magnitude of each output")
      ->capture_default_str();
  action = [o] {
    const std::string difference = compare_traces(o->a, o->b, o->tolerance == 0, o->tolerance);
    if (difference.empty()) {
      std::printf("the traces agree\n");
      return;
    }
    std::printf("%s\n", difference.c_str());
    throw Error("the traces differ");
  };
}

}  // namespace perturbine::cli
