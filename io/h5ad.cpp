#include "io/h5ad.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "kernels/core/joined.h"

namespace perturbine {
namespace {

std::string number_text(double v) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
  return std::isnan(v) ? "" : std::string(digits, end);
}

}  // namespace

std::string note_on_repeated_cells(const H5adDescription& d) {
  return text(d.path, ": ", d.renamed_cells, " cell(s) have a name that an earlier one has; they are read as NAME-1, ",
              "NAME-2, ...");
}

H5adFile::H5adFile(const std::string& path, const std::string& layer) : file_(hdf5::open_file(path)) {
  description_.path = path;
  for (const char* frame : {"obs", "var"})
    require_input(hdf5::kind_of(file_, frame) != hdf5::Kind::none, path, ": has no data frame '", frame,
                  "'; an .h5ad file written by anndata is expected");
  description_.cell_names = frame_index("obs");
  description_.obs_columns = frame_columns("obs");
  choose_matrix(layer);
  const std::string& matrix = description_.matrix;
  description_.gene_names = frame_index(matrix == "raw/X" ? "raw/var" : matrix == "raw.X" ? "raw.var" : "var");
  describe_matrix();
  require_input(description_.cells > 0, path, ": holds zero cells");
  require_input(description_.genes > 0, path, ": holds zero genes");
  std::set<std::string> seen;
  for (const std::string& n : description_.gene_names)
    require_input(seen.insert(n).second, path, ": the gene name '", n,
                  "' occurs twice; make names unique (anndata: var_names_make_unique)");
  number_repeated_cells();
}

// As anndata's obs_names_make_unique: joined files often name cells alike, which harms nothing.
void H5adFile::number_repeated_cells() {
  std::set<std::string> taken(description_.cell_names.begin(), description_.cell_names.end()), seen;
  if (taken.size() == description_.cell_names.size()) return;
  std::map<std::string, std::size_t> next;
  for (std::string& name : description_.cell_names) {
    if (seen.insert(name).second) continue;
    std::string other;
    do other = name + "-" + std::to_string(++next[name]);
    while (!taken.insert(other).second);
    name = other;
    ++description_.renamed_cells;
  }
}

std::vector<std::string> H5adFile::frame_index(const std::string& frame) const {
  if (hdf5::kind_of(file_, frame) == hdf5::Kind::dataset) {  // anndata 0.6: the first field
    const auto fields = frame_fields(frame);
    return field_as_text(frame, fields.front());
  }
  const auto group = hdf5::open_group(file_, frame);
  const std::string index = hdf5::text_attribute(group, "_index").value_or("_index");
  for (const std::string& candidate : {index, std::string("index")})
    if (hdf5::exists(group, candidate)) return values_as_text(frame + "/" + candidate);
  throw InputError(text(description_.path, ": ", frame, " has no index '", index, "'"));
}

std::vector<std::string> H5adFile::frame_fields(const std::string& frame) const {
  auto fields = hdf5::fields(hdf5::open_dataset(file_, frame));
  require_input(!fields.empty(), description_.path, ": ", frame, " is no data frame");
  return fields;
}

std::vector<std::string> H5adFile::frame_columns(const std::string& frame) const {
  if (hdf5::kind_of(file_, frame) == hdf5::Kind::dataset) {
    const auto fields = frame_fields(frame);
    return {fields.begin() + 1, fields.end()};
  }
  const auto group = hdf5::open_group(file_, frame);
  const std::string index = hdf5::text_attribute(group, "_index").value_or("_index");
  std::vector<std::string> names;
  for (const std::string& n : hdf5::members(group))
    if (n != index && n != "__categories") names.push_back(n);
  return names;
}

bool H5adFile::has_column(const std::string& name) const {
  return std::find(description_.obs_columns.begin(), description_.obs_columns.end(), name) !=
         description_.obs_columns.end();
}

