// Small files for tests: a good AnnData file, and any way of spoiling it.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/hdf5.h"
#include "kernels/core/error.h"

namespace perturbine::testing_files {

/// A folder of its own for each test program, removed at the end.
inline std::string folder() {
  struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("perturbine_test_" + std::to_string(getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Folder f;
  return f.path.string();
}

/// What a person is told where something is refused, as bad input if nothing else is said; empty where it is not.
template <class Refusal = InputError, class Body>
std::string complaint(Body&& body) {
  try {
    body();
  } catch (const Refusal& e) {
    return e.what();
  }
  return "";
}
#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

/// The parts of a small .h5ad: 12 cells (4 control, 4 A, 4 B), 5 genes. Change a part, then write(). With `matrix`
/// raw/X the genes are those of raw/var, and X holds three of them, which are no counts.
struct SmallFile {
  std::vector<std::string> condition{"control", "control", "control", "control", "A", "A",
                                     "A",       "A",       "B",       "B",       "B", "B"};
  std::vector<std::string> genes{"g1", "g2", "g3", "g4", "g5"}, cells;
  std::vector<double> data;
  std::vector<std::int64_t> indices, indptr{0}, shape{12, 5};
  std::string condition_name = "condition", matrix = "X";
  bool dense = false, with_matrix = true, legacy = false, by_columns = false;

  SmallFile() {
    for (int i = 0; i < 12; ++i) {
      cells.push_back("c" + std::to_string(i));
      for (int j = i % 2; j < 5; j += 2) {
        indices.push_back(j);
        data.push_back(1 + (i * 7 + j * 3) % 5);
      }
      indptr.push_back(static_cast<std::int64_t>(data.size()));
    }
  }

  /// The same file with its matrix by columns (CSC).
  SmallFile columns() const {
    SmallFile f = *this;
    f.by_columns = true;
    f.data.clear(), f.indices.clear(), f.indptr.assign(1, 0);
    for (std::int64_t g = 0; g < shape[1]; ++g) {
      for (std::size_t i = 0; i + 1 < indptr.size(); ++i)
        for (auto k = static_cast<std::size_t>(indptr[i]); k < static_cast<std::size_t>(indptr[i + 1]); ++k)
          if (indices[k] == g) f.data.push_back(data[k]), f.indices.push_back(static_cast<std::int64_t>(i));
      f.indptr.push_back(static_cast<std::int64_t>(f.data.size()));
    }
    return f;
  }

  std::string write(const std::string& name) const {
    std::string path = folder() + "/" + name;
    const auto file = hdf5::create_in_memory();
    if (with_matrix && dense) {
      std::vector<double> rows(static_cast<std::size_t>(shape[0] * shape[1]), 0);
      for (std::size_t i = 0; i + 1 < indptr.size(); ++i)
        for (auto k = static_cast<std::size_t>(indptr[i]); k < static_cast<std::size_t>(indptr[i + 1]); ++k)
          rows[i * 5 + static_cast<std::size_t>(indices[k])] = data[k];
      hdf5::write_array(file, matrix, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
                        {static_cast<hsize_t>(shape[0]), static_cast<hsize_t>(shape[1])}, rows.data());
    } else if (with_matrix) {
      if (matrix != "X") hdf5::create_group(file, matrix.substr(0, matrix.find('/')));
      const auto g = hdf5::create_group(file, matrix);
      hdf5::write_text_attribute(g, "encoding-type", by_columns ? "csc_matrix" : "csr_matrix");
      hdf5::write_integer_list_attribute(g, "shape", shape);
      hdf5::write_array(g, "data", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {data.size()}, data.data());
      hdf5::write_array(g, "indices", H5T_STD_I32LE, H5T_NATIVE_INT64, {indices.size()}, indices.data());
      hdf5::write_array(g, "indptr", H5T_STD_I32LE, H5T_NATIVE_INT64, {indptr.size()}, indptr.data());
    }
    const auto obs = hdf5::create_group(file, "obs"), var = hdf5::create_group(file, "var");
    hdf5::write_text_attribute(obs, "_index", "_index");
    hdf5::write_text_attribute(var, "_index", "gene");
    hdf5::write_strings(obs, "_index", cells);
    const bool raw = matrix == "raw/X";
    hdf5::write_strings(var, "gene", raw ? std::vector<std::string>(genes.begin(), genes.begin() + 3) : genes);
    if (raw) {
      const auto raw_var = hdf5::create_group(file, "raw/var");
      hdf5::write_text_attribute(raw_var, "_index", "gene");
      hdf5::write_strings(raw_var, "gene", genes);
      const std::vector<double> logarithms(12 * 3, .7);
      hdf5::write_array(file, "X", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {12, 3}, logarithms.data());
    }
    if (legacy) {  // anndata 0.7: codes with categories beside them
      std::vector<std::int64_t> codes;
      std::vector<std::string> categories{"A", "B", "control"};
      for (const auto& c : condition) codes.push_back(c == "A" ? 0 : c == "B" ? 1 : 2);
      const auto d =
          hdf5::write_array(obs, condition_name, H5T_STD_I8LE, H5T_NATIVE_INT64, {codes.size()}, codes.data());
      hdf5::write_text_attribute(d, "categories", "reference");
      hdf5::create_group(obs, "__categories");
      hdf5::write_strings(obs, "__categories/" + condition_name, categories);
    } else {
      hdf5::write_strings(obs, condition_name, condition);
    }
    const auto bytes = hdf5::image(file);
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path;
  }
};

}  // namespace perturbine::testing_files
