// Parameters: named slices of one flat buffer, with a table of segments that the one optimiser launch reads.
#pragma once
#include <string>
#include <vector>

#include "engine/arena.h"
#include "kernels/optimisation/adamw.h"

namespace perturbine {

/// How a parameter starts.
enum class Initial { zero, one, uniform_fan_in };

struct ParameterSettings {
  float rate = 1;     // factor on the learning rate
  float decay = 1;    // factor on the weight decay
  float penalty = 0;  // coefficient of (value^2 / 2) in the loss
  bool frozen = false;
};

/// A parameter's number in its Parameters.
struct Parameter {
  std::size_t index = 0;
};

class Parameters {
 public:
  struct Segment {
    std::string name;
    std::size_t begin = 0, rows = 0, columns = 0;
    Initial initial = Initial::zero;
    ParameterSettings settings;
    std::size_t size() const { return rows * columns; }
  };

  /// Declares a parameter; all are declared before allocate().
  Parameter add(std::string name, std::size_t rows, std::size_t columns, Initial initial,
                ParameterSettings settings = {});
  /// Allocates the flat buffers on the queue's device and fills them: uniform in +-1/sqrt(columns) for uniform_fan_in
  /// (He et al.'s fan-in rule as torch.nn.Linear uses it), from (seed, parameter's position).
  void allocate(Queue& queue, std::uint64_t seed);

  const std::vector<Segment>& segments() const { return segments_; }
  std::size_t size() const { return size_; }
  /// Numbers in all parameters, padding not counted.
  std::size_t count() const;
  MatrixView<float> value(Parameter p) const { return slice(value_, p); }
  MatrixView<float> gradient(Parameter p) const { return slice(gradient_, p); }
  /// The value rounded to bfloat16, kept by the optimiser where the queue's products are bf16; else empty.
  MatrixView<const bfloat16> rounded(Parameter p) const {
    if (rounded_.size() == 0) return {};
    const Segment& s = segments_[p.index];
    return {rounded_.view().data + s.begin, s.rows, s.columns, s.columns};
  }
  /// Replaces all values, and their rounded copy.
  void set_values(Queue& queue, const std::vector<float>& values);

  /// Which parameters the current step wrote a gradient for; others are not stepped.
  void begin_step() { written_.assign(segments_.size(), 0); }
  bool written(Parameter p) const { return written_[p.index] != 0; }
  void mark_written(Parameter p) { written_[p.index] = 1; }
  const std::vector<std::int32_t>& written_flags() const { return written_; }

  /// This with the average in place of the values, sharing its memory: for validation and sampling. Where the queue's
  /// products are bf16 with a rounded copy of its own.
  Parameters averaged(Queue& queue) const;

  const Buffer<float>& values() const { return value_; }
  Buffer<bfloat16>& rounded() { return rounded_; }
  Buffer<float>& gradients() { return gradient_; }
  Buffer<float>& first_moment() { return first_moment_; }
  Buffer<float>& second_moment() { return second_moment_; }
  Buffer<float>& average() { return average_; }

 private:
  MatrixView<float> slice(const Buffer<float>& buffer, Parameter p) const {
    const Segment& s = segments_[p.index];
    return {buffer.view().data + s.begin, s.rows, s.columns, s.columns};
  }
  std::vector<Segment> segments_;
  std::size_t size_ = 0;
  Buffer<float> value_, gradient_, first_moment_, second_moment_, average_;
  Buffer<bfloat16> rounded_;  // empty unless products are bf16
  std::vector<std::int32_t> written_;
};

struct OptimiserSettings {
  float rate = 1e-3f, decay = 1e-2f, beta1 = .9f, beta2 = .999f, epsilon = 1e-8f, clip = 1;
  float average_decay = .995f;
};

/// AdamW over a Parameters: one norm and one update launch a step. What changes each step lives in device memory.
class Optimiser {
 public:
  Optimiser(Queue& queue, Parameters& parameters, OptimiserSettings settings);
  /// Host side of step `number` (from 1) at learning rate `rate`: writes the step's numbers to device memory.
  void prepare(Queue& queue, std::size_t number, float rate);
  /// The launches.
  void apply(Queue& queue);

 private:
  Parameters& parameters_;
  OptimiserSettings settings_;
  Buffer<std::int32_t> begin_, active_;
  Buffer<float> rate_, decay_, penalty_, step_, norm_;
  std::vector<std::int32_t> last_active_;
};

}  // namespace perturbine
