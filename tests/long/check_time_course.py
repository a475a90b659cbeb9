"""Cells of day 10.5 between those of days 10 and 11: our displacement interpolation against the same formula written in
numpy, with exact optimal transport (POT) and with the published couplings of these very cells.

check_time_course.py PROGRAM FOLDER_OF_DATA SPLIT OUT

Prints the distance of the mean of log1p expression to the observed one, and the energy distance of 400 cells in 50
principal components of all cells; our mean must be within 3 % of the one by exact transport.
"""
import json
import subprocess
import sys

import anndata
import numpy as np
import ot
from scipy.spatial.distance import cdist

program, folder, split, out = sys.argv[1:]
path = f"{folder}/schiebinger2019_reprogramming_1479g.h5ad"
cells = anndata.read_h5ad(path)
counts = np.asarray(cells.X.todense(), dtype=np.float64)
size = counts.sum(1)
expression = np.log1p(1e4 * counts / size[:, None])
day = {t: np.flatnonzero(cells.obs["time"] == t) for t in (10.0, 10.5, 11.0)}

centred = expression - expression.mean(0)
axes = np.linalg.svd(centred, full_matrices=False)[2][:50]
position = centred @ axes.T
real = position[day[10.5]]
observed_mean = expression[day[10.5]].mean(0)


def energy_distance(x, y):
    n, m = len(x), len(y)
    within = lambda z, k: cdist(z, z).sum() / (k * (k - 1))
    return 2 * cdist(x, y).mean() - within(x, n) - within(y, m)


def displaced(plan, pairs, random):
    """log1p expression of cells half way between pairs drawn from a plan by their mass. The published plan's rows carry
    growth, and its columns are even: by mass is how its authors interpolate (Schiebinger et al., Cell 176 (2019) 928)."""
    drawn = random.choice(plan.size, size=pairs, p=plan.ravel() / plan.sum())
    first, second = drawn // plan.shape[1], drawn % plan.shape[1]
    a, b = day[10.0][first], day[11.0][second]
    made = random.binomial(counts[a].astype(int), 0.5) + random.binomial(counts[b].astype(int), 0.5)
    return np.log1p(1e4 * made / (0.5 * size[a] + 0.5 * size[b])[:, None])


def row(name, plan):
    random = np.random.default_rng(1)
    mean = displaced(plan, 4000, random).mean(0)
    energies = [
        energy_distance((displaced(plan, 400, random) - expression.mean(0)) @ axes.T, real) for _ in range(6)
    ]
    l2 = np.linalg.norm(mean - observed_mean)
    print(f"  {name:28s} L2 {l2:.3f}   energy distance {np.mean(energies):.3f}")
    return l2


# The exact plan, between cells about their own day's mean in 50 components, as ours is.
about = position.copy()
for members in day.values():
    about[members] -= about[members].mean(0)
cost = cdist(about[day[10.0]], about[day[11.0]], "sqeuclidean")
exact = ot.emd(np.full(len(cost), 1 / len(cost)), np.full(cost.shape[1], 1 / cost.shape[1]), cost)
published = np.load(f"{folder}/schiebinger2019_wot_transport_maps.npz")["tmap_10_11"].astype(np.float64)

by_exact = row("exact transport (POT)", exact)
row("published couplings", published)
subprocess.run(
    [program, "benchmark", "--quiet", "--force", "--data", path, "--control", "day10", "--cell-type-column", "none",
     "--split", split, "--models", "time-mixture,backbone,flow", "--seeds", "1,2,3", "--steps", "100", "--out", out],
    check=True, stdout=subprocess.DEVNULL)
summary = {(s["model"], s["metric"]): s["mean"] for s in json.load(open(f"{out}/metrics.json"))["summary"]}
for model in ("time-mixture", "flow"):
    print(f"  {model:28s} L2 {summary[model, 'l2']:.3f}   energy distance {summary[model, 'energy_distance']:.3f}")
assert abs(summary["flow", "l2"] / by_exact - 1) < 0.03, "the mean between times is not that of optimal transport"
assert summary["flow", "l2"] < summary["time-mixture", "l2"], "displacement is no better than the mixture"
print("time course: 2 checks passed")
