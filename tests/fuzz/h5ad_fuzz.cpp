// AnnData files that are nearly right: a good one, of any form, is changed as the input says (objects left out,
// replaced, linked to others; attributes, shapes, types and values changed) and read. Structure rather than bytes,
// because damaged bytes end in the HDF5 library, which is not ours to mend. What is accepted keeps every promise of a
// data set.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>

#include "io/cell_table.h"
#include "io/dataset.h"
#include "io/hdf5.h"
#include "tests/fuzz/fuzzer.h"

using namespace perturbine;

namespace {

constexpr const char* places[] = {"X",
                                  "X/data",
                                  "X/indices",
                                  "X/indptr",
                                  "layers",
                                  "layers/raw",
                                  "layers/counts",
                                  "raw",
                                  "raw/X",
                                  "raw/X/data",
                                  "raw/X/indices",
                                  "raw/X/indptr",
                                  "raw/var",
                                  "raw.X",
                                  "raw.var",
                                  "obs",
                                  "obs/_index",
                                  "obs/index",
                                  "obs/condition",
                                  "obs/condition/codes",
                                  "obs/batch",
                                  "obs/cell_type",
                                  "obs/condition/categories",
                                  "obs/condition/mask",
                                  "obs/time",
                                  "obs/library_size",
                                  "obs/__categories",
                                  "obs/condition/values",
                                  "var",
                                  "var/_index",
                                  "obs/__categories/condition",
                                  "uns/condition_categories"};
constexpr const char* attributes[] = {"_index",     "encoding-type",   "shape",
                                      "categories", "h5sparse_format", "h5sparse_shape"};
constexpr const char* words[] = {"csr_matrix", "csc_matrix", "array", "condition", "_index", "categorical", "",   "csr",
                                 "A+B",        "A",          "ctrl",  "B_A",       "../X",   "A:0.5",       "nan"};

class Writer {
 public:
  Writer(FuzzedDataProvider& in, hid_t file) : in_(in), file_(file), links_(H5Pcreate(H5P_LINK_CREATE)) {
    H5Pset_create_intermediate_group(links_, 1);
  }
  ~Writer() { H5Pclose(links_); }

  void good_file() {
    const bool frames_of_old = in_.ConsumeBool();
    const std::string matrix = in_.PickValueInArray({"X", "raw/X", "layers/counts"});
    sparse_or_dense(matrix);
    if (frames_of_old) {
      struct Cell {
        char name[4], condition[8];
        std::int64_t batch;
      } cells[6];
      for (int i = 0; i < 6; ++i) {
        cells[i] = {{'c', static_cast<char>('0' + i)}, {}, i % 2};
        std::snprintf(cells[i].condition, sizeof cells[i].condition, "%s", i < 2 ? "ctrl" : i < 4 ? "A" : "B");
      }
      const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(Cell)), name = H5Tcopy(H5T_C_S1), label = H5Tcopy(H5T_C_S1);
      H5Tset_size(name, 4), H5Tset_size(label, 8);
      H5Tinsert(type, "index", HOFFSET(Cell, name), name),
          H5Tinsert(type, "condition", HOFFSET(Cell, condition), label);
      H5Tinsert(type, "batch", HOFFSET(Cell, batch), H5T_NATIVE_INT64);
      array("obs", type, {6}, cells);
      H5Tclose(label), H5Tclose(name), H5Tclose(type);
    } else {
      texts("obs/_index", {"c0", "c1", "c2", "c3", "c4", "c5"});
      const std::int64_t codes[] = {0, 0, 1, 1, 2, 2};
      const double depth[] = {10, 20, 30, 40, 50, 60};
      if (in_.ConsumeBool()) {
        array("obs/condition/codes", H5T_NATIVE_INT64, {6}, codes);
        texts("obs/condition/categories", {"control", "A", "B"});
      } else {
        texts("obs/condition", {"control", "control", "A", "A", "B", "B"});
      }
      texts("obs/cell_type", {"T", "U", "T", "U", "T", "U"});
      array("obs/library_size", H5T_NATIVE_DOUBLE, {6}, depth);
    }
    texts("var/_index", {"g0", "g1", "g2", "g3"});
    if (matrix == "raw/X") texts("raw/var/_index", {"g0", "g1", "g2", "g3"});
  }

