#include "io/text_heap.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>

#include "io/chunk_filters.h"
#include "io/hdf5.h"

namespace perturbine::hdf5 {
namespace {

template <class T>
T number_at(const char* bytes) {  // numbers of the format are little-endian, as is every processor this runs on
  T v;
  std::memcpy(&v, bytes, sizeof v);
  return v;
}

// A collection of objects, which references name by its address and a number.
class Heap {
 public:
  Heap(int file, std::uint64_t size, const std::string& what) : file_(file), size_(size), what_(what) {}

  std::string object(std::uint64_t address, std::uint32_t number, std::uint32_t length) {
    const Collection& c = at(address);
    const auto found = c.objects.find(number);
    check(found != c.objects.end() && length <= found->second.second);
    const char* text = c.bytes.data() + found->second.first;
    return {text, strnlen(text, length)};
  }
  void read(std::uint64_t address, char* out, std::size_t bytes) {
    check(address <= size_ && bytes <= size_ - address);
    while (bytes > 0) {
      const ssize_t n = pread(file_, out, bytes, static_cast<off_t>(address));
      check(n > 0);
      out += n, address += static_cast<std::uint64_t>(n), bytes -= static_cast<std::size_t>(n);
    }
  }
  void check(bool holds) const { require_input(holds, what_, ": the text cannot be read; the file is damaged"); }

 private:
  struct Collection {
    std::vector<char> bytes;
    std::map<std::uint32_t, std::pair<std::size_t, std::uint64_t>> objects;  // place and size, by number
  };

  const Collection& at(std::uint64_t address) {
    if (const auto found = collections_.find(address); found != collections_.end()) return found->second;
    if (collections_.size() >= 64) collections_.clear();  // names lie in order: a few collections are in use at a time
    char head[16];
    read(address, head, sizeof head);
    const auto size = number_at<std::uint64_t>(head + 8);
    check(std::memcmp(head, "GCOL\1", 5) == 0 && size >= sizeof head && size <= size_ - address);
    Collection c;
    c.bytes.resize(size);
    read(address, c.bytes.data(), size);
    for (std::size_t place = sizeof head; size - place >= 16;) {
      const auto number = number_at<std::uint16_t>(c.bytes.data() + place);
      const auto length = number_at<std::uint64_t>(c.bytes.data() + place + 8);
      if (number == 0) break;  // the free space behind the last object
      place += 16;
      check(length <= size - place);
      check(c.objects.emplace(number, std::pair{place, length}).second);
      place += std::min<std::uint64_t>((length + 7) / 8 * 8, size - place);
    }
    return collections_.emplace(address, std::move(c)).first->second;
  }

  int file_;
  std::uint64_t size_;
  const std::string& what_;
  std::map<std::uint64_t, Collection> collections_;
};

constexpr std::size_t reference_bytes = 16;  // length (4), address of the collection (8), number of the object (4)

// The references of a dataset as they were written; nothing where their form is not known here.
std::optional<std::vector<char>> references(hid_t dataset, std::size_t count, Heap& heap) {
  Handle list(H5Dget_create_plist(dataset), &H5Pclose);
  std::vector<char> bytes(count * reference_bytes);
  if (H5Pget_layout(list) == H5D_CONTIGUOUS) {
    const haddr_t address = H5Dget_offset(dataset);
    if (address == HADDR_UNDEF) return std::nullopt;
    heap.read(address, bytes.data(), bytes.size());
    return bytes;
  }
  const auto filters = known_filters(dataset);
  hsize_t chunk = 0;
  if (H5Pget_layout(list) != H5D_CHUNKED || shape(dataset).size() != 1 || H5Pget_chunk(list, 1, &chunk) != 1 ||
      !filters)
    return std::nullopt;
  heap.check(chunk > 0 && chunk <= std::max<hsize_t>(count, 1 << 20));
  const std::size_t size = chunk * reference_bytes;
  for (hsize_t first = 0; first < count; first += chunk) {
    hsize_t stored = 0;
    std::uint32_t left_out = 0;
    if (H5Dget_chunk_storage_size(dataset, &first, &stored) < 0 || stored == 0) return std::nullopt;
    heap.check(stored <= 2 * size + 1024);  // what does not compress grows by little
    std::vector<char> some(stored);
    heap.check(H5Dread_chunk(dataset, H5P_DEFAULT, &first, &left_out, some.data()) >= 0 &&
               undo_filters(*filters, left_out, reference_bytes, size, some));
    std::memcpy(bytes.data() + first * reference_bytes, some.data(),
                std::min<std::size_t>(chunk, count - first) * reference_bytes);
  }
  return bytes;
}

}  // namespace

std::optional<std::vector<std::string>> read_text_heap(hid_t dataset, std::size_t count, const std::string& what) {
  Handle file(H5Iget_file_id(dataset), &H5Fclose);
  Handle access(H5Fget_access_plist(file), &H5Pclose), creation(H5Fget_create_plist(file), &H5Pclose);
  std::size_t address_bytes = 0, length_bytes = 0;
  hsize_t user_block = 0, size = 0;
  void* descriptor = nullptr;
  const bool plain = H5Pget_driver(access) == H5FD_SEC2 && H5Pget_sizes(creation, &address_bytes, &length_bytes) >= 0 &&
                     address_bytes == 8 && length_bytes == 8 && H5Pget_userblock(creation, &user_block) >= 0 &&
                     user_block == 0 && H5Fget_filesize(file, &size) >= 0 &&
                     H5Fget_vfd_handle(file, access, &descriptor) >= 0;
  if (!plain) return std::nullopt;
  Heap heap(*static_cast<int*>(descriptor), size, what);
  const auto bytes = references(dataset, count, heap);
  if (!bytes) return std::nullopt;
  std::vector<std::string> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* reference = bytes->data() + i * reference_bytes;
    const auto length = number_at<std::uint32_t>(reference);
    const auto address = number_at<std::uint64_t>(reference + 4);
    if (length > 0 && address != 0) out[i] = heap.object(address, number_at<std::uint32_t>(reference + 12), length);
  }
  return out;
}

}  // namespace perturbine::hdf5
