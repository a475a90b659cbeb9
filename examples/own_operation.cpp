// An operation defined outside the library, on memory of one's own, run and checked by a Queue like any other.
#include <perturbine/perturbine.h>

#include <cmath>
#include <cstdio>

namespace perturbine {

/// y = sqrt(x): the variance-stabilising transform of counts.
struct SquareRoot {
  MatrixView<const float> x;
  MatrixView<float> y;
  static constexpr std::string_view name = "square_root";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y);
  }
  void check() const { require_shape(*this, "y", y, x.rows, x.columns); }
  Cost cost() const { return memory_cost(*this, static_cast<double>(x.rows * x.columns)); }
};

template <>
void execute(Cpu& cpu, const SquareRoot& op) {
  cpu.pool.for_ranges(op.x.rows, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t j = 0; j < op.x.columns; ++j) op.y(i, j) = std::sqrt(op.x(i, j));
  });
}

}  // namespace perturbine

int main() {
  using namespace perturbine;
  Queue queue(Device::cpu);
  Profile profile;
  queue.add_observer(&profile);
  std::vector<float> counts{0, 1, 4, 9, 16, 25}, roots(6);
  queue.run(SquareRoot{matrix<const float>(counts.data(), 2, 3), matrix(roots.data(), 2, 3)});
  for (const float r : roots) std::printf("%g ", static_cast<double>(r));
  std::printf("\n%s", profile.table(0, 0).c_str());
}
