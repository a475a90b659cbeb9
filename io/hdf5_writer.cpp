// Writing HDF5; io/hdf5.h has what each function does.
#include <algorithm>

#include "io/hdf5.h"

namespace perturbine::hdf5 {
namespace {

Handle type_handle(hid_t id) { return {id, &H5Tclose}; }
Handle space_handle(hid_t id) { return {id, &H5Sclose}; }
Handle attribute_handle(hid_t id) { return {id, &H5Aclose}; }

Handle text_type() {
  Handle t = type_handle(H5Tcopy(H5T_C_S1));
  H5Tset_size(t, H5T_VARIABLE);
  H5Tset_cset(t, H5T_CSET_UTF8);
  return t;
}

// Without the time of writing, which HDF5 would note: the same contents are the same bytes.
Handle timeless_dataset() {
  Handle list(H5Pcreate(H5P_DATASET_CREATE), &H5Pclose);
  H5Pset_obj_track_times(list, false);
  return list;
}

}  // namespace

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
  Handle d(H5Dcreate2(where, path.c_str(), file_type, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
  require(d.valid() && (count == 0 || H5Dwrite(d, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0),
          "HDF5: dataset ", path, " cannot be written");
  return d;
}

Handle write_strings(hid_t where, const std::string& path, const std::vector<std::string>& values) {
  const hsize_t n = values.size();
  Handle type = text_type(), space = space_handle(H5Screate_simple(1, &n, nullptr));
  Handle list = timeless_dataset();
  Handle d(H5Dcreate2(where, path.c_str(), type, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
  std::vector<const char*> pointers;
  for (const std::string& v : values) pointers.push_back(v.c_str());
  require(d.valid() && (n == 0 || H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()) >= 0),
          "HDF5: dataset ", path, " cannot be written");
  return d;
}

}  // namespace perturbine::hdf5
