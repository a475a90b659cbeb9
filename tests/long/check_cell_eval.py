"""Our metrics against cell-eval (Arc Institute) on the same cells: what both define alike.

Usage: check_cell_eval.py PERTURBINE FOLDER (needs anndata and cell-eval; makes its own files in FOLDER).
Generated cells are given without stated means, so that both judge the mean of the cells; both see the real control
cells. cell-eval leaves a perturbation's own gene out of the discrimination score: names of simulated perturbations are
no genes.
"""
import json
import subprocess
import sys

import anndata
import numpy as np
from cell_eval._types import PerturbationAnndataPair
from cell_eval.metrics import _anndata as theirs

program, folder = sys.argv[1], sys.argv[2]
data, split, run, made = (f"{folder}/cell_eval_{n}" for n in ("sim.h5ad", "split.json", "run", "cells.h5ad"))


def perturbine(*arguments):
    subprocess.run([program, *arguments, "--quiet", "--force"], check=True, stdout=subprocess.DEVNULL)


perturbine("simulate", "--out", data, "--genes", "200", "--cells", "60")
perturbine("split", data, "--kind", "doubles", "--fraction", ".5", "--out", split)
perturbine("train", "--data", data, "--split", split, "--model", "diffusion", "--steps", "50", "--hidden", "32", "--out", run)
conditions = json.load(open(split))["test"]


def log1p(file):
    x = np.asarray(file.X.todense() if hasattr(file.X, "todense") else file.X, dtype=np.float64)
    return np.log1p(10000 * x / file.obs["library_size"].to_numpy()[:, None]).astype(np.float32)


parts = []
for c in conditions:
    perturbine("predict", "--run", run, "--condition", c, "--cells", "100", "--out", made)
    cells = anndata.read_h5ad(made)
    parts.append(anndata.AnnData(cells.X, obs={"condition": [c] * cells.n_obs, "library_size": cells.obs["library_size"].to_numpy()},
                                 var=cells.var[[]]))
generated = anndata.concat(parts)
generated.obs_names_make_unique()
generated.write_h5ad(made)
perturbine("evaluate", "--real", data, "--predicted", made, "--split", split, "--predicted-expression", "counts",
           "--out", f"{folder}/cell_eval_scores")
ours = {(r["condition"], r["metric"]): r["value"]
        for r in json.load(open(f"{folder}/cell_eval_scores/metrics.json"))["rows"]}

real = anndata.read_h5ad(data)
real.obs["condition"] = real.obs["condition"].astype(str)
real = real[real.obs["condition"].isin(["control", *conditions])].copy()
both = []
for a in (real, anndata.concat([generated, real[real.obs["condition"] == "control"]])):
    b = anndata.AnnData(log1p(a), obs={"condition": a.obs["condition"].astype(str).to_numpy()}, var=a.var[[]])
    both.append(b)
pair = PerturbationAnndataPair(real=both[0], pred=both[1], pert_col="condition", control_pert="control")

wanted = {"pearson_delta": theirs.pearson_delta(pair), "mse": theirs.mse(pair), "mae": theirs.mae(pair),
          "pds_l1": theirs.discrimination_score(pair, metric="l1")}
failures = checked = 0
for name, values in wanted.items():
    for c in conditions:
        checked += 1
        got, want = ours[c, name], float(values[c])
        if not abs(got - want) <= 1e-5 * abs(want) + 1e-6:
            failures += 1
            print(f"{name} of {c}: ours {got:.8g}, cell-eval {want:.8g}")
print(f"metrics against cell-eval: {checked - failures} of {checked} agree")
sys.exit(1 if failures or len(conditions) < 4 else 0)
