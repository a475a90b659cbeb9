// A checkpoint file: named texts and arrays in HDF5, behind a 512-byte block that is verified before HDF5 opens it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace perturbine {

struct CheckpointContents {
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::vector<double>> doubles;
  std::map<std::string, std::vector<std::int64_t>> integers;
};

/// The block: magic `PERTURB1`, format version, length of what follows, its SHA-256. Written under a temporary name.
void write_checkpoint(const std::string& path, const CheckpointContents& contents);
/// Throws InputError if the file is not a checkpoint, newer than this program, cut short or damaged.
CheckpointContents read_checkpoint(const std::string& path);

}  // namespace perturbine
