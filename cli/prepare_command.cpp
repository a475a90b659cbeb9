// prepare: any AnnData files in one normal form.
#include <filesystem>

#include "cli/command.h"
#include "cli/reading.h"
#include "io/prepare.h"
#include "kernels/core/joined.h"

namespace perturbine::cli {

void add_prepare(CLI::App& app, Common& common, std::function<void()>& action) {
  struct Options {
    PrepareOptions prepare;
    std::string out;
    bool force = false;
  };
  auto o = std::make_shared<Options>();
  PrepareOptions& p = o->prepare;
  app.add_option("data", p.paths, "AnnData files (.h5ad) of counts")->required();
  app.add_option("--out", o->out, "file to write (.h5ad)")->required();
  app.add_option("--condition-column", p.columns.condition_column, "column of obs with the perturbations")
      ->capture_default_str();
  add_column_options(app, p.columns);
  app.add_option(
      "--dose-column", p.dose_column,
      "column with the dose: a number, or one for each part joined by +; conditions become A:WEIGHT, weight 1 "
      "being the largest dose of A");
  app.add_option("--leave-out", p.leave_out, "label whose cells are left out (may be given several times)");
  app.add_option("--min-counts", p.min_counts, "least counts of a cell")->capture_default_str();
  app.add_option("--min-genes", p.min_genes, "least genes that a cell has counts of")->capture_default_str();
  app.add_option("--max-mitochondrial", p.max_mitochondrial, "largest share of a cell's counts in genes named MT-...")
      ->capture_default_str();
  app.add_option("--min-cells", p.min_cells, "least cells of a condition")->capture_default_str();
  app.add_option("--cells-per-condition", p.cells_per_condition,
                 "most cells of a condition in a cell type, drawn by --seed (0: all)")
      ->capture_default_str();
  app.add_option("--genes", p.genes, "keep the most variable genes, by the variance of Pearson residuals (0: all)")
      ->capture_default_str();
  app.add_option("--min-gene-cells", p.min_gene_cells, "least selecting cells that have counts of a gene")
      ->capture_default_str();
  app.add_option("--gene-list", p.gene_list, "keep genes of this file only (one name a line)");
  app.add_flag("--keep-targets", p.keep_targets, "keep genes that perturbations are named after, selected or not");
  app.add_option("--split", p.split, "its training cells select genes; without it control cells do");
  app.add_flag("--force", o->force, "replace an existing file");
  action = [o, &common] {
    for (const std::string& path : o->prepare.paths) {
      std::error_code code;
      require_input(!std::filesystem::equivalent(path, o->out, code) || code, o->out,
                    ": is read and written; choose another --out");
    }
    claim_output(o->out, o->force);
    o->prepare.columns.memory_megabytes = common.memory;
    o->prepare.seed = common.seed;
    const H5adContents contents = [&] {
      const Reading reading(joined(o->prepare.paths));
      return prepare(o->prepare, sayer(common));
    }();
    write_h5ad(o->out, contents);
    print_result(common, "prepare", o->out,
                 {{"cells", contents.cell_names.size()}, {"genes", contents.gene_names.size()}});
  };
}

}  // namespace perturbine::cli
