// devices and trace-diff.
#include <cstdio>
#include <thread>

#include "cli/command.h"
#include "engine/ceilings.h"
#include "kernels/core/cpu.h"
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
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    auto measure = [&](const std::string& device, const std::string& name, const std::string& library) {
      Common one = common;
      one.device = device, one.profile = false;
      Work work(one);
      const Ceilings c = measure_ceilings(work.queue());
      if (!common.json)
        std::printf("%s: %s, copy %.1f GB/s, products %.0f GFLOP/s (%s, %s)\n", device.c_str(), name.c_str(),
                    c.copy_gigabytes, c.product_gigaflops, library.c_str(), common.math.c_str());
      list.push_back({{"device", device},
                      {"name", name},
                      {"threads", work.queue().threads()},
                      {"copy_gigabytes_per_second", c.copy_gigabytes},
                      {"product_gigaflops", c.product_gigaflops},
                      {"product_library", library},
                      {"math", common.math}});
    };
    const unsigned cores = std::thread::hardware_concurrency();
    measure("cpu",
            text(common.threads == 0 ? static_cast<int>(cores) : common.threads, " threads, built for ",
                 vector_instructions()),
            blas::library_name());
    const char* reason = "";
    const Module* cuda = cuda_module(&reason);
    for (int i = 0; cuda != nullptr && i < cuda->device_count(); ++i)
      measure(text("cuda:", i), cuda->describe(i), "cuBLASLt");
    if (common.json)
      std::printf("%s\n", nlohmann::ordered_json{{"schema", "perturbine.devices/1"},
                                                 {"devices", list},
                                                 {"cuda_unavailable", cuda == nullptr ? nlohmann::ordered_json(reason)
                                                                                      : nlohmann::ordered_json()}}
                              .dump(1)
                              .c_str());
    else if (cuda == nullptr)
      std::printf("cuda: not available (%s)\n", reason);
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
