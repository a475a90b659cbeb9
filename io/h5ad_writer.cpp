#include <algorithm>
#include <map>

#include "io/file.h"
#include "io/h5ad.h"

namespace perturbine {
namespace {

void mark(hid_t object, const char* type, const char* version) {
  hdf5::write_text_attribute(object, "encoding-type", type);
  hdf5::write_text_attribute(object, "encoding-version", version);
}

void write_string_array(hid_t where, const std::string& path, const std::vector<std::string>& values) {
  mark(hdf5::write_strings(where, path, values), "string-array", "0.2.0");
}

void write_categories(hid_t where, const std::string& path, const std::vector<std::string>& values) {
  std::map<std::string, std::int32_t> code;
  for (const std::string& v : values) code.emplace(v, 0);
  std::vector<std::string> categories;
  for (auto& [name, number] : code) {
    number = static_cast<std::int32_t>(categories.size());
    categories.push_back(name);
  }
  std::vector<std::int32_t> codes;
  for (const std::string& v : values) codes.push_back(code[v]);
  const auto group = hdf5::create_group(where, path);
  mark(group, "categorical", "0.2.0");
  hdf5::write_bool_attribute(group, "ordered", false);
  mark(hdf5::write_array(group, "codes", H5T_STD_I32LE, H5T_NATIVE_INT32, {codes.size()}, codes.data()), "array",
       "0.2.0");
  write_string_array(group, "categories", categories);
}

}  // namespace

void write_h5ad(const std::string& path, const H5adContents& c) {
  const auto file = hdf5::create_in_memory();
  mark(file, "anndata", "0.1.0");
  {
    const auto x = hdf5::create_group(file, "X");
    mark(x, "csr_matrix", "0.1.0");
    hdf5::write_integer_list_attribute(
        x, "shape", {static_cast<std::int64_t>(c.matrix.rows), static_cast<std::int64_t>(c.matrix.columns)});
    hdf5::write_array(x, "data", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {c.matrix.values.size()}, c.matrix.values.data());
    hdf5::write_array(x, "indices", H5T_STD_I32LE, H5T_NATIVE_INT32, {c.matrix.column_index.size()},
                      c.matrix.column_index.data());
    hdf5::write_array(x, "indptr", H5T_STD_I64LE, H5T_NATIVE_INT64, {c.matrix.row_offsets.size()},
                      c.matrix.row_offsets.data());
  }
  auto frame = [&](const char* name, const std::vector<std::string>& index, const std::vector<std::string>& columns) {
    auto group = hdf5::create_group(file, name);
    mark(group, "dataframe", "0.2.0");
    hdf5::write_text_attribute(group, "_index", "_index");
    hdf5::write_text_list_attribute(group, "column-order", columns);
    write_string_array(group, "_index", index);
    return group;
  };
  std::vector<std::string> columns;
  for (const auto& [name, values] : c.text_columns) columns.push_back(name);
  for (const auto& [name, values] : c.number_columns) columns.push_back(name);
  {
    const auto obs = frame("obs", c.cell_names, columns);
    for (const auto& [name, values] : c.text_columns) write_categories(obs, name, values);
    for (const auto& [name, values] : c.number_columns)
      mark(hdf5::write_array(obs, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {values.size()}, values.data()), "array",
           "0.2.0");
    frame("var", c.gene_names, {});
  }
  {
    const auto uns = hdf5::create_group(file, "uns");
    mark(uns, "dict", "0.1.0");
    const auto ours = hdf5::create_group(uns, "perturbine");
    mark(ours, "dict", "0.1.0");
    for (const auto& [name, value] : c.notes) {
      const auto d = hdf5::write_strings(ours, name, {value});
      mark(d, "string-array", "0.2.0");
    }
    for (const auto& [name, shape, values] : c.arrays) {
      const std::vector<hsize_t> extent(shape.begin(), shape.end());
      mark(hdf5::write_array(ours, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, extent, values.data()), "array", "0.2.0");
    }
  }
  const std::vector<char> bytes = hdf5::image(file);
  write_file(path, bytes.data(), bytes.size());
}

}  // namespace perturbine
