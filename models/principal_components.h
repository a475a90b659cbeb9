// Principal components of cells: fitted once to a training set, then a projection.
#pragma once
#include "models/linear_algebra.h"

namespace perturbine {

struct PrincipalComponents {
  std::vector<double> mean;      // [columns]
  HostMatrix components;         // [count, columns], orthonormal rows, by falling variance
  std::vector<double> variance;  // [count]
};

/// The leading principal components of the rows of x [rows, columns], by block Krylov iteration (Musco and Musco,
/// NeurIPS 2015, algorithm 2) on the products of all columns (or rows, where they are fewer), restarted from its best
/// directions until their variances are still. Zeros in sparse data cost nothing; memory beside x is that of the
/// products, side^2 doubles; past a side of `largest_kept` they are multiplied out anew at every step instead.
PrincipalComponents principal_components(const float* x, std::size_t rows, std::size_t columns, std::size_t count,
                                         std::size_t largest_kept = 8192);

/// Projects rows of x - mean on the components: [rows, count].
std::vector<float> project(const PrincipalComponents& p, const float* x, std::size_t rows);

}  // namespace perturbine
