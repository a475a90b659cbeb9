#include "io/hdf5.h"

#include <H5PLpublic.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace perturbine::hdf5 {
namespace {

constexpr std::size_t largest = std::size_t{1} << 33;  // elements one dataset may promise

// Once per process: no printed error stacks, no dynamically loaded filters.
void quiet() {
  static const bool once = [] {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    return true;
  }();
  static_cast<void>(once);
}

Handle type_handle(hid_t id) { return {id, &H5Tclose}; }
Handle space_handle(hid_t id) { return {id, &H5Sclose}; }
Handle dataset_handle(hid_t id) { return {id, &H5Dclose}; }
Handle attribute_handle(hid_t id) { return {id, &H5Aclose}; }
Handle list_handle(hid_t id) { return {id, &H5Pclose}; }

Handle text_type() {
  Handle t = type_handle(H5Tcopy(H5T_C_S1));
  H5Tset_size(t, H5T_VARIABLE);
  H5Tset_cset(t, H5T_CSET_UTF8);
  return t;
}

// Strings of a dataset or attribute, fixed or variable length.
template <class Read>
std::vector<std::string> strings_of(hid_t type, hid_t space, std::size_t count, const std::string& what, Read&& read) {
  std::vector<std::string> out(count);
  if (count == 0) return out;
  if (H5Tis_variable_str(type) > 0) {
    Handle memory = type_handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    std::vector<char*> pointers(count, nullptr);
    require_input(read(memory, pointers.data()) >= 0, what, ": the text cannot be read; the file is damaged");
    for (std::size_t i = 0; i < count; ++i)
      if (pointers[i] != nullptr) out[i] = pointers[i];
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, pointers.data());
  } else {
    const std::size_t size = H5Tget_size(type);
    require_input(size > 0 && size < 65536, what, ": text of ", size, " bytes each");
    Handle memory = type_handle(H5Tcopy(type));
    std::vector<char> bytes(count * size);
    require_input(read(memory, bytes.data()) >= 0, what, ": the text cannot be read; the file is damaged");
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
  require_input(info.nlinks < 1000000, "a group of the file has ", info.nlinks, " members");
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
  require_input(g.valid(), path, ": this group of the file cannot be opened");
  return g;
}
Handle open_dataset(hid_t where, const std::string& path) {
  Handle d = dataset_handle(H5Dopen2(where, path.c_str(), H5P_DEFAULT));
  require_input(d.valid(), path, ": this dataset of the file cannot be opened");
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
  return n;
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
  require_input(v.empty() || H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, v.data()) >= 0, what,
                ": its numbers cannot be read; the file is damaged");
  return v;
}

std::vector<std::int64_t> read_integers(hid_t dataset, const std::string& what) {
  std::vector<std::int64_t> v(element_count(dataset, what));
  Handle type = type_handle(H5Dget_type(dataset));
  if (H5Tget_class(type) == H5T_ENUM) {  // booleans
    require_input(H5Tget_size(type) == 1, what, ": an enumeration that is not a boolean");
    std::vector<signed char> bytes(v.size());
    require_input(v.empty() || H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) >= 0, what,
                  ": cannot be read");
    std::copy(bytes.begin(), bytes.end(), v.begin());
    return v;
  }
  require_input(v.empty() || H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, v.data()) >= 0, what,
                ": its integers cannot be read; the file is damaged");
  return v;
}

std::vector<std::string> read_strings(hid_t dataset, const std::string& what) {
  Handle type = type_handle(H5Dget_type(dataset)), space = space_handle(H5Dget_space(dataset));
  require_input(H5Tget_class(type) == H5T_STRING, what, ": is not text");
  return strings_of(type, space, element_count(dataset, what), what, [&](hid_t memory, void* out) {
    return H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  });
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
  const auto read = [&](hid_t memory, void* out) {
    Handle one = type_handle(H5Tcreate(H5T_COMPOUND, H5Tget_size(memory)));
    H5Tinsert(one, name.c_str(), 0, memory);
    return H5Dread(dataset, one, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  };
  Field f{class_of_type(type), {}, {}, {}};
  if (f.type == Class::text) {
    f.text = strings_of(type, space, n, what, read);
  } else if (f.type == Class::integer && H5Tget_class(type) == H5T_INTEGER) {
    f.integers.resize(n);
    require_input(n == 0 || read(H5T_NATIVE_INT64, f.integers.data()) >= 0, what, ": its integers cannot be read");
  } else if (f.type == Class::floating) {
    f.doubles.resize(n);
    require_input(n == 0 || read(H5T_NATIVE_DOUBLE, f.doubles.data()) >= 0, what, ": its numbers cannot be read");
  } else {
    f.type = Class::other;
  }
  return f;
}

void read_slice(hid_t dataset, hsize_t first, hsize_t count, hid_t memory_type, void* out, const std::string& what) {
  if (count == 0) return;
  Handle space = space_handle(H5Dget_space(dataset)), memory = space_handle(H5Screate_simple(1, &count, nullptr));
  H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &count, nullptr);
  require_input(H5Dread(dataset, memory_type, memory, space, H5P_DEFAULT, out) >= 0, what, ": elements ", first, " to ",
                first + count, " cannot be read; the file is damaged");
}

