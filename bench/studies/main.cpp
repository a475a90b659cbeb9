// study NAME: one question about a kernel, its variants against the oracle and the clock.
#include <cstdio>
#include <fstream>
#include <memory>

#include "bench/machine.h"
#include "bench/studies/study.h"
#include "kernels/emulator/install.h"

namespace {

using namespace perturbine;
using studies::Measurement;
using studies::Study;

constexpr const char* usage =
    "study NAME [OPTIONS]        variants of a kernel against the oracle and the clock; study --list names the "
    "studies\n"
    "  --device cpu|cuda|emulated  default: cpu; emulated only checks\n"
    "  --threads N                 default: one per core\n"
    "  --repetitions N             default: 15\n"
    "  --check                     only check\n"
    "  --variant FILE              a variant of your own: FILE.cpp for cpu, FILE.cu for cuda and emulated; it ends "
    "with\n"
    "                              PERTURBINE_VARIANT (bench/studies/variant.h) and is compiled now\n"
    "  --json FILE, --svg FILE, --page FILE  write the measurements, a picture of them, a page with both (Markdown)\n";

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 32)
      out += ' ';
    else
      out += c;
  }
  return out + '"';
}

std::string list_of(const std::vector<double>& values) {
  std::string s;
  char number[32];
  for (const double v : values) {
    std::snprintf(number, sizeof number, "%s%.6g", s.empty() ? "" : ", ", v);
    s += number;
  }
  return "[" + s + "]";
}

std::string json_of(const Study& study, const studies::StudyResult& result, const std::string& device,
                    const std::string& name, int threads) {
  const auto& [measured, c] = result;
  std::string s =
      text("{\"schema\": \"perturbine.study/1\", \"study\": ", quoted(study.name),
           ", \"question\": ", quoted(study.question), ",\n \"learned\": ", quoted(study.learned),
           ",\n \"date\": ", quoted(today()), ", \"device\": ", quoted(device), ", \"name\": ", quoted(name),
           ", \"threads\": ", threads, ", \"compiler\": ", quoted(__VERSION__),
           ",\n \"ceilings\": {\"copy_gigabytes_per_second\": ", c.copy_gigabytes,
           ", \"product_gigaflops\": ", c.product_gigaflops, "},\n \"variants\": [");
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const Measurement& m = measured[i];
    s += text(i == 0 ? "" : ",", "\n  {\"case\": ", quoted(m.case_name), ", \"variant\": ", quoted(m.variant),
              ", \"says\": ", quoted(m.says), ", \"agrees\": ", m.differs.empty() ? "true" : "false",
              ", \"least_bytes\": ", m.least.bytes, ", \"flops\": ", m.least.flops,
              ", \"predicted_bytes\": ", m.predicted.bytes, ", \"predicted_ms\": ", 1e3 * c.least_seconds(m.predicted),
              ", \"median_ms\": ", 1e3 * m.median(), ", \"seconds\": ", list_of(m.seconds),
              ", \"against_copy\": ", list_of(m.against_copy), "}");
  }
  return s + "]}\n";
}

void print(const Study& study, const studies::StudyResult& result, bool timed) {
  const auto& [measured, c] = result;
  std::printf("%s\n", study.question.c_str());
  std::string last;
  for (const Measurement& m : measured) {
    if (m.case_name != last) {
      std::printf("\n%s\n", m.case_name.c_str());
      if (timed) std::printf("  %-22s %10s %10s %10s  %s\n", "variant", "median ms", "predicted", "of ceiling", "");
      last = m.case_name;
    }
    if (!m.differs.empty())
      std::printf("  %-22s differs from the oracle: %s\n", m.variant.c_str(), m.differs.c_str());
    else if (!timed)
      std::printf("  %-22s agrees with the oracle; %s\n", m.variant.c_str(), m.says.c_str());
    else
      std::printf("  %-22s %10.4g %10.4g %9.0f%%  %s\n", m.variant.c_str(), 1e3 * m.median(),
                  1e3 * c.least_seconds(m.predicted), 100 * c.least_seconds(m.least) / m.median(), m.says.c_str());
  }
  std::printf("\n%s\n", study.learned.c_str());
}

