// Every case of the one list against the double-precision oracle, on each executor this machine has.
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/cases/compare.h"
#include "kernels/emulator/install.h"

namespace perturbine::cases {
namespace {

struct Parameter {
  const Case* test_case;
  Device device;
  Layout layout;
};

std::string parameter_name(const testing::TestParamInfo<Parameter>& info) {
  std::string s = info.param.test_case->name() + (info.param.layout == Layout::sliced ? "_sliced" : "");
  for (char& c : s)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return s + "_" + std::to_string(info.index);
}

std::vector<Parameter> parameters(Device device) {
  std::vector<Parameter> list;
  for (const Case& c : all_cases().cases)
    if (!c.for_bench)
      for (const Layout layout : {Layout::dense, Layout::sliced}) list.push_back({&c, device, layout});
  return list;
}

Queue& queue_of(Device device) {
  if (device == Device::emulated) install_emulator();
  static Queue cpu(Device::cpu, {.threads = 2});
  if (device == Device::cpu) return cpu;
  if (device == Device::emulated) {
    static Queue emulated(Device::emulated, {.threads = 2});
    return emulated;
  }
  static Queue cuda(Device::cuda);
  return cuda;
}

class Executor : public testing::TestWithParam<Parameter> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Executor);

TEST_P(Executor, AgreesWithTheOracle) {
  const auto [c, device, layout] = GetParam();
  EXPECT_EQ(compare_with_oracle(*c, queue_of(device), layout), "");
}

INSTANTIATE_TEST_SUITE_P(cpu, Executor, testing::ValuesIn(parameters(Device::cpu)), parameter_name);
#if defined(PERTURBINE_EMULATOR)
INSTANTIATE_TEST_SUITE_P(emulated, Executor, testing::ValuesIn(parameters(Device::emulated)), parameter_name);
#endif
INSTANTIATE_TEST_SUITE_P(cuda, Executor,
                         testing::ValuesIn(cuda_module() != nullptr ? parameters(Device::cuda)
                                                                    : std::vector<Parameter>{}),
                         parameter_name);

}  // namespace
}  // namespace perturbine::cases