  void spoil() {
    const std::string place = in_.PickValueInArray(places);
    const int how = in_.ConsumeIntegralInRange(0, 12);
    if (how > 7) return one_value(place);
    if (how > 6) return attribute(place);
    const std::string other = in_.PickValueInArray(places);
    const hid_t linked = how == 4 ? H5Oopen(file_, other.c_str(), H5P_DEFAULT) : -1;
    H5Ldelete(file_, place.c_str(), H5P_DEFAULT);
    switch (how) {
      case 0:
      case 1:
        any_array(place);
        break;
      case 2:
        close(H5Gcreate2(file_, place.c_str(), links_, H5P_DEFAULT, H5P_DEFAULT), &H5Gclose);
        break;
      case 3:
        texts(place, std::vector<std::string>(size(), in_.PickValueInArray(words)));
        break;
      case 4:  // another name of an object, in a circle perhaps
        H5Olink(linked, file_, place.c_str(), links_, H5P_DEFAULT);
        break;
      case 5:
        H5Lcreate_soft(other.c_str(), file_, place.c_str(), links_, H5P_DEFAULT);
        break;
      case 6:  // an object within itself
        H5Lcreate_hard(file_, place.substr(0, place.rfind('/')).c_str(), file_, place.c_str(), links_, H5P_DEFAULT);
        break;
      default:
        break;
    }
    close(linked, &H5Oclose);
  }

 private:
  static void close(hid_t id, herr_t (*by)(hid_t)) {
    if (id >= 0) by(id);
  }
  std::size_t size() { return in_.PickValueInArray<std::size_t>({0, 1, 2, 4, 5, 6, 7, 12}); }

