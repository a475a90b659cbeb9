// Files that are compressed in any way h5py knows, and files that lie about themselves.
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <functional>
#include <map>

#include "io/chunk_filters.h"
#include "io/dataset.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using hdf5::Handle;
using testing_files::complaint;
using testing_files::folder;
using testing_files::SmallFile;

std::string write_image(const Handle& file, const std::string& name) {
  const auto bytes = hdf5::image(file);
  std::string path = folder() + "/" + name;
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

// LibLZF's format, with references to the repetitions that a hash of three bytes finds.
std::vector<unsigned char> lzf(const std::vector<unsigned char>& in) {
  std::vector<unsigned char> out, literals;
  std::map<std::string, std::size_t> seen;
  const auto flush = [&] {
    for (std::size_t i = 0; i < literals.size(); i += 32) {
      const std::size_t n = std::min<std::size_t>(32, literals.size() - i);
      out.push_back(static_cast<unsigned char>(n - 1));
      out.insert(out.end(), literals.begin() + static_cast<std::ptrdiff_t>(i),
                 literals.begin() + static_cast<std::ptrdiff_t>(i + n));
    }
    literals.clear();
  };
  for (std::size_t i = 0; i < in.size();) {
    std::size_t length = 0, from = 0;
    if (i + 3 <= in.size()) {
      const std::string key(in.begin() + static_cast<std::ptrdiff_t>(i),
                            in.begin() + static_cast<std::ptrdiff_t>(i + 3));
      if (const auto found = seen.find(key); found != seen.end() && i - found->second <= 8192) {
        from = found->second;
        while (i + length < in.size() && in[from + length] == in[i + length] && length < 264) ++length;
      }
      seen[key] = i;
    }
    if (length < 3) {
      literals.push_back(in[i++]);
      continue;
    }
    flush();
    const std::size_t distance = i - from - 1, code = length - 2;
    out.push_back(static_cast<unsigned char>(std::min<std::size_t>(7, code) << 5 | distance >> 8));
    if (code >= 7) out.push_back(static_cast<unsigned char>(code - 7));
    out.push_back(static_cast<unsigned char>(distance & 255));
    i += length;
  }
  flush();
  return out;
}

Handle chunked(hsize_t chunk) {
  Handle list(H5Pcreate(H5P_DATASET_CREATE), &H5Pclose);
  H5Pset_chunk(list, 1, &chunk);
  return list;
}

TEST(ChunkFilters, LzfAndZstandardAreReadAndTheirDamageIsNoticed) {
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 700; ++i) numbers.push_back(i % 90 < 60 ? i / 100 : i * 7919);
  std::vector<unsigned char> bytes(2800);
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  std::vector<unsigned char> frame(ZSTD_compressBound(bytes.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 3));
  const std::map<H5Z_filter_t, std::vector<unsigned char>> all_packed{{32000, lzf(bytes)}, {32015, frame}};
  for (const auto& of_filter : all_packed) {
    const H5Z_filter_t filter = of_filter.first;
    const std::vector<unsigned char>& packed = of_filter.second;
    SCOPED_TRACE(filter);
    ASSERT_LT(packed.size(), bytes.size() - 100);
    const auto file_of = [&](std::size_t length, std::size_t values) {
      const auto file = hdf5::create_in_memory();
      const Handle list = chunked(700);
      const unsigned noted[] = {4, 261, 2800};  // h5py notes the size with LZF
      H5Pset_filter(list, filter, H5Z_FLAG_OPTIONAL, values, noted);
      const hsize_t n = 700, first = 0;
      const Handle space(H5Screate_simple(1, &n, nullptr), &H5Sclose);
      {
        const Handle data(H5Dcreate2(file, "numbers", H5T_STD_I32LE, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
        EXPECT_GE(H5Dwrite_chunk(data, H5P_DEFAULT, 0, &first, length, packed.data()), 0);
      }
      return hdf5::open_file(write_image(file, "packed.h5"));
    };
    for (const std::size_t values : {3, 0}) {
      const auto file = file_of(packed.size(), values);
      EXPECT_EQ(std::vector<std::int64_t>(numbers.begin(), numbers.end()),
                hdf5::read_integers(hdf5::open_dataset(file, "numbers"), "numbers"));
    }
    const auto file = file_of(packed.size() / 2, 3);
    EXPECT_SAYS(complaint([&] { hdf5::read_integers(hdf5::open_dataset(file, "numbers"), "f.h5: numbers"); }),
                "f.h5: numbers: cannot be read; the file is damaged");
    const std::vector<H5Z_filter_t> filters{filter};
    for (std::size_t length = 0; length <= packed.size(); ++length) {
      std::vector<char> cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_EQ(hdf5::undo_filters(filters, 0, 4, bytes.size(), cut), length == packed.size()) << length;
    }
  }
  const std::vector<H5Z_filter_t> filters{32000};
  std::vector<char> before_the_start{0, 'a', 0x20, 1};  // a byte, then three from two before it
  EXPECT_FALSE(hdf5::undo_filters(filters, 0, 1, 4, before_the_start));
}

TEST(ChunkFilters, OneThatIsNotKnownIsNamed) {
  const auto file = hdf5::create_in_memory();
  const H5Z_class2_t none{
      H5Z_CLASS_T_VERS,
      32008,
      1,
      1,
      "as it is",
      nullptr,
      nullptr,
      [](unsigned, std::size_t, const unsigned*, std::size_t n, std::size_t*, void**) { return n; }};
  H5Zregister(&none);
  {
    const Handle list = chunked(4);
    H5Pset_filter(list, 32008, 0, 0, nullptr);
    const hsize_t n = 4;
    const double values[] = {1, 2, 3, 4};
    const Handle space(H5Screate_simple(1, &n, nullptr), &H5Sclose),
        data(H5Dcreate2(file, "numbers", H5T_IEEE_F64LE, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
    ASSERT_GE(H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
  }
  const auto again = hdf5::open_file(write_image(file, "bitshuffle.h5"));
  H5Zunregister(32008);
  const auto dataset = hdf5::open_dataset(again, "numbers");
  EXPECT_SAYS(complaint([&] { hdf5::read_doubles(dataset, "f.h5ad: numbers"); }),
              "f.h5ad: numbers: is compressed by bitshuffle (HDF5 filter 32008), which is not read here");
}

// Names in every layout, long enough for several collections, read by us from disk and by HDF5 from memory.
TEST(TextHeap, ReadsWhatHdf5Reads) {
  std::vector<std::string> names;
  for (int i = 0; i < 3001; ++i)
    names.push_back(i % 7 == 0 ? "" : std::string(static_cast<std::size_t>(i % 40), 'n') + std::to_string(i));
  names[5] = std::string(70000, 'x');
  std::vector<const char*> pointers;
  for (const auto& n : names) pointers.push_back(n.c_str());
  pointers[14] = nullptr;
  for (int form = 0; form < 5; ++form) {
    const auto file = hdf5::create_in_memory();
    const hsize_t n = names.size();
    {
      const Handle list = form == 0 ? Handle(H5Pcreate(H5P_DATASET_CREATE), &H5Pclose) : chunked(1000);
      if (form == 2 || form == 4) H5Pset_shuffle(list);
      if (form >= 3) H5Pset_deflate(list, 4);
      const Handle type(H5Tcopy(H5T_C_S1), &H5Tclose), space(H5Screate_simple(1, &n, nullptr), &H5Sclose);
      H5Tset_size(type, H5T_VARIABLE);
      const Handle data(H5Dcreate2(file, "names", type, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
      ASSERT_GE(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()), 0);
    }
    const auto on_disk = hdf5::open_file(write_image(file, "names.h5"));
    const auto ours = hdf5::read_strings(hdf5::open_dataset(on_disk, "names"), "names"),
               theirs = hdf5::read_strings(hdf5::open_dataset(file, "names"), "names");
    EXPECT_EQ(ours, theirs) << form;
    EXPECT_EQ(ours, names) << form;
  }
}

// Every byte of a collection and of the references changed in turn: refused, or other text, and no more.
TEST(TextHeap, ADamagedHeapIsRefused) {
  const auto file = hdf5::create_in_memory();
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) names.push_back("cell" + std::to_string(i * i * i));
  hdf5::write_strings(file, "names", names);
  const std::string path = write_image(file, "heap.h5"), good = read_text(path);
  const std::size_t heap = good.find("GCOL");
  const std::string address(reinterpret_cast<const char*>(&heap), sizeof heap);
  const std::size_t references = good.find(address) - 4;
  ASSERT_TRUE(heap != std::string::npos && references < good.size());
  std::size_t refused = 0, other = 0, unchanged = 0;
  for (const auto& [begin, size] : {std::pair{heap, std::size_t{320}}, {references, std::size_t{12 * 16}}})
    for (std::size_t k = 0; k < size; ++k)
      for (const int value : {0, 1, 17, 255}) {
        std::string bad = good;
        bad[begin + k] = static_cast<char>(value);
        std::ofstream(path, std::ios::binary) << bad;
        const auto opened = hdf5::open_file(path);
        const auto data = hdf5::open_dataset(opened, "names");
        std::vector<std::string> read;
        const bool is_refused = !complaint([&] { read = hdf5::read_strings(data, "names"); }).empty();
        ++(is_refused ? refused : read == names ? unchanged : other);
      }
  EXPECT_GT(refused, 600U);  // of 2048
  EXPECT_GT(other, 200U);
  EXPECT_GT(unchanged, 200U);
}

// A file that is right but for one object, which `spoil` changes.
std::string spoiled(const std::function<void(const Handle& file)>& spoil) {
  const std::string good = read_text(SmallFile().write("good.h5ad"));
  Handle access(H5Pcreate(H5P_FILE_ACCESS), &H5Pclose);
  H5Pset_fapl_core(access, 1 << 16, false);
  H5Pset_file_image(access, const_cast<char*>(good.data()), good.size());
  const Handle file(H5Fopen("a good file in memory", H5F_ACC_RDWR, access), &H5Fclose);
  spoil(file);
  DataOptions o;
  o.path = write_image(file, "spoiled.h5ad");
  return complaint([&] { read_dataset(o); });
}

TEST(BadFiles, LinksInCirclesEnd) {
  EXPECT_SAYS(spoiled([](const Handle& file) {
                H5Ldelete(file, "obs/condition", H5P_DEFAULT);
                const auto group = hdf5::create_group(file, "obs/condition");
                const std::int64_t codes[12] = {};
                hdf5::write_array(group, "codes", H5T_STD_I8LE, H5T_NATIVE_INT64, {12}, codes);
                H5Lcreate_hard(file, "obs/condition", group, "categories", H5P_DEFAULT, H5P_DEFAULT);
              }),
              "refers to itself");
}

TEST(BadFiles, PromisesNeedBytesBehindThem) {
  const auto huge = [](const char* place, hsize_t n) {
    return spoiled([&](const Handle& file) {
      H5Ldelete(file, place, H5P_DEFAULT);
      const Handle list = chunked(16), space(H5Screate_simple(1, &n, nullptr), &H5Sclose),
                   data(H5Dcreate2(file, place, H5T_STD_I64LE, space, H5P_DEFAULT, list, H5P_DEFAULT), &H5Dclose);
    });
  };
  EXPECT_SAYS(huge("X/indices", hsize_t{1} << 32), "X/indices: promises 4294967296 elements in 0 bytes");
  EXPECT_SAYS(huge("obs/condition", hsize_t{1} << 40), "promises more than");
}

TEST(BadFiles, AnObjectThatCannotBeOpenedIsNamedWithItsFile) {
  EXPECT_SAYS(spoiled([](const Handle& file) {
                H5Ldelete(file, "var", H5P_DEFAULT);
                const hsize_t n = 3;
                const Handle space(H5Screate_simple(1, &n, nullptr), &H5Sclose),
                    data(H5Dcreate2(file, "var", H5T_STD_I8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         &H5Dclose);
              }),
              "spoiled.h5ad: var is no data frame");
}

}  // namespace
}  // namespace perturbine
