#include "io/perturbation_features.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "io/file.h"
#include "io/gene_sets.h"
#include "kernels/core/error.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

constexpr std::size_t spectral_width = 16, table_width = 64;

std::vector<std::string> fields_of(const std::string& line, char separator) {
  std::vector<std::string> fields(1);
  for (const char c : line)
    if (c == separator)
      fields.emplace_back();
    else if (c != '\r' && c != '"')
      fields.back() += c;
  return fields;
}

// Squares of what is accepted, and their sums, are finite and not too small to divide by.
std::optional<double> number(const std::string& s) {
  double v = 0;
  const auto [end, code] = std::from_chars(s.data(), s.data() + s.size(), v);
  const bool is_one = code == std::errc{} && end == s.data() + s.size() && std::abs(v) <= 1e30;
  return is_one ? std::optional(std::abs(v) < 1e-30 ? 0 : v) : std::nullopt;
}

// Entries of a sparse matrix between names and columns (sets, or names again).
struct Sparse {
  std::map<std::string, std::size_t> names;
  std::size_t columns = 0;
  struct Entry {
    std::size_t row, column;
    double value;
  };
  std::vector<Entry> entries;
  std::size_t row(const std::string& name) { return names.emplace(name, names.size()).first->second; }
};

// Orthonormal columns of q [n, k], by modified Gram-Schmidt, twice for accuracy.
void orthonormalise(std::vector<double>& q, std::size_t n, std::size_t k) {
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t a = 0; a < k; ++a) {
      double length = 0;
      for (std::size_t b = 0; b < a; ++b) {
        double along = 0;
        for (std::size_t i = 0; i < n; ++i) along += q[i * k + a] * q[i * k + b];
        for (std::size_t i = 0; i < n; ++i) q[i * k + a] -= along * q[i * k + b];
      }
      for (std::size_t i = 0; i < n; ++i) length += q[i * k + a] * q[i * k + a];
      length = std::sqrt(std::max(length, 1e-300));
      for (std::size_t i = 0; i < n; ++i) q[i * k + a] /= length;
    }
}

PerturbationFeatures spectral(Sparse& s) {
  const std::size_t n = s.names.size(), k = std::min(spectral_width + 1, n);
  std::vector<double> row_degree(n, 0), column_degree(s.columns, 0);
  for (const auto& e : s.entries) row_degree[e.row] += e.value, column_degree[e.column] += e.value;
  for (auto& e : s.entries) e.value /= std::sqrt(row_degree[e.row] * column_degree[e.column]);
  // Subspace iteration on B B'.
  std::vector<double> q(n * k);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t a = 0; a < k; ++a) {
      float z[4];
      normal4(0x5bec, i, a, z);
      q[i * k + a] = static_cast<double>(z[0]);
    }
  std::vector<double> value(k, 1);
  for (int iteration = 0; iteration < 60; ++iteration) {
    orthonormalise(q, n, k);
    std::vector<double> across(s.columns * k, 0), next(n * k, 0);
    for (const auto& e : s.entries)
      for (std::size_t a = 0; a < k; ++a) across[e.column * k + a] += e.value * q[e.row * k + a];
    for (const auto& e : s.entries)
      for (std::size_t a = 0; a < k; ++a) next[e.row * k + a] += e.value * across[e.column * k + a];
    for (std::size_t a = 0; a < k; ++a) {
      value[a] = 0;
      for (std::size_t i = 0; i < n; ++i) value[a] += q[i * k + a] * next[i * k + a];
    }
    q = next;
  }
  orthonormalise(q, n, k);
  // By falling value; the first is constant over each connected graph.
  std::vector<std::size_t> order(k);
  for (std::size_t a = 0; a < k; ++a) order[a] = a;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return value[a] > value[b]; });
  PerturbationFeatures f;
  f.width = k - 1;
  for (const auto& [name, i] : s.names) {
    f.names.push_back(name);
    for (std::size_t a = 1; a < k; ++a)
      f.values.push_back(static_cast<float>(q[i * k + order[a]] * std::sqrt(std::max(0.0, value[order[a]])) /
                                            std::sqrt(row_degree[i])));
  }
  return f;
}

void scale_to_unit_square(PerturbationFeatures& f) {
  double square = 0;
  for (const float v : f.values) square += static_cast<double>(v) * static_cast<double>(v);
  square /= static_cast<double>(f.values.size());
  for (float& v : f.values) v = square > 0 ? static_cast<float>(static_cast<double>(v) / std::sqrt(square)) : 0;
}

// Leading directions of many columns: the spectral embedding's iteration on centred values.
void reduce(PerturbationFeatures& f) {
  const std::size_t n = f.names.size(), m = f.width, k = std::min(table_width, n);
  std::vector<double> q(m * k);
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t a = 0; a < k; ++a) {
      float z[4];
      normal4(0x7ab1e, j, a, z);
      q[j * k + a] = static_cast<double>(z[0]);
    }
  std::vector<double> y(n * k);
  for (int iteration = 0; iteration < 20; ++iteration) {
    orthonormalise(q, m, k);
    std::fill(y.begin(), y.end(), 0);
    std::vector<double> next(m * k, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t a = 0; a < k; ++a) y[i * k + a] += static_cast<double>(f.values[i * m + j]) * q[j * k + a];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t a = 0; a < k; ++a) next[j * k + a] += static_cast<double>(f.values[i * m + j]) * y[i * k + a];
    if (iteration + 1 < 20) q = next;
  }
  f.width = k;
  f.values.assign(y.begin(), y.end());
}