struct Arguments {
  std::string study, device = "cpu", json, svg, page, variant;
  int threads = 0;
  studies::RunOptions run;
  bool list = false;
};

// Throws Error for what is not understood.
Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    auto value = [&]() -> std::string {
      require(i + 1 < argc, word, " needs a value");
      return argv[++i];
    };
    auto number = [&](int least) {
      const std::string v = value();
      char* end = nullptr;
      const long n = std::strtol(v.c_str(), &end, 10);
      require(end != v.c_str() && *end == 0 && n >= least && n <= 10000, word, " is '", v, "' but must be ", least,
              " to 10000");
      return static_cast<int>(n);
    };
    if (word == "--list")
      a.list = true;
    else if (word == "--check")
      a.run.time = false;
    else if (word == "--device")
      a.device = value();
    else if (word == "--threads")
      a.threads = number(1);
    else if (word == "--repetitions")
      a.run.repetitions = static_cast<std::size_t>(number(1));
    else if (word == "--json")
      a.json = value();
    else if (word == "--svg")
      a.svg = value();
    else if (word == "--page")
      a.page = value();
    else if (word == "--variant")
      a.variant = value();
    else {
      require(word[0] != '-' && a.study.empty(), "'", word, "' is not understood");
      a.study = word;
    }
  }
  require(a.list || !a.study.empty(), "name a study");
  require(a.device == "cpu" || a.device == "cuda" || a.device == "emulated", "--device is '", a.device,
          "' but must be cpu, cuda or emulated");
  return a;
}

void write(const std::string& path, const std::string& content) {
  std::ofstream out(path);
  out << content;
  out.flush();
  require(out.good(), path, ": cannot be written");
}

int run(const Arguments& a) {
  const Device device = a.device == "cpu" ? Device::cpu : a.device == "cuda" ? Device::cuda : Device::emulated;
  const Study& study = studies::study_named(a.study);
  if (device == Device::cuda) {
    const char* reason = "";
    const Module* module = cuda_module(&reason);
    require(module != nullptr, "--device cuda: ", reason);
    require(studies::open_cuda_variants(), "--device cuda: libperturbine_studies_cuda.so is not beside the program");
  }
#if defined(PERTURBINE_EMULATOR)
  install_emulator();
#endif
  require(device != Device::emulated || emulated_module() != nullptr, "--device emulated: not in this build");
  if (!a.variant.empty()) studies::open_variant_file(a.variant, device);
  Queue queue(device, {.threads = a.threads});
  studies::RunOptions options = a.run;
  options.time = options.time && device != Device::emulated;
  const studies::StudyResult result = studies::run_study(study, queue, options);
  const std::string name = device == Device::cuda ? cuda_module()->describe(0) : processor_name();
  if (options.time)
    std::printf("%s, %d threads, copy %.1f GB/s, products %.0f GFLOP/s\n", name.c_str(), queue.threads(),
                result.ceilings.copy_gigabytes, result.ceilings.product_gigaflops);
  print(study, result, options.time);
  if (!a.json.empty()) write(a.json, json_of(study, result, a.device, name, queue.threads()));
  if (!a.svg.empty() && options.time) write(a.svg, studies::picture(study, result));
  if (!a.page.empty() && options.time)
    write(a.page,
          studies::page(study, result, text(name, ", ", queue.threads(), " threads, g++ ", __VERSION__, ", ", today()),
                        a.svg));
  for (const Measurement& m : result.measured)
    if (!m.differs.empty()) return 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  try {
    a = parse(argc, argv);
    if (!a.list) perturbine::studies::study_named(a.study);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "study: %s\n%s", e.what(), usage);
    return 2;
  }
  if (a.list) {
    for (const Study& s : perturbine::studies::all_studies())
      std::printf("%-18s %s\n", s.name.c_str(), s.question.c_str());
    return 0;
  }
  try {
    return run(a);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "study: %s\n", e.what());
    return 1;
  }
}
