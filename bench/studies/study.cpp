#include "bench/studies/study.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench/cases/compare.h"
#include "kernels/core/joined.h"

namespace perturbine::studies {
namespace {

// Runs an instance by another function.
struct RunBy final : cases::Instance {
  RunBy(std::unique_ptr<cases::Instance> i, Module::Execute f) : instance(std::move(i)), function(f) {}
  void run(Queue& queue) override { instance->run_with(queue, function); }
  void run_with(Queue& queue, Module::Execute f) override { instance->run_with(queue, f); }
  const char* operation_type() const override { return instance->operation_type(); }
  void run_reference() override { instance->run_reference(); }
  Cost cost() const override { return instance->cost(); }
  std::vector<cases::Buffer>& buffers() override { return instance->buffers(); }
  std::unique_ptr<cases::Instance> instance;
  Module::Execute function;
};

const cases::Case& case_of(const Study& study, const StudyCase& c, const cases::Shape& shape) {
  const cases::Case* found = cases::all_cases().find(c.operation, c.type, shape);
  require(found != nullptr, "study ", study.name, ": the list has no case ", c.operation, "/", c.type, "/",
          shape.name());
  return *found;
}

double seconds_of(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One variant of a case with instances enough to get past the caches.
struct Timed {
  std::size_t measurement;
  std::vector<std::unique_ptr<cases::Instance>> rotation;
  std::size_t next = 0, calls = 1;
  double once(Queue& queue) {
    return seconds_of([&] {
             for (std::size_t i = 0; i < calls; ++i) rotation[next++ % rotation.size()]->run(queue);
             queue.synchronise();
           }) /
           static_cast<double>(calls);
  }
};

}  // namespace

std::vector<VariantFunction>& registered_variants() {
  static std::vector<VariantFunction> list;
  return list;
}
bool register_variant(const char* study, const char* name, const char* operation, Device device, Module::Execute run) {
  registered_variants().push_back({study, name, operation, device, run});
  return true;
}

const Study& study_named(const std::string& name) {
  std::vector<std::string> known;
  for (const Study& s : all_studies()) {
    if (s.name == name) return s;
    known.push_back(s.name);
  }
  throw Error(text("no study is called '", name, "'; there are ", joined(known)));
}

double Measurement::median() const {
  if (seconds.empty()) return 0;
  std::vector<double> v(seconds);
  std::sort(v.begin(), v.end());
  return v.size() % 2 == 1 ? v[v.size() / 2] : .5 * (v[v.size() / 2 - 1] + v[v.size() / 2]);
}

cases::Case with_function(const cases::Case& c, Module::Execute run) {
  cases::Case other = c;
  other.instance = [make = c.instance, run](Queue& queue, cases::Layout layout) -> std::unique_ptr<cases::Instance> {
    return std::make_unique<RunBy>(make(queue, layout), run);
  };
  return other;
}

StudyResult run_study(const Study& study, Queue& queue, const RunOptions& options) {
  const Device device = queue.device();
  const bool native = device == Device::cpu;
  StudyResult result;
  std::vector<Measurement>& all = result.measured;
  if (options.time) result.ceilings = measure_ceilings(queue);
  for (const StudyCase& c : study.cases) {
    const cases::Case& timed_case = case_of(study, c, c.timed);
    const auto instance = timed_case.instance(queue, cases::Layout::dense);
    // What there is to run: the texts' variants in order, then those without a text.
    struct Entry {
      const VariantText* words;
      Module::Execute run;
      std::string name;
    };
    std::vector<Entry> entries;
    auto function_of = [&](const std::string& name) -> Module::Execute {
      Module::Execute last = nullptr;
      for (const VariantFunction& f : registered_variants())
        if (f.study == study.name && f.name == name && f.device == device && f.operation == instance->operation_type())
          last = f.run;
      return last;
    };
    for (const VariantText& v : study.variants) {
      if (v.native != native) continue;
      if (v.name == "shipped")
        entries.push_back({&v, nullptr, v.name});
      else if (const Module::Execute f = function_of(v.name); f != nullptr)
        entries.push_back({&v, f, v.name});
    }
    for (const VariantFunction& f : registered_variants()) {
      const bool known = std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == f.name; });
      if (!known && f.study == study.name && f.device == device && f.operation == instance->operation_type())
        entries.push_back({nullptr, f.run, f.name});
    }

    const std::size_t first = all.size();
    for (const Entry& e : entries) {
      Measurement m;
      m.case_name = timed_case.name(), m.variant = e.name;
      m.says = e.words != nullptr ? e.words->says : "of a file of one's own";
      m.least = instance->cost();
      m.predicted = e.words != nullptr ? e.words->predict(m.least) : m.least;
      auto check = [&](const cases::Case& one, cases::Layout layout) {
        if (!m.differs.empty()) return;
        m.differs = cases::compare_with_oracle(e.run == nullptr ? one : with_function(one, e.run), queue, layout);
      };
      for (const cases::Shape& shape : c.checked)
        for (const cases::Layout layout : {cases::Layout::dense, cases::Layout::sliced})
          check(case_of(study, c, shape), layout);
      if (options.time) check(timed_case, cases::Layout::dense);
      all.push_back(std::move(m));
    }
    if (!options.time) continue;

    std::vector<Timed> timed;
    for (std::size_t k = 0; k < entries.size(); ++k) {
      if (!all[first + k].differs.empty()) continue;
      Timed t{first + k, {}};
      double bytes = 0;
      do {
        t.rotation.push_back((entries[k].run == nullptr ? timed_case : with_function(timed_case, entries[k].run))
                                 .instance(queue, cases::Layout::dense));
        bytes += t.rotation.back()->cost().bytes;
      } while (bytes < 64e6 && t.rotation.size() < 8);
      t.once(queue);
      t.calls =
          std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(.01 / std::max(1e-7, t.once(queue)))), 1, 1000);
      timed.push_back(std::move(t));
    }
    CopyProbe probe(queue);
    probe.seconds();
    for (std::size_t r = 0; r < options.repetitions; ++r)
      for (Timed& t : timed) {
        Measurement& m = all[t.measurement];
        const double before = probe.seconds(), seconds = t.once(queue), after = probe.seconds();
        m.seconds.push_back(seconds);
        m.against_copy.push_back(seconds / (.5 * (before + after)));
        result.ceilings.copy_gigabytes =
            std::max(result.ceilings.copy_gigabytes, probe.bytes() / std::min(before, after) / 1e9);
      }
  }
  return result;
}

}  // namespace perturbine::studies
