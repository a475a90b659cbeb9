#include "io/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "io/file.h"
#include "io/hdf5.h"

namespace perturbine {
namespace {
constexpr std::size_t block_bytes = 512;
constexpr std::uint32_t format_version = 8;
constexpr char magic[9] = "PERTURB1";

// Cells, which are mostly zeros, become a fraction of their size. Trained numbers do not, and take a second to show it.
bool worth_deflating(const std::vector<float>& v) { return std::count(v.begin(), v.end(), 0.0f) * 4 > std::ssize(v); }
}  // namespace

void write_checkpoint(const std::string& path, const CheckpointContents& c) {
  std::vector<char> body;
  {
    const auto file = hdf5::create_in_memory();
    auto group = [&](const char* name) { return hdf5::create_group(file, name); };
    {
      const auto g = group("texts");
      for (const auto& [name, value] : c.texts) hdf5::write_strings(g, name, {value});
      const auto l = group("lists");
      for (const auto& [name, value] : c.lists) hdf5::write_strings(l, name, value);
      const auto f = group("floats");
      for (const auto& [name, v] : c.floats)
        hdf5::write_array(f, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {v.size()}, v.data(), worth_deflating(v));
      const auto d = group("doubles");
      for (const auto& [name, v] : c.doubles)
        hdf5::write_array(d, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {v.size()}, v.data());
      const auto i = group("integers");
      for (const auto& [name, v] : c.integers)
        hdf5::write_array(i, name, H5T_STD_I64LE, H5T_NATIVE_INT64, {v.size()}, v.data());
    }
    body = hdf5::image(file);
  }
  std::vector<char> all(block_bytes, 0);
  const std::uint64_t length = body.size();
  const std::string hash = sha256(body.data(), body.size());
  std::memcpy(all.data(), magic, 8);
  std::memcpy(all.data() + 8, &format_version, 4);
  std::memcpy(all.data() + 16, &length, 8);
  std::memcpy(all.data() + 32, hash.data(), 64);
  all.insert(all.end(), body.begin(), body.end());
  write_file(path, all.data(), all.size());
}

CheckpointContents read_checkpoint(const std::string& path) {
  const std::string all = read_text(path);
  require_input(all.size() > block_bytes && std::memcmp(all.data(), magic, 8) == 0, path,
                ": is not a checkpoint of this program");
  std::uint32_t version;
  std::uint64_t length;
  std::memcpy(&version, all.data() + 8, 4);
  std::memcpy(&length, all.data() + 16, 8);
  require_input(version <= format_version, path, ": was written by a newer version of this program (format ", version,
                ", this one reads ", format_version, ")");
  require_input(version == format_version, path, ": was written by an older version of this program (format ", version,
                ", this one reads ", format_version, "); train again");
  require_input(all.size() - block_bytes == length, path, ": is cut short: ", all.size() - block_bytes, " of ", length,
                " bytes are there");
  require_input(sha256(all.data() + block_bytes, length) == all.substr(32, 64), path,
                ": is damaged: its checksum does not match its contents");
  const auto file = hdf5::open_image({all.begin() + block_bytes, all.end()}, path);
  CheckpointContents c;
  auto each = [&](const char* group, auto&& read) {
    const auto g = hdf5::open_group(file, group);
    for (const std::string& name : hdf5::members(g)) read(name, hdf5::open_dataset(g, name));
  };
  each("texts", [&](const std::string& n, const hdf5::Handle& d) { c.texts[n] = hdf5::read_strings(d, n).at(0); });
  each("lists", [&](const std::string& n, const hdf5::Handle& d) { c.lists[n] = hdf5::read_strings(d, n); });
  each("floats", [&](const std::string& n, const hdf5::Handle& d) {
    auto& v = c.floats[n];
    v.resize(hdf5::element_count(d, n));
    hdf5::read_slice(d, 0, v.size(), H5T_NATIVE_FLOAT, v.data(), n);
  });
  each("doubles", [&](const std::string& n, const hdf5::Handle& d) { c.doubles[n] = hdf5::read_doubles(d, n); });
  each("integers", [&](const std::string& n, const hdf5::Handle& d) { c.integers[n] = hdf5::read_integers(d, n); });
  return c;
}

}  // namespace perturbine