void H5adFile::require_column(const std::string& name, const std::string& option) const {
  const auto& have = description_.obs_columns;
  require_input(has_column(name), description_.path, ": obs has no column '", name, "' (", option, "); it has ",
                have.empty() ? "none" : joined(have));
}

namespace {

std::vector<std::string> categories_of(const std::vector<std::int64_t>& codes,
                                       const std::vector<std::string>& categories, const std::string& what) {
  std::vector<std::string> out;
  out.reserve(codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    require_input(codes[i] >= -1 && codes[i] < static_cast<std::int64_t>(categories.size()), what, ": row ", i,
                  " has category ", codes[i], " of ", categories.size());
    out.push_back(codes[i] < 0 ? "" : categories[static_cast<std::size_t>(codes[i])]);
  }
  return out;
}
std::vector<std::string> as_text(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> out;
  for (const std::int64_t v : numbers) out.push_back(std::to_string(v));
  return out;
}
std::vector<std::string> as_text(const std::vector<double>& numbers) {
  std::vector<std::string> out;
  for (const double v : numbers) out.push_back(number_text(v));
  return out;
}

}  // namespace

// A column of a compound data frame; the categories of its codes stand in uns.
std::vector<std::string> H5adFile::field_as_text(const std::string& frame, const std::string& name) const {
  const std::string what = description_.path + ": " + frame + "/" + name, categories = "uns/" + name + "_categories";
  const hdf5::Field field = hdf5::read_field(hdf5::open_dataset(file_, frame), name, what);
  require_input(field.type != hdf5::Class::other, what, ": is neither text nor numbers");
  if (field.type == hdf5::Class::text) return field.text;
  if (field.type == hdf5::Class::floating) return as_text(field.doubles);
  if (frame == "obs" && hdf5::kind_of(file_, categories) == hdf5::Kind::dataset)
    return categories_of(field.integers, values_as_text(categories), what);
  return as_text(field.integers);
}

// Any one-dimensional column of a data frame, whatever its encoding, as text. Categories may be encoded themselves
// (nullable strings); links of a damaged file go in circles.
std::vector<std::string> H5adFile::values_as_text(const std::string& path, int depth) const {
  const std::string what = description_.path + ": " + path;
  require_input(depth < 4, what, ": its encoding refers to itself; the file is damaged");
  if (hdf5::kind_of(file_, path) == hdf5::Kind::group) {
    const auto group = hdf5::open_group(file_, path);
    if (hdf5::exists(group, "codes") && hdf5::exists(group, "categories"))
      return categories_of(hdf5::read_integers(hdf5::open_dataset(group, "codes"), what),
                           values_as_text(path + "/categories", depth + 1), what);
    if (hdf5::exists(group, "values") && hdf5::exists(group, "mask")) {
      auto values = values_as_text(path + "/values", depth + 1);
      const auto mask = hdf5::read_integers(hdf5::open_dataset(group, "mask"), what);
      require_input(mask.size() == values.size(), what, ": its mask has another length");
      for (std::size_t i = 0; i < mask.size(); ++i)
        if (mask[i] != 0) values[i] = "";
      return values;
    }
    throw InputError(text(what, ": its encoding '", hdf5::text_attribute(group, "encoding-type").value_or("none"),
                          "' is not known here"));
  }
  const auto dataset = hdf5::open_dataset(file_, path);
  // anndata 0.7: codes in the column, categories beside it.
  const std::size_t slash = path.rfind('/');
  const std::string legacy = path.substr(0, slash) + "/__categories/" + path.substr(slash + 1);
  if (hdf5::has_attribute(dataset, "categories") && hdf5::exists(file_, legacy))
    return categories_of(hdf5::read_integers(dataset, what), values_as_text(legacy, depth + 1), what);
  switch (hdf5::class_of(dataset)) {
    case hdf5::Class::text:
      return hdf5::read_strings(dataset, what);
    case hdf5::Class::integer:
      return as_text(hdf5::read_integers(dataset, what));
    case hdf5::Class::floating:
      return as_text(hdf5::read_doubles(dataset, what));
    default:
      throw InputError(text(what, ": is neither text nor numbers"));
  }
}

