"""Our metrics against independent implementations: SciPy, scikit-learn and POT, on the same cells.

Usage: check_metrics.py PERTURBINE FOLDER (needs anndata, scipy, scikit-learn and POT; makes its own files in FOLDER).
"""
import json
import subprocess
import sys

import anndata
import numpy as np
import ot
from scipy.spatial.distance import cdist
from scipy.stats import false_discovery_control, mannwhitneyu, pearsonr, wasserstein_distance
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, mean_absolute_error, mean_squared_error, r2_score
from sklearn.neighbors import NearestNeighbors

program, folder = sys.argv[1], sys.argv[2]
data, split, run, made = (f"{folder}/check_{n}" for n in ("sim.h5ad", "split.json", "run", "cells.h5ad"))


def perturbine(*arguments):
    subprocess.run([program, *arguments, "--quiet", "--force"], check=True, stdout=subprocess.DEVNULL)


perturbine("simulate", "--out", data, "--genes", "300", "--cells", "80")
perturbine("split", data, "--kind", "doubles", "--out", split)
perturbine("train", "--data", data, "--split", split, "--model", "causal-vae", "--steps", "100", "--out", run)
condition = json.load(open(split))["test"][0]
perturbine("predict", "--run", run, "--condition", condition, "--cells", "400", "--out", made)
perturbine("evaluate", "--real", data, "--predicted", made, "--split", split, "--predicted-expression", "counts",
           "--out", f"{folder}/check_scores")
ours = {r["metric"]: r["value"] for r in json.load(open(f"{folder}/check_scores/metrics.json"))["rows"]
        if r["condition"] == condition}


def log1p(file):
    a = anndata.read_h5ad(file)
    x = np.asarray(a.X.todense() if hasattr(a.X, "todense") else a.X, dtype=np.float64)
    return np.log1p(10000 * x / a.obs["library_size"].to_numpy()[:, None]).astype(np.float32), a


everything, real_file = log1p(data)
generated, made_file = log1p(made)
labels = real_file.obs["condition"].astype(str).to_numpy()
real, control = everything[labels == condition], everything[labels == "control"]
n, m = len(real), len(generated)
assert n <= 400 and m == 400, (n, m)
some = control[[i * len(control) // min(400, len(control)) for i in range(min(400, len(control)))]]
mean, control_mean = real.mean(0, dtype=np.float64), control.mean(0, dtype=np.float64)
predicted = np.asarray(made_file.uns["perturbine"]["predicted_mean"], dtype=np.float64).reshape(-1)
truth, change = mean - control_mean, predicted - control_mean

wanted = {
    "mse": mean_squared_error(mean, predicted),
    "rmse": mean_squared_error(mean, predicted) ** .5,
    "mae": mean_absolute_error(mean, predicted),
    "l2": np.linalg.norm(mean - predicted),
    "r2_delta": r2_score(truth, change),
    "pearson_delta": pearsonr(change, truth)[0],
    "wasserstein1": np.mean([wasserstein_distance(generated[:, g], real[:, g]) for g in range(real.shape[1])]),
    "variance_ratio": generated.var(0).sum() / real.var(0).sum(),
    "zero_fraction_error": np.abs((generated == 0).mean(0) - (real == 0).mean(0)).mean(),
}

# Principal components of all real cells (ours: an even sample of 6,000 where there are more).
assert len(everything) <= 6000
pca = PCA(50, svd_solver="full").fit(everything.astype(np.float64))
x, y = pca.transform(generated.astype(np.float64)), pca.transform(real.astype(np.float64))


def mean_over_pairs(a, b, same, kernel):
    k = kernel(cdist(a, b))
    return (k.sum() - (np.trace(k) if same else 0)) / (len(a) * (len(b) - (1 if same else 0)))


def energy(a, b):
    d = lambda u, v, same: mean_over_pairs(u, v, same, lambda z: z)
    return 2 * d(a, b, False) - d(a, a, True) - d(b, b, True)


wanted["energy_distance"] = energy(x, y)
wanted["energy_score"] = cdist(x, y).mean() - mean_over_pairs(x, x, True, lambda z: z) / 2
square = lambda z: z ** 2
wanted["energy_distance_squared"] = (2 * mean_over_pairs(x, y, False, square) - mean_over_pairs(x, x, True, square)
                                     - mean_over_pairs(y, y, True, square))
rbf = lambda z: np.mean([np.exp(-g * z ** 2) for g in (2, 1, .5, .1, .01, .005)], axis=0)
wanted["rbf_mmd"] = (mean_over_pairs(x[:, :10], x[:, :10], True, rbf) + mean_over_pairs(y[:, :10], y[:, :10], True, rbf)
                     - 2 * mean_over_pairs(x[:, :10], y[:, :10], False, rbf))
size = min(n, m)
pool = np.vstack([x[:size], y[:size]])
nearest = NearestNeighbors(n_neighbors=21).fit(pool).kneighbors(x[:size], return_distance=False)
wanted["knn_mixing"] = np.mean([(row[row != i][:20] >= size).mean() for i, row in enumerate(nearest)])

# Sinkhorn divergence: the value of the dual, by POT's potentials.
epsilon = .2 * y.var(0).sum()


def transport(a, b):
    u, v = np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b))
    _, log = ot.sinkhorn(u, v, cdist(a, b) ** 2, epsilon, method="sinkhorn_log", numItermax=5000, stopThr=1e-10, log=True)
    return epsilon * (u @ np.asarray(log["log_u"]) + v @ np.asarray(log["log_v"])) - epsilon * (
        u @ np.log(u) + v @ np.log(v))


