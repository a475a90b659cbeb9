// Pairs of control and perturbed cells by entropic optimal transport.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/queue.h"

namespace perturbine {

enum class Coupling { balanced, unbalanced, random };
Coupling coupling_named(const std::string& name);

struct TransportSettings {
  double epsilon = .05;  // entropy, as a share of the mean cost
  double penalty = 1;    // unbalanced: of the marginals' KL divergence, as a share of the mean cost
  std::size_t iterations = 100;
  bool absolute = false;  // epsilon and penalty are in units of the cost itself
};

/// Potentials of a plan between n and m points of equal weight; see SinkhornHalf.
struct TransportPlan {
  std::vector<float> cost;  // [n, m]
  std::vector<float> f, g;  // [n], [m]
  double epsilon = 0;
  std::size_t rows = 0, columns = 0;
  /// P[i, j]
  double at(std::size_t i, std::size_t j) const;
};

/// x [n, width], y [m, width] on the host; runs on the CPU whatever the queue's device.
TransportPlan transport_plan(Queue& queue, const std::vector<float>& x, const std::vector<float>& y, std::size_t width,
                             Coupling coupling, const TransportSettings& settings);

/// `draws` pairs (row of x, row of y): rows of x in turn (unbalanced: drawn by their mass), their partners from the
/// plan. `random`: rows of both in turn. The same (seed, offset), the same pairs.
struct Pairs {
  std::vector<std::int32_t> first, second;
};
Pairs draw_pairs(Queue& queue, const TransportPlan& plan, Coupling coupling, std::size_t draws, std::uint64_t seed,
                 std::uint64_t offset);

}  // namespace perturbine