  void array(const std::string& place, hid_t type, const std::vector<hsize_t>& shape, const void* data) {
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t d = H5Dcreate2(file_, place.c_str(), type, space, links_, H5P_DEFAULT, H5P_DEFAULT);
    if (d >= 0) H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    close(d, &H5Dclose), close(space, &H5Sclose);
  }
  void texts(const std::string& place, const std::vector<std::string>& values) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    std::vector<const char*> pointers;
    for (const std::string& v : values) pointers.push_back(v.c_str());
    array(place, type, {values.size()}, pointers.data());
    H5Tclose(type);
  }
  void sparse_or_dense(const std::string& place) {
    const std::int64_t indices[] = {0, 2, 1, 3, 0, 1, 2, 3, 2, 0}, by_rows[] = {0, 2, 4, 5, 8, 9, 10},
                       by_columns[] = {0, 3, 5, 8, 10}, rows[] = {0, 2, 4, 1, 5, 0, 2, 3, 4, 5}, shape[] = {6, 4};
    const double data[] = {1, 2, 3, 1, 1, 4, 1, 7, 1, 1};
    const int form = in_.ConsumeIntegralInRange(0, 2);
    if (form == 0) {
      double dense[24] = {};
      for (int i = 0; i < 24; i += 3) dense[i] = i % 5;
      array(place, H5T_NATIVE_DOUBLE, {6, 4}, dense);
      return;
    }
    array(place + "/data", H5T_NATIVE_DOUBLE, {10}, data);
    array(place + "/indices", H5T_NATIVE_INT64, {10}, form == 1 ? indices : rows);
    form == 1 ? array(place + "/indptr", H5T_NATIVE_INT64, {7}, by_rows)
              : array(place + "/indptr", H5T_NATIVE_INT64, {5}, by_columns);
    const hid_t group = H5Gopen2(file_, place.c_str(), H5P_DEFAULT);
    if (group < 0) return;
    hdf5::write_text_attribute(group, "encoding-type", form == 1 ? "csr_matrix" : "csc_matrix");
    hdf5::write_integer_list_attribute(group, "shape", {shape[0], shape[1]});
    H5Gclose(group);
  }

  // One number of an array that is there becomes another.
  void one_value(const std::string& place) {
    const hid_t d = H5Dopen2(file_, place.c_str(), H5P_DEFAULT);
    if (d < 0) return;
    const auto shape = hdf5::shape(d);
    if (!shape.empty() && shape[0] > 0 && shape[0] < 1000) {  // HDF5 crashes where nothing stands behind a promise
      const std::vector<hsize_t> one(shape.size(), 1);
      std::vector<hsize_t> at(shape.size(), 0);
      at[0] = in_.ConsumeIntegralInRange<hsize_t>(0, std::min<hsize_t>(shape[0], 16) - 1);
      const double value =
          in_.PickValueInArray({-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0, 11.0, 0.5, 1e6, 1e18, 1e300,
                                static_cast<double>(INFINITY), static_cast<double>(NAN)});
      const hid_t space = H5Dget_space(d), memory = H5Screate_simple(static_cast<int>(one.size()), one.data(), nullptr);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, at.data(), nullptr, one.data(), nullptr);
      H5Dwrite(d, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &value);
      H5Sclose(memory), H5Sclose(space);
    }
    H5Dclose(d);
  }

  // Of any type and shape; of promised sizes that nothing stands behind, too.
  void any_array(const std::string& place) {
    std::vector<hsize_t> shape;
    for (int left = in_.ConsumeIntegralInRange(0, 3); left > 0; --left) shape.push_back(size());
    const bool huge = !shape.empty() && in_.ConsumeIntegralInRange(0, 15) == 0;
    const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (huge) {
      for (hsize_t& n : shape) n = hsize_t{1} << in_.ConsumeIntegralInRange(20, 62);
      const std::vector<hsize_t> chunk(shape.size(), 16);
      H5Pset_chunk(list, static_cast<int>(chunk.size()), chunk.data());
    }
    hsize_t count = 1;
    for (const hsize_t n : shape) count *= n;
    hid_t type = H5Tcopy(
        in_.PickValueInArray({H5T_NATIVE_INT8, H5T_NATIVE_UINT64, H5T_NATIVE_INT32, H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE,
                              H5T_IEEE_F64BE, H5T_C_S1, H5T_STD_REF_OBJ, H5T_NATIVE_OPAQUE, H5T_NATIVE_B16}));
    std::size_t width = H5Tget_size(type);
    const int of = in_.ConsumeIntegralInRange(0, 9);
    if (of < 4) {
      const hid_t element = type;
      const hsize_t three = 3;
      type = of == 0   ? H5Tarray_create2(element, 1, &three)
             : of == 1 ? H5Tcreate(H5T_COMPOUND, width + 8)
             : of == 2 ? H5Tenum_create(H5T_NATIVE_INT16)
                       : H5Tenum_create(H5T_NATIVE_INT8);
      if (of == 1) {
        H5Tinsert(type, "index", 0, element);
        H5Tinsert(type, "condition", width, H5T_NATIVE_INT64);
      } else if (of > 1) {
        const std::int16_t zero = 0, one = of == 2 ? 1 : 257;
        H5Tenum_insert(type, "FALSE", &zero), H5Tenum_insert(type, "TRUE", &one);
      }
      H5Tclose(element);
      width = H5Tget_size(type);
    }
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t d = H5Dcreate2(file_, place.c_str(), type, space, links_, list, H5P_DEFAULT);
    if (d >= 0 && !huge) {
      std::string bytes;  // small whole numbers, as codes and offsets are, or anything
      if (in_.ConsumeBool()) {
        bytes = in_.ConsumeBytesAsString(count * width);
      } else {
        for (hsize_t i = 0; i < count; ++i) {
          bytes += static_cast<char>(in_.ConsumeIntegralInRange(0, 12));
          bytes.append(width - 1, '\0');
        }
      }
      bytes.resize(count * width);
      H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
    }
    close(d, &H5Dclose), close(space, &H5Sclose), close(type, &H5Tclose), close(list, &H5Pclose);
  }

  void attribute(const std::string& place) {
    const hid_t object = H5Oopen(file_, place.c_str(), H5P_DEFAULT);
    if (object < 0) return;
    const std::string name = in_.PickValueInArray(attributes);
    H5Adelete(object, name.c_str());
    const int form = in_.ConsumeIntegralInRange(0, 3);
    if (form == 1) hdf5::write_text_attribute(object, name, in_.PickValueInArray(words));
    if (form == 2) {
      std::vector<std::int64_t> numbers(in_.ConsumeIntegralInRange<std::size_t>(1, 3));
      for (auto& v : numbers)
        v = in_.ConsumeBool() ? in_.ConsumeIntegralInRange<std::int64_t>(-1, 8) : in_.ConsumeIntegral<std::int64_t>();
      hdf5::write_integer_list_attribute(object, name, numbers);
    }
    if (form == 3) hdf5::write_text_list_attribute(object, name, std::vector<std::string>(size() + 1, "csr_matrix"));
    H5Oclose(object);
  }

  FuzzedDataProvider& in_;
  hid_t file_, links_;
};

