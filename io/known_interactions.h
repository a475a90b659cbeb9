// Interactions of pairs of perturbations known from elsewhere (a genetic interaction map, say).
#pragma once
#include <map>
#include <string>

namespace perturbine {

/// A line a pair: `A+B`, or both names in columns of their own, and a score last, separated by tabs or commas. A first
/// line whose score is no number is a header; empty lines and those that start with # are skipped. By canonical label.
/// Throws InputError naming the line that cannot be read, or a pair that is there twice.
std::map<std::string, double> read_known_interactions(const std::string& path);

}  // namespace perturbine