std::vector<std::string> H5adFile::text_column(const std::string& name) const {
  auto values =
      hdf5::kind_of(file_, "obs") == hdf5::Kind::dataset ? field_as_text("obs", name) : values_as_text("obs/" + name);
  require_input(values.size() == description_.cells, description_.path, ": obs/", name, " has ", values.size(),
                " rows for ", description_.cells, " cells");
  return values;
}

std::vector<double> H5adFile::number_column(const std::string& name) const {
  std::vector<double> out;
  for (const std::string& s : text_column(name)) {
    double v = 0;
    const auto [end, code] = std::from_chars(s.data(), s.data() + s.size(), v);
    require_input(code == std::errc{} && end == s.data() + s.size(), description_.path, ": obs/", name, " of cell ",
                  description_.cell_names[out.size()], " is ",
                  s.empty() ? "missing" : "'" + s + "', which is not a number");
    out.push_back(v);
  }
  return out;
}

void H5adFile::choose_matrix(const std::string& layer) {
  H5adDescription& d = description_;
  if (hdf5::kind_of(file_, "layers") == hdf5::Kind::group) d.layers = hdf5::members(hdf5::open_group(file_, "layers"));
  // raw.X: anndata 0.6.
  std::string raw;
  for (const auto& [name, genes] : {std::pair{"raw/X", "raw/var"}, {"raw.X", "raw.var"}})
    if (hdf5::kind_of(file_, name) != hdf5::Kind::none && hdf5::kind_of(file_, genes) != hdf5::Kind::none) raw = name;
  d.matrix = layer.empty() ? "X" : "layers/" + layer;
  if (hdf5::kind_of(file_, d.matrix) == hdf5::Kind::none) {
    auto have = d.layers;
    if (!raw.empty()) have.push_back("raw (" + raw + ")");
    require_input(layer == "raw" && !raw.empty(), d.path, ": ", d.matrix, " does not exist",
                  have.empty() ? "" : "; the file has the layers " + joined(have) + " (--layer NAME)");
    d.matrix = raw;
  }
  d.unread_raw = !raw.empty() && d.matrix != raw;
}

