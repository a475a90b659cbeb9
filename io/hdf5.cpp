#include "io/hdf5.h"

#include <H5PLpublic.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/chunk_filters.h"
#include "io/text_heap.h"

namespace perturbine::hdf5 {
namespace {

constexpr std::size_t largest = std::size_t{1} << 33;  // elements one dataset may promise

// Once per process: no printed error stacks, no dynamically loaded filters.
void quiet() {
  static const bool once = [] {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    register_filters();
    return true;
  }();
  static_cast<void>(once);
}

Handle type_handle(hid_t id) { return {id, &H5Tclose}; }
Handle space_handle(hid_t id) { return {id, &H5Sclose}; }
Handle dataset_handle(hid_t id) { return {id, &H5Dclose}; }
Handle attribute_handle(hid_t id) { return {id, &H5Aclose}; }
Handle list_handle(hid_t id) { return {id, &H5Pclose}; }

// Which file an object lies in.
std::string file_of(hid_t object) {
  const ssize_t size = H5Fget_name(object, nullptr, 0);
  std::string name(size > 0 ? static_cast<std::size_t>(size) + 1 : 1, '\0');
  if (size > 0) H5Fget_name(object, name.data(), name.size());
  name.pop_back();
  return name;
}

void refuse_unknown_filter(hid_t dataset, const std::string& what) {
  const std::string filter = unknown_filter(dataset);
  require_input(
      filter.empty(), what, ": is compressed by ", filter,
      ", which is not read here; gzip, lzf and Zstandard are (anndata: ", "write_h5ad(..., compression=\"gzip\"))");
}

// H5Dread, or an InputError that says what is the matter.
void read(hid_t dataset, hid_t type, hid_t memory, hid_t space, void* out, const std::string& what) {
  if (H5Dread(dataset, type, memory, space, H5P_DEFAULT, out) >= 0) return;
  bool no_memory = false;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned, const H5E_error2_t* error, void* found) {
        *static_cast<bool*>(found) |= error->min_num == H5E_NOSPACE;
        return herr_t{0};
      },
      &no_memory);
  refuse_unknown_filter(dataset, what);
  throw InputError(
      text(what, ": cannot be read; ", no_memory ? "there is not enough memory, or " : "", "the file is damaged"));
}

// Strings of a dataset or attribute, fixed or variable length.
template <class Read>
std::vector<std::string> strings_of(hid_t type, hid_t space, std::size_t count, const std::string& what,
                                    Read&& read_as) {
  std::vector<std::string> out(count);
  if (count == 0) return out;
  if (H5Tis_variable_str(type) > 0) {
    Handle memory = type_handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    std::vector<char*> pointers(count, nullptr);
    read_as(memory, pointers.data());
    for (std::size_t i = 0; i < count; ++i)
      if (pointers[i] != nullptr) out[i] = pointers[i];
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, pointers.data());
  } else {
    const std::size_t size = H5Tget_size(type);
    require_input(size > 0 && size < 65536, what, ": text of ", size, " bytes each");
    Handle memory = type_handle(H5Tcopy(type));
    std::vector<char> bytes(count * size);
    read_as(memory, bytes.data());
    for (std::size_t i = 0; i < count; ++i)
      out[i] = std::string(bytes.data() + i * size, strnlen(bytes.data() + i * size, size));
  }
  return out;
}

}  // namespace

Handle open_file(const std::string& path) {
  quiet();
  std::error_code code;
  require_input(std::filesystem::exists(path, code), path, ": no such file");
  require_input(
      !std::filesystem::exists(path + "/checkpoint.h5", code), path,
      ": is the folder of a trained run, not a file of cells (.h5ad); predict and effects take it with --run");
  require_input(!std::filesystem::is_directory(path, code), path,
                ": is a folder, not an .h5ad file (zarr stores are not read)");
  std::ifstream probe(path, std::ios::binary);
  require_input(probe.good(), path, ": cannot be read; check its permissions");
  require_input(H5Fis_hdf5(path.c_str()) > 0, path,
                ": is not an HDF5 file; an .h5ad file written by anndata is expected");
  Handle access = list_handle(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_sec2(access);
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), &H5Fclose);
  require_input(file.valid(), path,
                ": is HDF5 but cannot be opened; it is cut short or damaged, or another program is still writing it");
  return file;
}

Handle create_in_memory() {
  quiet();
  Handle access = list_handle(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access, std::size_t{1} << 20, false);
  Handle file(H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access), &H5Fclose);
  require(file.valid(), "HDF5: a file in memory cannot be made");
  return file;
}

std::vector<char> image(hid_t file) {
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  const ssize_t size = H5Fget_file_image(file, nullptr, 0);
  require(size > 0, "HDF5: the file's image cannot be taken");
  std::vector<char> bytes(static_cast<std::size_t>(size));
  require(H5Fget_file_image(file, bytes.data(), bytes.size()) > 0, "HDF5: the file's image cannot be taken");
  return bytes;
}

