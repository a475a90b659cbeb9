// Filters of HDF5 chunks: what compressed them. LZF and Zstandard, which h5py and hdf5plugin bring and the HDF5 library
// lacks, are decoded here.
#pragma once
#include <hdf5.h>

#include <optional>
#include <string>
#include <vector>

namespace perturbine::hdf5 {

/// Lets HDF5 read chunks compressed by LZF (filter 32000, h5py's) or Zstandard (32015). Once a process.
void register_filters();

/// How many bytes the filters of a dataset make at most of one that is stored.
std::size_t largest_expansion(hid_t dataset);

/// The filters of a dataset in the order of writing, where undo_filters knows all of them.
std::optional<std::vector<H5Z_filter_t>> known_filters(hid_t dataset);

/// Makes `bytes`, a chunk as it is stored, the `size` bytes it was made of; `left_out` has a bit for each filter that
/// this chunk went without. False where the chunk is damaged.
bool undo_filters(const std::vector<H5Z_filter_t>& filters, unsigned left_out, std::size_t element_bytes,
                  std::size_t size, std::vector<char>& bytes);

/// The name and number of the first filter of a dataset that cannot be undone here; empty: all can.
std::string unknown_filter(hid_t dataset);

}  // namespace perturbine::hdf5