void read_rows(hid_t dataset, hsize_t first, hsize_t count, hsize_t columns, float* out, const std::string& what) {
  if (count == 0 || columns == 0) return;
  const hsize_t start[2] = {first, 0}, extent[2] = {count, columns};
  Handle space = space_handle(H5Dget_space(dataset)), memory = space_handle(H5Screate_simple(2, extent, nullptr));
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, extent, nullptr);
  require_input(H5Dread(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, out) >= 0, what, ": rows ", first,
                " to ", first + count, " cannot be read; the file is damaged");
}

bool has_attribute(hid_t object, const std::string& name) { return H5Aexists(object, name.c_str()) > 0; }

std::optional<std::string> text_attribute(hid_t object, const std::string& name) {
  if (!has_attribute(object, name)) return std::nullopt;
  Handle a = attribute_handle(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  Handle type = type_handle(H5Aget_type(a)), space = space_handle(H5Aget_space(a));
  if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) return std::nullopt;
  return strings_of(type, space, 1, "attribute " + name,
                    [&](hid_t memory, void* out) { return H5Aread(a, memory, out); })[0];
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

Handle create_group(hid_t where, const std::string& path) {
  Handle g(H5Gcreate2(where, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), &H5Gclose);
  require(g.valid(), "HDF5: group ", path, " cannot be made");
  return g;
}

void write_text_attribute(hid_t object, const std::string& name, const std::string& value) {
  Handle type = text_type(), space = space_handle(H5Screate(H5S_SCALAR));
  Handle a = attribute_handle(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  const char* p = value.c_str();
  require(H5Awrite(a, type, &p) >= 0, "HDF5: attribute ", name, " cannot be written");
}

void write_text_list_attribute(hid_t object, const std::string& name, const std::vector<std::string>& values) {
  const hsize_t n = values.size();
  Handle type = text_type(), space = space_handle(H5Screate_simple(1, &n, nullptr));
  Handle a = attribute_handle(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  std::vector<const char*> pointers;
  for (const std::string& v : values) pointers.push_back(v.c_str());
  require(n == 0 || H5Awrite(a, type, pointers.data()) >= 0, "HDF5: attribute ", name, " cannot be written");
}

void write_integer_list_attribute(hid_t object, const std::string& name, const std::vector<std::int64_t>& values) {
  const hsize_t n = values.size();
  Handle space = space_handle(H5Screate_simple(1, &n, nullptr));
  Handle a = attribute_handle(H5Acreate2(object, name.c_str(), H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT));
  require(H5Awrite(a, H5T_NATIVE_INT64, values.data()) >= 0, "HDF5: attribute ", name, " cannot be written");
}

void write_bool_attribute(hid_t object, const std::string& name, bool value) {
  // h5py's boolean: an enumeration of FALSE and TRUE over one byte.
  Handle type = type_handle(H5Tenum_create(H5T_NATIVE_INT8)), space = space_handle(H5Screate(H5S_SCALAR));
  signed char v = 0;
  H5Tenum_insert(type, "FALSE", &v);
  v = 1;
  H5Tenum_insert(type, "TRUE", &v);
  Handle a = attribute_handle(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  v = value ? 1 : 0;
  require(H5Awrite(a, type, &v) >= 0, "HDF5: attribute ", name, " cannot be written");
}

namespace {
// Without the time of writing, which HDF5 would note: the same contents are the same bytes.
Handle timeless_dataset() {
  Handle list = list_handle(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(list, false);
  return list;
}
}  // namespace

Handle write_array(hid_t where, const std::string& path, hid_t file_type, hid_t memory_type,
                   const std::vector<hsize_t>& extent, const void* data, bool deflated) {
  Handle space = extent.empty()
                     ? space_handle(H5Screate(H5S_SCALAR))
                     : space_handle(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
  Handle list = timeless_dataset();
  hsize_t count = 1;
  for (const hsize_t n : extent) count *= n;
  if (!extent.empty() && count > 1024) {
    std::vector<hsize_t> chunk = extent;
    const hsize_t row = count / std::max<hsize_t>(1, extent[0]);
    chunk[0] = std::clamp<hsize_t>(262144 / std::max<hsize_t>(1, row), 1, extent[0]);
    H5Pset_chunk(list, static_cast<int>(chunk.size()), chunk.data());
    if (deflated) {
      H5Pset_shuffle(list);
      H5Pset_deflate(list, 4);
    }
  }
  Handle d = dataset_handle(H5Dcreate2(where, path.c_str(), file_type, space, H5P_DEFAULT, list, H5P_DEFAULT));
  require(d.valid() && (count == 0 || H5Dwrite(d, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0),
          "HDF5: dataset ", path, " cannot be written");
  return d;
}

Handle write_strings(hid_t where, const std::string& path, const std::vector<std::string>& values) {
  const hsize_t n = values.size();
  Handle type = text_type(), space = space_handle(H5Screate_simple(1, &n, nullptr));
  Handle list = timeless_dataset();
  Handle d = dataset_handle(H5Dcreate2(where, path.c_str(), type, space, H5P_DEFAULT, list, H5P_DEFAULT));
  std::vector<const char*> pointers;
  for (const std::string& v : values) pointers.push_back(v.c_str());
  require(d.valid() && (n == 0 || H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()) >= 0),
          "HDF5: dataset ", path, " cannot be written");
  return d;
}

}  // namespace perturbine::hdf5
