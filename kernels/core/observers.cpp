#include "kernels/core/observers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "kernels/core/queue.h"

namespace perturbine {
namespace {

// The payload of an output as bytes and, where it holds numbers, as double.
std::vector<unsigned char> payload(Queue& queue, const Operand& o) {
  std::vector<unsigned char> all(o.span_bytes()), packed;
  queue.read(all.data(), o.data, all.size());
  const std::size_t row = o.columns * o.element_size;
  packed.resize(o.rows * row);
  for (std::size_t i = 0; i < o.rows; ++i)
    std::memcpy(packed.data() + i * row, all.data() + i * o.pitch * o.element_size, row);
  return packed;
}

template <class T>
double at(const std::vector<unsigned char>& bytes, std::size_t i) {
  T v;
  std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(v);
}
double element(const Operand& o, const std::vector<unsigned char>& bytes, std::size_t i) {
  switch (o.type) {
    case ElementType::f32:
      return at<float>(bytes, i);
    case ElementType::bf16:
      return at<bfloat16>(bytes, i);
    case ElementType::f64:
      return at<double>(bytes, i);
    case ElementType::i32:
      return at<std::int32_t>(bytes, i);
    case ElementType::i64:
      return at<std::int64_t>(bytes, i);
    case ElementType::u32:
      return at<std::uint32_t>(bytes, i);
    case ElementType::u64:
      return at<std::uint64_t>(bytes, i);
    default:
      return at<std::uint8_t>(bytes, i);
  }
}

}  // namespace

void Profile::before(Queue& queue, const OperationRecord&) {
  queue.synchronise();
  start_ = std::chrono::steady_clock::now();
}

void Profile::after(Queue& queue, const OperationRecord& record) {
  queue.synchronise();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const auto found = entries_.find(record.name);
  Entry& e = found != entries_.end() ? found->second : entries_[std::string(record.name)];
  ++e.calls;
  e.seconds += seconds;
  e.cost.bytes += record.cost.bytes;
  e.cost.flops += record.cost.flops;
  e.cost.ceiling = record.cost.ceiling;
}

std::vector<std::pair<std::string, Profile::Entry>> Profile::entries() const {
  std::vector<std::pair<std::string, Entry>> rows(entries_.begin(), entries_.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  return rows;
}

std::string Profile::table(double copy, double product) const {
  const auto rows = entries();
  double total = 0;
  for (const auto& [n, e] : rows) total += e.seconds;
  char line[200];
  std::snprintf(line, sizeof line, "%-28s %9s %10s %6s %8s %9s %9s\n", "operation", "calls", "ms", "%", "GB/s",
                "GFLOP/s", "ceiling");
  std::string s = line;
  for (const auto& [name, e] : rows) {
    const double gb = e.cost.bytes / e.seconds / 1e9, gf = e.cost.flops / e.seconds / 1e9;
    const double top = e.cost.ceiling == Ceiling::products ? product : copy,
                 reached = e.cost.ceiling == Ceiling::products ? gf : gb;
    char share[16] = "-";
    if (top > 0) std::snprintf(share, sizeof share, "%.0f %%", 100 * reached / top);
    std::snprintf(line, sizeof line, "%-28s %9zu %10.2f %6.1f %8.1f %9.1f %9s\n", name.c_str(), e.calls,
                  e.seconds * 1e3, 100 * e.seconds / total, gb, gf, share);
    s += line;
  }
  return s;
}

Trace::Trace(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {
  require_input(file_ != nullptr, path, ": cannot be written");
}
Trace::~Trace() { std::fclose(file_); }

void Trace::after(Queue& queue, const OperationRecord& record) {
  ++number_;
  for (const Operand& o : record.operands) {
    if (!o.is_output) continue;
    const auto bytes = payload(queue, o);
    std::uint64_t hash = 1469598103934665603ull;
    for (const unsigned char b : bytes) hash = (hash ^ b) * 1099511628211ull;
    const std::size_t n = o.rows * o.columns;
    double sum = 0, squares = 0, largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double v = element(o, bytes, i);
      sum += v, squares += v * v;
      largest = std::max(largest, std::abs(v));
    }
    std::fprintf(file_, "%zu %.*s %.*s %zux%zu %016llx %.17g %.17g %.17g", number_,
                 static_cast<int>(record.name.size()), record.name.data(), static_cast<int>(o.name.size()),
                 o.name.data(), o.rows, o.columns, static_cast<unsigned long long>(hash), sum, std::sqrt(squares),
                 largest);
    for (std::size_t k = 0; k < 8; ++k) std::fprintf(file_, " %.17g", element(o, bytes, k * n / 8));
    std::fputc('\n', file_);
  }
}

void CheckFinite::after(Queue& queue, const OperationRecord& record) {
  ++number_;
  for (const Operand& o : record.operands) {
    if (!o.is_output || (o.type != ElementType::f32 && o.type != ElementType::bf16 && o.type != ElementType::f64))
      continue;
    const auto bytes = payload(queue, o);
    for (std::size_t i = 0; i < o.rows * o.columns; ++i)
      require(std::isfinite(element(o, bytes, i)), "operation ", number_, ", ", record.name, ": ", o.name, "[",
              i / o.columns, ", ", i % o.columns, "] became ", element(o, bytes, i));
  }
}

std::string compare_traces(const std::string& path_a, const std::string& path_b, bool exact, double tolerance) {
  std::ifstream a(path_a), b(path_b);
  require_input(a.good(), path_a, ": no such file");
  require_input(b.good(), path_b, ": no such file");
  std::string la, lb;
  for (std::size_t line = 1;; ++line) {
    const bool ga = static_cast<bool>(std::getline(a, la)), gb = static_cast<bool>(std::getline(b, lb));
    if (!ga && !gb) return "";
    if (ga != gb) return text("line ", line, ": one trace ends here: ", ga ? path_b : path_a);
    struct Line {
      std::string number, operation, operand, shape, hash;
      double values[11] = {};
      explicit Line(const std::string& s) {
        std::istringstream in(s);
        in >> number >> operation >> operand >> shape >> hash;
        for (double& v : values) {
          std::string word;
          in >> word;
          v = std::strtod(word.c_str(), nullptr);
        }
      }
    };
    const Line x(la), y(lb);
    const std::string where = text("operation ", x.number, ", ", x.operation, ", ", x.operand, " (", x.shape, ")");
    if (x.operation != y.operation || x.operand != y.operand || x.shape != y.shape)
      return text(where, ": the other trace has ", y.operation, " ", y.operand, " ", y.shape);
    if (exact) {
      if (x.hash != y.hash) return text(where, ": bits differ");
      continue;
    }
    const double scale = std::max(x.values[2], y.values[2]);
    for (int k = 1; k < 11; ++k) {
      const double allowed = tolerance * (k == 1 ? std::max(x.values[1], y.values[1]) : scale);
      if (!(std::abs(x.values[k] - y.values[k]) <= allowed))
        return text(where, ": ", x.values[k], " against ", y.values[k]);
    }
  }
}

}  // namespace perturbine