void H5adFile::describe_matrix() {
  H5adDescription& d = description_;
  const std::string what = d.path + ": " + d.matrix;
  const hdf5::Kind kind = hdf5::kind_of(file_, d.matrix);
  if (kind == hdf5::Kind::dataset) {
    d.format = H5adDescription::Format::dense;
    const auto dataset = hdf5::open_dataset(file_, d.matrix);
    const auto shape = hdf5::shape(dataset);
    require_input(shape.size() == 2, what, ": has ", shape.size(), " dimensions instead of 2");
    const auto type = hdf5::class_of(dataset);
    require_input(type == hdf5::Class::integer || type == hdf5::Class::floating, what, ": does not hold numbers");
    d.non_zeros = hdf5::element_count(dataset, what);
    d.cells = shape[0], d.genes = shape[1];
  } else {
    const auto group = hdf5::open_group(file_, d.matrix);
    const std::string encoding = hdf5::text_attribute(group, "encoding-type")
                                     .value_or(hdf5::text_attribute(group, "h5sparse_format").value_or(""));
    const bool by_columns = encoding == "csc_matrix" || encoding == "csc";
    require_input(by_columns || encoding == "csr_matrix" || encoding == "csr", what, ": is stored as '", encoding,
                  "'; CSR, CSC or a dense matrix is read (anndata: adata.X = scipy.sparse.csr_matrix(adata.X))");
    if (by_columns) d.format = H5adDescription::Format::csc;
    for (const char* member : {"data", "indices", "indptr"})
      require_input(hdf5::kind_of(group, member) == hdf5::Kind::dataset, what, "/", member, " does not exist");
    auto shape = hdf5::integer_attribute(group, "shape");
    if (shape.empty()) shape = hdf5::integer_attribute(group, "h5sparse_shape");
    require_input(shape.size() == 2 && shape[0] >= 0 && shape[1] >= 0, what,
                  ": its shape attribute is missing or wrong");
    d.cells = static_cast<std::size_t>(shape[0]), d.genes = static_cast<std::size_t>(shape[1]);
    const std::size_t lines = by_columns ? d.genes : d.cells;
    const char *line = by_columns ? "column" : "row", *names = by_columns ? "genes" : "cells";
    const auto indptr = hdf5::open_dataset(group, "indptr");
    const std::size_t offsets = hdf5::element_count(indptr, what + "/indptr");
    require_input(offsets == lines + 1, what, "/indptr: has ", offsets, " elements for ", lines, " ", names, "; ",
                  lines + 1, " are needed");
    offsets_ = hdf5::read_integers(indptr, what + "/indptr");
    d.non_zeros = hdf5::element_count(hdf5::open_dataset(group, "data"), what + "/data");
    const std::size_t indices = hdf5::element_count(hdf5::open_dataset(group, "indices"), what + "/indices");
    require_input(indices == d.non_zeros, what, ": data has ", d.non_zeros, " elements but indices has ", indices);
    require_input(offsets_[0] == 0, what, "/indptr: begins with ", offsets_[0], " instead of 0");
    for (std::size_t i = 0; i < lines; ++i)
      require_input(offsets_[i] <= offsets_[i + 1], what, "/indptr: falls at ", line, " ", i);
    require_input(offsets_[lines] == static_cast<std::int64_t>(d.non_zeros), what, "/indptr: ends with ",
                  offsets_[lines], " for ", d.non_zeros, " stored elements");
  }
  require_input(d.cell_names.size() == d.cells, what, ": has ", d.cells, " rows but obs names ", d.cell_names.size(),
                " cells");
  require_input(d.gene_names.size() == d.genes, what, ": has ", d.genes, " columns but var names ", d.gene_names.size(),
                " genes");
}

namespace {

// Numbers of the second axis and values of the stored elements [begin, begin + count) of a sparse matrix.
struct Stored {
  std::vector<std::int64_t> index;
  std::vector<float> value;
};
Stored read_stored(hid_t group, std::size_t begin, std::size_t count, const std::string& what) {
  Stored s{std::vector<std::int64_t>(count), std::vector<float>(count)};
  hdf5::read_slice(hdf5::open_dataset(group, "indices"), begin, count, H5T_NATIVE_INT64, s.index.data(),
                   what + "/indices");
  hdf5::read_slice(hdf5::open_dataset(group, "data"), begin, count, H5T_NATIVE_FLOAT, s.value.data(), what + "/data");
  return s;
}

}  // namespace

CsrMatrix H5adFile::rows_of_columns() const {
  const H5adDescription& d = description_;
  const std::string what = d.path + ": " + d.matrix;
  const auto group = hdf5::open_group(file_, d.matrix);
  constexpr std::size_t block = std::size_t{1} << 22;
  CsrMatrix m;
  m.rows = d.cells, m.columns = d.genes;
  m.row_offsets.assign(d.cells + 1, 0);
  // Once to count the elements of every row, once to put them there: columns come in order, and so do a row's.
  std::vector<std::int64_t> place;
  for (const bool counting : {true, false}) {
    std::size_t column = 0;
    for (std::size_t begin = 0; begin < d.non_zeros; begin += block) {
      const Stored s = read_stored(group, begin, std::min(block, d.non_zeros - begin), what);
      for (std::size_t k = 0; k < s.index.size(); ++k) {
        while (static_cast<std::size_t>(offsets_[column + 1]) <= begin + k) ++column;
        require_input(s.index[k] >= 0 && s.index[k] < static_cast<std::int64_t>(d.cells), what, "/indices: column ",
                      column, " has row ", s.index[k], " of ", d.cells);
        const auto row = static_cast<std::size_t>(s.index[k]);
        if (counting) {
          ++m.row_offsets[row + 1];
          continue;
        }
        const auto to = static_cast<std::size_t>(place[row]++);
        m.column_index[to] = static_cast<std::int32_t>(column), m.values[to] = s.value[k];
      }
    }
    if (!counting) break;
    for (std::size_t i = 0; i < d.cells; ++i) m.row_offsets[i + 1] += m.row_offsets[i];
    place = m.row_offsets;
    m.column_index.resize(d.non_zeros), m.values.resize(d.non_zeros);
  }
  return m;
}