Handle open_image(const std::vector<char>& bytes, const std::string& name) {
  quiet();
  Handle access = list_handle(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access, std::size_t{1} << 20, false);
  H5Pset_file_image(access, const_cast<char*>(bytes.data()), bytes.size());
  // The core driver refuses the name of a file that exists.
  Handle file(H5Fopen("an image in memory, not a file", H5F_ACC_RDONLY, access), &H5Fclose);
  require_input(file.valid(), name, ": its contents cannot be opened; the file is damaged");
  return file;
}

bool exists(hid_t where, const std::string& path) {
  // Every step of the path must exist before the next may be asked for.
  std::string so_far;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin + (begin == 0 && path[0] == '/' ? 1 : 0)), path.size());
    so_far = path.substr(0, end);
    if (so_far != "/" && !so_far.empty() && H5Lexists(where, so_far.c_str(), H5P_DEFAULT) <= 0) return false;
    begin = end + 1;
  }
  return H5Oexists_by_name(where, path.c_str(), H5P_DEFAULT) > 0;
}

Kind kind_of(hid_t where, const std::string& path) {
  if (!exists(where, path)) return Kind::none;
  Handle object(H5Oopen(where, path.c_str(), H5P_DEFAULT), &H5Oclose);
  if (!object.valid()) return Kind::none;
  const H5I_type_t type = H5Iget_type(object);
  return type == H5I_GROUP ? Kind::group : type == H5I_DATASET ? Kind::dataset : Kind::none;
}

std::vector<std::string> members(hid_t group) {
  H5G_info_t info;
  std::vector<std::string> names;
  if (H5Gget_info(group, &info) < 0) return names;
  require_input(info.nlinks < 1000000, file_of(group), ": a group has ", info.nlinks, " members; the file is damaged");
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const ssize_t size = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (size < 0) continue;
    std::string name(static_cast<std::size_t>(size) + 1, '\0');
    H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT);
    name.pop_back();
    names.push_back(name);
  }
  return names;
}

Handle open_group(hid_t where, const std::string& path) {
  Handle g(H5Gopen2(where, path.c_str(), H5P_DEFAULT), &H5Gclose);
  require_input(g.valid(), file_of(where), ": the group ", path, " cannot be opened; the file is damaged");
  return g;
}
Handle open_dataset(hid_t where, const std::string& path) {
  Handle d = dataset_handle(H5Dopen2(where, path.c_str(), H5P_DEFAULT));
  require_input(d.valid(), file_of(where), ": the dataset ", path, " cannot be opened; the file is damaged");
  return d;
}

std::vector<hsize_t> shape(hid_t dataset) {
  Handle space = space_handle(H5Dget_space(dataset));
  const int rank = H5Sget_simple_extent_ndims(space);
  std::vector<hsize_t> s(rank > 0 ? static_cast<std::size_t>(rank) : 0);
  if (rank > 0) H5Sget_simple_extent_dims(space, s.data(), nullptr);
  return s;
}

std::size_t element_count(hid_t dataset, const std::string& what) {
  std::size_t n = 1;
  for (const hsize_t d : shape(dataset))
    require_input(!__builtin_mul_overflow(n, static_cast<std::size_t>(d), &n) && n <= largest, what,
                  ": promises more than ", largest, " elements; the file is damaged");
  // A promise needs bytes behind it, as many as its filters make of them; what was never written is a small part.
  Handle file(H5Iget_file_id(dataset), &H5Fclose), type = type_handle(H5Dget_type(dataset));
  hsize_t bytes = 0;
  H5Fget_filesize(file, &bytes);
  bytes = std::min<hsize_t>(bytes, H5Dget_storage_size(dataset));
  constexpr std::size_t unwritten = std::size_t{1} << 20;
  if (n <= unwritten || n / largest_expansion(dataset) * H5Tget_size(type) <= bytes) return n;
  refuse_unknown_filter(dataset, what);
  throw InputError(text(what, ": promises ", n, " elements in ", bytes, " bytes; the file is damaged"));
}

namespace {

Class class_of_type(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
    case H5T_ENUM:
      return Class::integer;
    case H5T_FLOAT:
      return Class::floating;
    case H5T_STRING:
      return Class::text;
    case H5T_COMPOUND:
      return Class::compound;
    case H5T_REFERENCE:
      return Class::reference;
    default:
      return Class::other;
  }
}

}  // namespace

Class class_of(hid_t dataset) {
  Handle type = type_handle(H5Dget_type(dataset));
  return class_of_type(type);
}

std::vector<double> read_doubles(hid_t dataset, const std::string& what) {
  std::vector<double> v(element_count(dataset, what));
  if (class_of(dataset) == Class::integer) {
    const auto i = read_integers(dataset, what);
    return {i.begin(), i.end()};
  }
  if (!v.empty()) read(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, v.data(), what);
  return v;
}

std::vector<std::int64_t> read_integers(hid_t dataset, const std::string& what) {
  std::vector<std::int64_t> v(element_count(dataset, what));
  Handle type = type_handle(H5Dget_type(dataset));
  if (H5Tget_class(type) == H5T_ENUM) {  // booleans
    require_input(H5Tget_size(type) == 1, what, ": an enumeration that is not a boolean");
    std::vector<signed char> bytes(v.size());
    if (!v.empty()) read(dataset, type, H5S_ALL, H5S_ALL, bytes.data(), what);
    std::copy(bytes.begin(), bytes.end(), v.begin());
    return v;
  }
  if (!v.empty()) read(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, v.data(), what);
  return v;
}