struct Row {
  std::size_t line;  // of the file, from 1
  std::vector<std::string> fields;
};

PerturbationFeatures read_table(const std::string& path, const std::vector<Row>& rows, std::size_t first) {
  std::map<std::string, std::vector<float>> table;
  const std::size_t width = rows[first].fields.size() - 1;
  for (std::size_t i = first; i < rows.size(); ++i) {
    const auto& [line, fields] = rows[i];
    require_input(fields.size() == width + 1, path, ", line ", line, ": has ", fields.size() - 1, " numbers where ",
                  width, " are expected");
    require_input(!fields[0].empty(), path, ", line ", line, ": the first column, a perturbation's name, is empty");
    auto& values = table[fields[0]];
    require_input(values.empty(), path, ", line ", line, ": '", fields[0], "' has a row already");
    for (std::size_t k = 1; k <= width; ++k) {
      const auto v = number(fields[k]);
      require_input(v.has_value(), path, ", line ", line, ": '", fields[k], "' is not a number (up to 1e30)");
      values.push_back(static_cast<float>(*v));
    }
  }
  PerturbationFeatures f;
  f.width = width;
  std::vector<double> mean(width, 0);
  for (const auto& [name, values] : table) {
    f.names.push_back(name);
    f.values.insert(f.values.end(), values.begin(), values.end());
    for (std::size_t k = 0; k < width; ++k)
      mean[k] += static_cast<double>(values[k]) / static_cast<double>(table.size());
  }
  for (std::size_t i = 0; i < f.values.size(); ++i) f.values[i] -= static_cast<float>(mean[i % width]);
  if (width > table_width) reduce(f);
  return f;
}

}  // namespace

PerturbationFeatures read_perturbation_features(const std::string& path) {
  PerturbationFeatures f;
  if (path.ends_with(".gmt")) {
    Sparse s;
    for (const NamedSet& set : read_gene_sets(path)) {
      for (const std::string& member : set.members) s.entries.push_back({s.row(member), s.columns, 1});
      ++s.columns;
    }
    require_input(s.names.size() >= 3, path, ": names ", s.names.size(), " genes; features need at least three");
    f = spectral(s);
  } else {
    std::vector<Row> rows;
    std::istringstream in(read_text(path));
    std::size_t number_of_line = 0;
    for (std::string line; std::getline(in, line);) {
      ++number_of_line;
      if (line.empty() || line == "\r") continue;
      rows.push_back({number_of_line, fields_of(line, line.find('\t') != std::string::npos ? '\t' : ',')});
    }
    require_input(rows.size() >= 3, path, ": has ", rows.size(), " lines; features need at least three");
    auto is_table = [](const std::vector<std::string>& r) {
      return r.size() >= 2 && std::all_of(r.begin() + 1, r.end(), [](const auto& v) { return number(v).has_value(); });
    };
    auto is_edge = [](const std::vector<std::string>& r) {
      return (r.size() == 2 || (r.size() == 3 && number(r[2]))) && !number(r[1]) && !r[0].empty() && !r[1].empty();
    };
    const auto &heading = rows[0].fields,
               &second = rows[1].fields;  // the first may be a heading, pandas' with numbers too
    require_input(is_table(second) || is_edge(second), path, ", line ", rows[1].line,
                  ": is neither a name with numbers nor an edge (source, target, weight), separated by tabs or commas; "
                  "gene sets need the ending .gmt");
    const bool table = is_table(second);
    const bool headed = table ? !is_table(heading) || heading[0].empty()
                              : !is_edge(heading) || heading.size() != second.size() || heading[0] == "source";
    const std::size_t first = headed ? 1 : 0;
    if (table) {
      f = read_table(path, rows, first);
    } else {
      Sparse s;
      for (std::size_t i = first; i < rows.size(); ++i) {
        const auto& [line, fields] = rows[i];
        require_input(is_edge(fields), path, ", line ", line, ": is not an edge (source, target, weight)");
        const double weight = fields.size() == 3 ? *number(fields[2]) : 1;
        require_input(weight > 0, path, ", line ", line, ": the weight is ", weight, " but must be above 0");
        const std::size_t a = s.row(fields[0]), b = s.row(fields[1]);
        s.entries.push_back({a, b, weight}), s.entries.push_back({b, a, weight});
      }
      require_input(s.names.size() >= 3, path, ": names ", s.names.size(), " nodes; features need at least three");
      // As much weight on the diagonal as off it keeps the spectrum from below zero.
      s.columns = s.names.size();
      std::vector<double> degree(s.columns, 0);
      for (const auto& e : s.entries) degree[e.row] += e.value;
      for (std::size_t i = 0; i < s.columns; ++i) s.entries.push_back({i, i, degree[i]});
      f = spectral(s);
    }
  }
  scale_to_unit_square(f);
  return f;
}

}  // namespace perturbine