CsrMatrix H5adFile::read_rows(std::size_t first, std::size_t count) const {
  const H5adDescription& d = description_;
  const std::string what = d.path + ": " + d.matrix;
  require(first + count <= d.cells, what, ": rows ", first, " to ", first + count, " of ", d.cells);
  CsrMatrix m;
  m.rows = count, m.columns = d.genes;
  m.row_offsets.assign(1, 0);
  auto add = [&](std::size_t row, std::size_t column, float v) {
    require_input(std::isfinite(v), what, ": cell ", d.cell_names[row], ", gene ", d.gene_names[column], " is ", v);
    if (v == 0) return;
    m.column_index.push_back(static_cast<std::int32_t>(column));
    m.values.push_back(v);
  };
  if (d.format == H5adDescription::Format::dense) {
    std::vector<float> rows(count * d.genes);
    hdf5::read_rows(hdf5::open_dataset(file_, d.matrix), first, count, d.genes, rows.data(), what);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < d.genes; ++j) add(first + i, j, rows[i * d.genes + j]);
      m.row_offsets.push_back(static_cast<std::int64_t>(m.values.size()));
    }
    return m;
  }
  if (d.format == H5adDescription::Format::csc && !rows_) rows_ = rows_of_columns();
  const std::vector<std::int64_t>& offsets = rows_ ? rows_->row_offsets : offsets_;
  const auto begin = static_cast<std::size_t>(offsets[first]), end = static_cast<std::size_t>(offsets[first + count]);
  const auto slice = [&](const auto& of) {
    return std::vector(of.begin() + static_cast<std::ptrdiff_t>(begin), of.begin() + static_cast<std::ptrdiff_t>(end));
  };
  Stored s;
  if (rows_) {
    const auto columns = slice(rows_->column_index);
    s = {{columns.begin(), columns.end()}, slice(rows_->values)};
  } else {
    s = read_stored(hdf5::open_group(file_, d.matrix), begin, end - begin, what);
  }
  std::vector<std::pair<std::int64_t, float>> row;
  for (std::size_t i = 0; i < count; ++i) {
    row.clear();
    for (auto k = static_cast<std::size_t>(offsets[first + i]) - begin;
         k < static_cast<std::size_t>(offsets[first + i + 1]) - begin; ++k) {
      require_input(s.index[k] >= 0 && s.index[k] < static_cast<std::int64_t>(d.genes), what, "/indices: row ",
                    first + i, " has column ", s.index[k], " of ", d.genes);
      row.emplace_back(s.index[k], s.value[k]);
    }
    // scipy leaves columns in any order, after a selection of genes for example.
    const auto earlier = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (!std::is_sorted(row.begin(), row.end(), earlier)) std::sort(row.begin(), row.end(), earlier);
    for (std::size_t k = 0; k < row.size(); ++k) {
      require_input(k == 0 || row[k].first != row[k - 1].first, what, "/indices: row ", first + i, " has column ",
                    row[k].first, " twice (scipy: X.sum_duplicates())");
      add(first + i, static_cast<std::size_t>(row[k].first), row[k].second);
    }
    m.row_offsets.push_back(static_cast<std::int64_t>(m.values.size()));
  }
  return m;
}

}  // namespace perturbine
