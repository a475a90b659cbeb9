"""anndata opens what the program writes, and the program reads what anndata writes."""
import json
import subprocess
import sys
from pathlib import Path

import anndata
import hdf5plugin
import numpy as np
import pandas as pd
import scipy.sparse as sp

program, out = sys.argv[1], Path(sys.argv[2])


def run(*arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


# Ours, opened by anndata.
ours = out / "round_trip.h5ad"
run("simulate", "--quiet", "--force", "--genes", "80", "--cells", "20", "--out", str(ours))
a = anndata.read_h5ad(ours)
assert sp.issparse(a.X) and a.X.min() >= 0 and a.n_vars == 80, a
assert a.obs["condition"].dtype == "category" and "control" in set(a.obs["condition"])
assert np.isfinite(a.obs["library_size"]).all()
assert a.uns["perturbine"]["truth_mean"].shape[1] == 80

# anndata's, read by us: CSR, CSC, dense, a layer, raw, categories, strings,
# compressed.
rng = np.random.default_rng(0)
counts = rng.poisson(1.0, (60, 30)).astype(np.float32)
counts[:, 0] += 1
obs = pd.DataFrame({"condition": np.repeat(["control", "A+ctrl", "B"], 20)}, index=[f"cell{i}" for i in range(60)])
var = pd.DataFrame(index=[f"gene{i}" for i in range(30)])
seen = []
for name, matrix, layer, category in [
    ("csr", sp.csr_matrix(counts), None, True),
    ("dense", counts, None, True),
    ("strings", sp.csr_matrix(counts), None, False),
    ("csc", sp.csc_matrix(counts), None, True),
    ("raw", np.log1p(counts), "raw", True),
    ("integers", sp.csr_matrix(counts.astype(np.int64)), None, True),
    ("layer", np.log1p(counts), "counts", True),
    ("gzip", sp.csr_matrix(counts), None, True),
    ("lzf", sp.csr_matrix(counts), None, False),
    ("zstd", sp.csr_matrix(counts), None, False),
]:
    frame = obs.copy()
    if category:
        frame["condition"] = frame["condition"].astype("category")
    theirs = anndata.AnnData(matrix, obs=frame, var=var)
    if layer == "raw":
        theirs.raw = anndata.AnnData(sp.csr_matrix(counts), var=var)
    elif layer:
        theirs.layers[layer] = sp.csr_matrix(counts)
    path = out / f"anndata_{name}.h5ad"
    zstd = hdf5plugin.FILTERS["zstd"]
    theirs.write_h5ad(path, compression={"gzip": "gzip", "lzf": "lzf", "zstd": zstd}.get(name))
    report = json.loads(run("inspect", str(path), "--json", "--quiet", *(["--layer", layer] if layer else [])))
    seen.append((report["cells"], report["genes"], round(report["non_zero_share"], 9), tuple(report["conditions"].items())))
assert len(set(seen)) == 1, seen
assert seen[0][0] == 60 and dict(seen[0][3]) == {"control": 20, "A": 20, "B": 20}, seen[0]
print("anndata", anndata.__version__, "round trip: ok")
