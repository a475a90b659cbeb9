// The observers every run may carry: a profile, a trace to compare two runs by, and a stop at the first number that is
// not finite.
#pragma once
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "kernels/core/observer.h"

namespace perturbine {

/// Adds up time, bytes and flops by operation.
class Profile final : public Observer {
 public:
  void before(Queue& queue, const OperationRecord& record) override;
  void after(Queue& queue, const OperationRecord& record) override;
  /// One line per operation, most time first. `copy_gigabytes` and `product_gigaflops`: measured ceilings, 0 if
  /// unknown.
  std::string table(double copy_gigabytes, double product_gigaflops) const;

  struct Entry {
    std::size_t calls = 0;
    double seconds = 0;
    Cost cost;
  };
  /// By operation, most time first.
  std::vector<std::pair<std::string, Entry>> entries() const;

 private:
  std::map<std::string, Entry, std::less<>> entries_;
  std::chrono::steady_clock::time_point start_;
};

/// Writes a line per operation and output: bit hash, sum, norm, largest magnitude and eight fixed samples.
class Trace final : public Observer {
 public:
  explicit Trace(const std::string& path);
  ~Trace() override;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  void after(Queue& queue, const OperationRecord& record) override;

 private:
  std::FILE* file_;
  std::size_t number_ = 0;
};

/// Throws at the operation that first wrote a NaN or an infinity.
class CheckFinite final : public Observer {
 public:
  void after(Queue& queue, const OperationRecord& record) override;

 private:
  std::size_t number_ = 0;
};

/// Compares two traces: empty if they agree, else the first operation that differs. `exact`: by bit hash (one backend);
/// otherwise by value within `tolerance` of the operand's largest magnitude (across backends).
std::string compare_traces(const std::string& a, const std::string& b, bool exact, double tolerance);

}  // namespace perturbine
