// Whole files: read, hash, and written so that a reader never sees half of one.
#pragma once
#include <string>
#include <vector>

namespace perturbine {

std::string read_text(const std::string& path);
/// Writes under a temporary name in the same folder, syncs, renames. On any failure the old file stays whole and the
/// temporary one is removed; throws Error that names the file.
void write_file(const std::string& path, const void* data, std::size_t bytes);
inline void write_text(const std::string& path, const std::string& contents) {
  write_file(path, contents.data(), contents.size());
}
/// SHA-256 as 64 hexadecimal digits. Source: FIPS 180-4.
std::string sha256(const void* data, std::size_t bytes);
std::string sha256_of_file(const std::string& path);

}  // namespace perturbine
