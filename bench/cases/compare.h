// Judging a case: an executor against the oracle, and the oracle's gradients against its own differences.
#pragma once
#include "bench/cases/case.h"

namespace perturbine::cases {

/// Runs the case on the queue's device and compares every output with the oracle. Empty: they agree; else what differs.
std::string compare_with_oracle(const Case& c, Queue& queue, Layout layout);

/// Compares the analytic gradients of the backward oracle with four-point differences of the forward oracle.
std::string compare_with_differences(const Case& forward, const Case& backward);

}  // namespace perturbine::cases