wanted["sinkhorn_divergence"] = transport(x, y) - transport(x, x) / 2 - transport(y, y) / 2

# Differential expression: the rank-sum test, false discovery rates, average precision.


def differential(cells):
    p = np.ones(cells.shape[1])
    z = np.zeros(cells.shape[1])
    for g in range(cells.shape[1]):
        if np.ptp(np.concatenate([cells[:, g], some[:, g]])) == 0:
            continue
        test = mannwhitneyu(cells[:, g], some[:, g], use_continuity=False, alternative="two-sided", method="asymptotic")
        p[g] = test.pvalue
        z[g] = -np.log(max(test.pvalue, 1e-300))
    return false_discovery_control(p) < .05, z


significant, _ = differential(real)
found, strength = differential(generated[[i * m // n for i in range(n)]])
assert significant.any()
wanted["de_recall"] = (found & significant).sum() / significant.sum()
wanted["de_pr_auc"] = average_precision_score(significant, strength)
fold = lambda v: np.log2(np.expm1(v) + .1) - np.log2(np.expm1(control_mean) + .1)
top = np.argsort(-np.abs(fold(predicted)), kind="stable")[:significant.sum()]
wanted["de_overlap"] = significant[top].mean()
wanted["de_direction"] = (fold(predicted) * fold(mean) > 0)[significant].mean()

# Ours work in float: distances to 1e-5 of their parts, which are larger than the distances themselves.
scale = {"energy_distance": cdist(x, y).mean(), "energy_distance_squared": (cdist(x, y) ** 2).mean(), "rbf_mmd": 1,
         "sinkhorn_divergence": (cdist(x, y) ** 2).mean()}
failures = []
for name, want in wanted.items():
    tolerance = 1e-5 * max(abs(want), scale.get(name, 0)) + 1e-6
    if name == "sinkhorn_divergence":
        tolerance *= 20  # ours stops after 100 iterations
    if not abs(ours[name] - want) <= tolerance:
        failures.append(f"{name}: ours {ours[name]:.8g}, theirs {want:.8g}, tolerance {tolerance:.2g}")
for f in failures:
    print(f)
print(f"metrics against SciPy, scikit-learn and POT: {len(wanted) - len(failures)} of {len(wanted)} agree")
sys.exit(1 if failures else 0)
