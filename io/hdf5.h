// HDF5 with RAII and exceptions: every status is checked, nothing is printed, no filter code is loaded from outside.
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace perturbine::hdf5 {

/// Owns one HDF5 identifier.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(other.id_), close_(other.close_) { other.id_ = -1; }
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// Opens for reading; throws InputError that says what the file is not.
Handle open_file(const std::string& path);
/// A new file in memory; see image().
Handle create_in_memory();
/// The bytes of a file in memory.
std::vector<char> image(hid_t file);
/// A file in memory from its bytes.
Handle open_image(const std::vector<char>& bytes, const std::string& name);

bool exists(hid_t where, const std::string& path);
enum class Kind { none, group, dataset };
Kind kind_of(hid_t where, const std::string& path);
std::vector<std::string> members(hid_t group);

Handle open_group(hid_t where, const std::string& path);
Handle open_dataset(hid_t where, const std::string& path);
std::vector<hsize_t> shape(hid_t dataset);
/// Number of elements of a dataset; checked against the largest size a file may promise.
std::size_t element_count(hid_t dataset, const std::string& what);

enum class Class { integer, floating, text, compound, reference, other };
Class class_of(hid_t dataset);

std::vector<double> read_doubles(hid_t dataset, const std::string& what);
std::vector<std::int64_t> read_integers(hid_t dataset, const std::string& what);
std::vector<std::string> read_strings(hid_t dataset, const std::string& what);
/// Names of a compound dataset's fields, in order; empty for any other dataset.
std::vector<std::string> fields(hid_t dataset);
/// One field of all elements of a compound dataset; of the three lists that of its class is filled.
struct Field {
  Class type = Class::other;
  std::vector<std::string> text;
  std::vector<std::int64_t> integers;
  std::vector<double> doubles;
};
Field read_field(hid_t dataset, const std::string& name, const std::string& what);
/// Elements [first, first + count) of a one-dimensional dataset.
void read_slice(hid_t dataset, hsize_t first, hsize_t count, hid_t memory_type, void* out, const std::string& what);
/// Rows [first, first + count) of a two-dimensional dataset as float.
void read_rows(hid_t dataset, hsize_t first, hsize_t count, hsize_t columns, float* out, const std::string& what);

std::optional<std::string> text_attribute(hid_t object, const std::string& name);
std::vector<std::int64_t> integer_attribute(hid_t object, const std::string& name);
bool has_attribute(hid_t object, const std::string& name);

Handle create_group(hid_t where, const std::string& path);
void write_text_attribute(hid_t object, const std::string& name, const std::string& value);
void write_text_list_attribute(hid_t object, const std::string& name, const std::vector<std::string>& values);
void write_integer_list_attribute(hid_t object, const std::string& name, const std::vector<std::int64_t>& values);
void write_bool_attribute(hid_t object, const std::string& name, bool value);
/// Chunked where larger than a page, and then also shuffled and deflated if so wanted.
Handle write_array(hid_t where, const std::string& path, hid_t file_type, hid_t memory_type,
                   const std::vector<hsize_t>& shape, const void* data, bool deflated = true);
Handle write_strings(hid_t where, const std::string& path, const std::vector<std::string>& values);

}  // namespace perturbine::hdf5