std::vector<std::string> read_strings(hid_t dataset, const std::string& what) {
  Handle type = type_handle(H5Dget_type(dataset)), space = space_handle(H5Dget_space(dataset));
  require_input(H5Tget_class(type) == H5T_STRING, what, ": is not text");
  const std::size_t count = element_count(dataset, what);
  if (H5Tis_variable_str(type) > 0)
    if (auto strings = read_text_heap(dataset, count, what)) return std::move(*strings);
  return strings_of(type, space, count, what,
                    [&](hid_t memory, void* out) { read(dataset, memory, H5S_ALL, H5S_ALL, out, what); });
}

std::vector<std::string> fields(hid_t dataset) {
  Handle type = type_handle(H5Dget_type(dataset));
  std::vector<std::string> names;
  if (H5Tget_class(type) != H5T_COMPOUND) return names;
  const int count = H5Tget_nmembers(type);
  for (unsigned i = 0; count > 0 && i < static_cast<unsigned>(count); ++i) {
    char* name = H5Tget_member_name(type, i);
    if (name == nullptr) continue;
    names.emplace_back(name);
    H5free_memory(name);
  }
  return names;
}

Field read_field(hid_t dataset, const std::string& name, const std::string& what) {
  Handle whole = type_handle(H5Dget_type(dataset)), space = space_handle(H5Dget_space(dataset));
  const int member = H5Tget_class(whole) == H5T_COMPOUND ? H5Tget_member_index(whole, name.c_str()) : -1;
  require_input(member >= 0, what, ": has no field '", name, "'");
  Handle type = type_handle(H5Tget_member_type(whole, static_cast<unsigned>(member)));
  const std::size_t n = element_count(dataset, what);
  // HDF5 picks the fields of a compound type in memory by their names.
  const auto read_as = [&](hid_t memory, void* out) {
    Handle one = type_handle(H5Tcreate(H5T_COMPOUND, H5Tget_size(memory)));
    H5Tinsert(one, name.c_str(), 0, memory);
    read(dataset, one, H5S_ALL, H5S_ALL, out, what);
  };
  Field f{class_of_type(type), {}, {}, {}};
  if (f.type == Class::text) {
    f.text = strings_of(type, space, n, what, read_as);
  } else if (f.type == Class::integer && H5Tget_class(type) == H5T_INTEGER) {
    f.integers.resize(n);
    if (n > 0) read_as(H5T_NATIVE_INT64, f.integers.data());
  } else if (f.type == Class::floating) {
    f.doubles.resize(n);
    if (n > 0) read_as(H5T_NATIVE_DOUBLE, f.doubles.data());
  } else {
    f.type = Class::other;
  }
  return f;
}

void read_slice(hid_t dataset, hsize_t first, hsize_t count, hid_t memory_type, void* out, const std::string& what) {
  if (count == 0) return;
  Handle space = space_handle(H5Dget_space(dataset)), memory = space_handle(H5Screate_simple(1, &count, nullptr));
  H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &count, nullptr);
  read(dataset, memory_type, memory, space, out, text(what, ", elements ", first, " to ", first + count));
}

void read_rows(hid_t dataset, hsize_t first, hsize_t count, hsize_t columns, float* out, const std::string& what) {
  if (count == 0 || columns == 0) return;
  const hsize_t start[2] = {first, 0}, extent[2] = {count, columns};
  Handle space = space_handle(H5Dget_space(dataset)), memory = space_handle(H5Screate_simple(2, extent, nullptr));
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, extent, nullptr);
  read(dataset, H5T_NATIVE_FLOAT, memory, space, out, text(what, ", rows ", first, " to ", first + count));
}

bool has_attribute(hid_t object, const std::string& name) { return H5Aexists(object, name.c_str()) > 0; }

std::optional<std::string> text_attribute(hid_t object, const std::string& name) {
  if (!has_attribute(object, name)) return std::nullopt;
  Handle a = attribute_handle(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  Handle type = type_handle(H5Aget_type(a)), space = space_handle(H5Aget_space(a));
  if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) return std::nullopt;
  const std::string what = file_of(object) + ": attribute " + name;
  return strings_of(type, space, 1, what, [&](hid_t memory, void* out) {
    require_input(H5Aread(a, memory, out) >= 0, what, ": cannot be read; the file is damaged");
  })[0];
}

std::vector<std::int64_t> integer_attribute(hid_t object, const std::string& name) {
  if (!has_attribute(object, name)) return {};
  Handle a = attribute_handle(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  Handle space = space_handle(H5Aget_space(a));
  const hssize_t n = H5Sget_simple_extent_npoints(space);
  if (n <= 0 || n > 1024) return {};
  std::vector<std::int64_t> v(static_cast<std::size_t>(n));
  if (H5Aread(a, H5T_NATIVE_INT64, v.data()) < 0) return {};
  return v;
}

}  // namespace perturbine::hdf5
