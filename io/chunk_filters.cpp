#include "io/chunk_filters.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "io/hdf5.h"

namespace perturbine::hdf5 {
namespace {

constexpr H5Z_filter_t lzf = 32000, zstandard = 32015;
constexpr std::size_t largest_chunk = std::size_t{1} << 32;

// LibLZF's format: a byte below 32 and as many bytes plus one; else three bits of length (seven: more in the next byte)
// and thirteen of distance. Returns the bytes written, 0 where input and output do not fit.
std::size_t decode_lzf(const unsigned char* in, std::size_t stored, unsigned char* out, std::size_t size) {
  const unsigned char* const end = in + stored;
  std::size_t written = 0;
  while (in < end) {
    const unsigned control = *in++;
    if (control < 32) {
      const std::size_t count = control + 1;
      if (count > static_cast<std::size_t>(end - in) || count > size - written) return 0;
      std::memcpy(out + written, in, count);
      in += count, written += count;
      continue;
    }
    std::size_t count = control >> 5;
    if (count == 7) {
      if (in == end) return 0;
      count += *in++;
    }
    if (in == end) return 0;
    const std::size_t distance = (control & 31) * 256 + *in++ + 1;
    count += 2;
    if (distance > written || count > size - written) return 0;
    for (std::size_t k = 0; k < count; ++k, ++written) out[written] = out[written - distance];  // may overlap
  }
  return written;
}

// HDF5's interface of a filter (H5Z_func_t); h5py notes a chunk's bytes in the third value.
std::size_t lzf_filter(unsigned flags, std::size_t count, const unsigned values[], std::size_t stored,
                       std::size_t* buffer_size, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;  // not compressed: the filter is optional
  std::size_t size = count >= 3 && values[2] != 0 ? values[2] : *buffer_size;
  for (; size <= largest_chunk; size *= 2) {
    void* const out = H5allocate_memory(size, false);
    if (out == nullptr) return 0;
    const std::size_t written =
        decode_lzf(static_cast<const unsigned char*>(*buffer), stored, static_cast<unsigned char*>(out), size);
    if (written != 0) {
      H5free_memory(*buffer);
      *buffer = out, *buffer_size = size;
      return written;
    }
    H5free_memory(out);
    if (count >= 3 && values[2] != 0) return 0;  // damaged: its size is known
  }
  return 0;
}

// The same for a chunk that is one frame of Zstandard, which states how much it holds (RFC 8878, 3.1.1.1.4).
std::size_t zstandard_filter(unsigned flags, std::size_t, const unsigned[], std::size_t stored,
                             std::size_t* buffer_size, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  const unsigned long long size = ZSTD_getFrameContentSize(*buffer, stored);
  if (size == 0 || size > largest_chunk) return 0;  // above it are the values for "not stated" and "no frame"
  void* const out = H5allocate_memory(size, false);
  if (out == nullptr) return 0;
  if (ZSTD_decompress(out, size, *buffer, stored) != size) {
    H5free_memory(out);
    return 0;
  }
  H5free_memory(*buffer);
  *buffer = out, *buffer_size = size;
  return size;
}

std::vector<H5Z_filter_t> filters_of(hid_t dataset) {
  Handle list(H5Dget_create_plist(dataset), &H5Pclose);
  std::vector<H5Z_filter_t> filters;
  const int count = H5Pget_layout(list) == H5D_CHUNKED ? H5Pget_nfilters(list) : 0;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    filters.push_back(H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr));
  }
  return filters;
}

}  // namespace

void register_filters() {
  const H5Z_class2_t filters[] = {
      {H5Z_CLASS_T_VERS, lzf, 1, 1, "lzf", nullptr, nullptr, &lzf_filter},
      {H5Z_CLASS_T_VERS, zstandard, 1, 1, "Zstandard", nullptr, nullptr, &zstandard_filter}};
  for (const auto& filter : filters) H5Zregister(&filter);
}

std::size_t largest_expansion(hid_t dataset) {
  // Of one byte repeated: gzip writes 258 in two bits, Zstandard a block of 128 KiB in four bytes.
  const auto filters = filters_of(dataset);
  return std::find(filters.begin(), filters.end(), zstandard) == filters.end() ? 1032 : 32768;
}

std::optional<std::vector<H5Z_filter_t>> known_filters(hid_t dataset) {
  auto filters = filters_of(dataset);
  for (const H5Z_filter_t f : filters)
    if (f != H5Z_FILTER_SHUFFLE && f != H5Z_FILTER_DEFLATE && f != lzf && f != zstandard) return std::nullopt;
  return filters;
}

bool undo_filters(const std::vector<H5Z_filter_t>& filters, unsigned left_out, std::size_t element_bytes,
                  std::size_t size, std::vector<char>& bytes) {
  std::vector<char> out(size);
  for (std::size_t i = filters.size(); i-- > 0;) {
    if ((left_out >> i & 1) != 0) continue;
    if (filters[i] == H5Z_FILTER_SHUFFLE) {  // the first bytes of all elements, then the second bytes, ...
      if (bytes.size() != size || size % element_bytes != 0) return false;
      const std::size_t elements = size / element_bytes;
      for (std::size_t k = 0; k < size; ++k) out[k] = bytes[k % element_bytes * elements + k / element_bytes];
    } else if (filters[i] == H5Z_FILTER_DEFLATE) {
      uLongf written = size;
      if (uncompress(reinterpret_cast<Bytef*>(out.data()), &written, reinterpret_cast<const Bytef*>(bytes.data()),
                     bytes.size()) != Z_OK ||
          written != size)
        return false;
    } else if (filters[i] == zstandard) {
      if (ZSTD_decompress(out.data(), size, bytes.data(), bytes.size()) != size) return false;
    } else if (decode_lzf(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                          reinterpret_cast<unsigned char*>(out.data()), size) != size) {
      return false;
    }
    bytes = out;
  }
  return bytes.size() == size;
}

std::string unknown_filter(hid_t dataset) {
  constexpr std::pair<H5Z_filter_t, const char*> names[] = {
      {32001, "Blosc"}, {32004, "LZ4"}, {32008, "bitshuffle"}, {32013, "ZFP"}, {32026, "Blosc2"}};
  for (const H5Z_filter_t f : filters_of(dataset)) {
    if (H5Zfilter_avail(f) > 0) continue;
    const auto* const known =
        std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.first == f; });
    return (known == std::end(names) ? std::string("a filter") : std::string(known->second)) + " (HDF5 filter " +
           std::to_string(f) + ")";
  }
  return "";
}

}  // namespace perturbine::hdf5
