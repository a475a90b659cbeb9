// What is known of perturbations besides cells: read from a table of numbers, from gene sets or from a graph.
#pragma once
#include <string>

#include "io/batch.h"

namespace perturbine {

/// Reads, by what the file holds:
///   a table     name, then numbers; tabs or commas; a heading is skipped. Columns are centred; more than 64 become
///   their
///               leading 64 principal components
///   gene sets   (.gmt: set, description, members, by tabs) each name's leading 16 coordinates in the spectral
///   embedding
///               of the graph of names and sets
///   edges       source, target and an optional weight; the same of that graph
/// Spectral coordinates: leading singular vectors, the trivial one left out, of D^-1/2 B E^-1/2 with D and E the
/// degrees (Dhillon, KDD 2001), times D^-1/2; of edges B is the adjacency plus the degrees on the diagonal. All values
/// are scaled to a mean square of one. Throws InputError naming the line that cannot be read.
PerturbationFeatures read_perturbation_features(const std::string& path);

}  // namespace perturbine