void check(const CsrMatrix& m) {
  fuzzing::promise(m.row_offsets.size() == m.rows + 1 && m.column_index.size() == m.values.size() &&
                       static_cast<std::size_t>(m.row_offsets.back()) == m.values.size(),
                   "a matrix is whole");
  for (std::size_t i = 0; i < m.rows; ++i)
    for (auto k = static_cast<std::size_t>(m.row_offsets[i]); k < static_cast<std::size_t>(m.row_offsets[i + 1]); ++k)
      fuzzing::promise(
          std::isfinite(m.values[k]) && m.values[k] >= 0 && m.column_index[k] >= 0 &&
              static_cast<std::size_t>(m.column_index[k]) < m.columns &&
              (k == static_cast<std::size_t>(m.row_offsets[i]) || m.column_index[k - 1] < m.column_index[k]),
          "values are counts and columns rise within the matrix");
}

void check(const Dataset& d) {
  check(d.counts);
  const std::size_t n = d.cells();
  fuzzing::promise(d.cell_names.size() == n && d.condition.size() == n && d.cell_type.size() == n &&
                       d.batch.size() == n && d.context.size() == n && d.library_size.size() == n,
                   "every cell has its labels");
  fuzzing::promise(d.gene_names.size() == d.genes() && d.labels.size() == d.conditions.size(), "names are whole");
  for (std::size_t i = 0; i < n; ++i)
    fuzzing::promise(static_cast<std::size_t>(d.condition[i]) < d.labels.size() &&
                         static_cast<std::size_t>(d.context[i]) < d.contexts.size() &&
                         static_cast<std::size_t>(d.cell_type[i]) < d.cell_types.size() &&
                         static_cast<std::size_t>(d.batch[i]) < d.batches.size() && std::isfinite(d.library_size[i]) &&
                         d.library_size[i] > 0,
                     "labels are numbers of names");
}

}  // namespace

// HDF5 keeps what it frees: half a megabyte of each file's cache, which would be fetched from the system each time.
extern "C" int LLVMFuzzerInitialize(int*, char***) { return H5set_free_list_limits(-1, -1, -1, -1, -1, -1); }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  const int way = in.ConsumeIntegralInRange(0, 2);
  PrepareOptions prepare;
  DataOptions& o = prepare.columns;
  o.layer = in.PickValueInArray({"", "", "raw", "counts"});
  o.expression = in.PickValueInArray({"", "counts", "log1p"});
  o.generated = in.ConsumeBool(), o.given_cells = in.ConsumeBool();
  o.batch = in.PickValueInArray({"ignore", "covariate"});
  {
    const auto file = hdf5::create_in_memory();
    Writer writer(in, file);
    writer.good_file();
    for (int left = in.ConsumeIntegralInRange(0, 6); left > 0; --left) writer.spoil();
    const std::vector<char> bytes = hdf5::image(file);
    o.path = fuzzing::file_with("cells.h5ad", bytes.data(), bytes.size());
  }
  switch (way) {
    case 0:
      fuzzing::accepted([&] { check(read_dataset(o)); });
      break;
    case 1:
      fuzzing::accepted([&] { check(read_cells(prepare, o.path, [](const std::string&) {}).counts); });
      break;
    default:
      fuzzing::accepted([&] {
        const H5adFile file(o.path, o.layer);
        for (const std::string& name : file.description().obs_columns)
          fuzzing::accepted([&] {
            fuzzing::promise(file.text_column(name).size() == file.description().cells, "a column has a value a cell");
          });
      });
  }
  return 0;
}
