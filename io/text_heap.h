// Text of variable length, as anndata writes names: read past the HDF5 library, which (1.10, what Debian 12 has)
// crashes or hangs on a damaged heap, where a third of a small file's bytes lie. Source: HDF5 File Format
// Specification 3.0, III.E (Global Heap), IV.A.2.d (variable-length datatype).
#pragma once
#include <hdf5.h>

#include <optional>
#include <string>
#include <vector>

namespace perturbine::hdf5 {

/// The strings of a dataset of variable-length text, in order; nothing where HDF5 is to read them: the file is in
/// memory, or references are stored in a form that neither h5py nor anndata chooses. Throws InputError, naming `what`,
/// where references or heap do not fit together or do not lie in the file.
std::optional<std::vector<std::string>> read_text_heap(hid_t dataset, std::size_t count, const std::string& what);

}  // namespace perturbine::hdf5
