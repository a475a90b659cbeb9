"""One table of our benches beside PyTorch's, from the JSON files of one run; keeps everything with the environment.

table.py FOLDER RESULT.json [cpu|cuda]: FOLDER holds kernel_bench.json and model_bench.json (Google Benchmark, repeated),
torch_peers*.json, one for each PyTorch there was, devices.json if ceilings were measured. Ratios are to the fastest PyTorch.
"""
import json
import platform
import statistics
import sys
from datetime import date
from pathlib import Path

out, result = Path(sys.argv[1]), Path(sys.argv[2])
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"


def read(name):
    return json.load(open(out / name)) if (out / name).exists() else None


kernels, models, devices = read("kernel_bench.json"), read("model_bench.json"), read("devices.json")
peers = [json.load(open(p)) for p in sorted(out.glob("torch_peers*.json")) if p.stat().st_size > 0]
unit = {"us": 1e-3, "ms": 1.0, "ns": 1e-6}
ours = {}
for b in kernels["benchmarks"] + models["benchmarks"]:
    if "error_message" not in b and b.get("run_type") != "aggregate":
        ours.setdefault(b["run_name"], []).append(b["real_time"] * unit[b["time_unit"]])


def total(*parts):
    """Median and fastest of a sum of cases; a part may be (times, case)."""
    found = []
    for part in parts:
        times, p = part if isinstance(part, tuple) else (1, part)
        names = [n for n in ours if n.startswith(p + "/") and (("/cuda" in n) == (device == "cuda"))]
        if not names:
            return None
        found.append([times * v for v in ours[names[0]]])
    return sum(statistics.median(f) for f in found), sum(min(f) for f in found)


cases = [
    ("training_step/f32", ["training_step/f32"]),
    ("training_step/bf16_products", ["training_step/bf16_products"]),
    ("training_step/tf32_products", ["training_step/tf32_products"]),
    ("training_step_batch_8192/f32", ["training_step_batch_8192/f32"]),
    ("sampling_256x1000/f32", ["sampling_256x1000/f32"]),
    ("sampling_400x50", ["sampling_400x50"]),
    ("sampling_400x50, one condition", ["sampling_400x50"]),
    ("film_layer_norm forward+backward 4096x512", ["film_layer_norm.silu/f32/4096x512", "film_layer_norm_backward.silu/f32/4096x512"]),
    ("count_likelihood zinb 256x2000", ["count_likelihood.zinb.gradient/f32/256x2000"]),
    ("adamw+average 9.14M", ["adamw/f32/9140000"]),
    ("diffusion_noise 256x2000", ["diffusion_noise/f32/256x2000"]),
    ("sinkhorn 256x256 x 100", ["sinkhorn.100/f32/256x256"]),
    ("energy distance 2x2000x50", ["pairwise_sum.euclidean/f32/2000x2000x50", (2, "pairwise_sum.euclidean.same/f32/2000x2000x50")]),
    ("rbf mmd 2x2000x50", ["pairwise_sum.rbf/f32/2000x2000x50", (2, "pairwise_sum.rbf.same/f32/2000x2000x50")]),
]
table = []
for name, parts in cases:
    mine = total(*parts)
    by_version = {p["version"]: p["milliseconds"].get(name) for p in peers}
    ran = {v: r for v, r in by_version.items() if r}
    version = min(ran, key=lambda v: ran[v]["median"]) if ran else None
    peer = ran.get(version)
    if mine is None and peer is None:
        continue
    table.append({"case": name, "ours_ms": mine and mine[0], "ours_fastest_ms": mine and mine[1], "torch_ms": peer and peer["median"],
                  "torch_fastest_ms": peer and peer["fastest"],
                  "torch": version, "torch_setting": peer and peer.get("setting"), "torch_by_version": by_version,
                  "ratio": mine and peer and peer["median"] / mine[0], "ratio_of_fastest": mine and peer and peer["fastest"] / mine[1]})
# The floor of a training step: its products at the measured product ceiling, the bytes of the rest at the copy ceiling.
floors = {}
for b in models["benchmarks"]:
    ceiling = next((d for d in (devices or {"devices": []})["devices"] if d["device"].startswith(device)), None)
    if b.get("run_type") != "aggregate" and b["name"].startswith("training_step/f32") and "product_GFLOP" in b and ceiling and (("/cuda" in b["name"]) == (device == "cuda")):
        floors["training_step/f32"] = 1e3 * (b["product_GFLOP"] / ceiling["product_gigaflops"] + b["other_MB"] / 1e3 / ceiling["copy_gigabytes_per_second"])
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
name = cpu if device == "cpu" else next((d["name"] for d in (devices or {"devices": []})["devices"] if d["device"].startswith("cuda")), "cuda")
clocks = None  # of a GPU while it was measured: least and most MHz of multiprocessors, and what held them back
if (out / "clocks.csv").exists():
    lines = [l.split(", ") for l in (out / "clocks.csv").read_text().splitlines() if l.count(", ") == 4]
    mhz = [int(l[0]) for l in lines if l[0].isdigit()]
    clocks = {"samples": len(lines), "sm_mhz": [min(mhz), max(mhz)] if mhz else None, "throttle_reasons": sorted({l[4] for l in lines})}
versions = [p["version"] for p in peers]
result.parent.mkdir(parents=True, exist_ok=True)
json.dump({"schema": "perturbine.bench/3", "date": str(date.today()), "device": device, "name": name, "torch": versions, "table": table,
           "floors_ms": floors, "ceilings": devices and devices["devices"], "clocks": clocks, "kernels": kernels, "models": models}, open(result, "w"), indent=1)
print(f"{name}, {date.today()}; medians in ms, each PyTorch in its best setting; ratio of the fastest PyTorch to ours (of the fastest runs)\n")
print("| case | ours | " + " | ".join(f"PyTorch {v}" for v in versions) + " | ratio | setting of the fastest |\n" + "|---" * (4 + len(versions)) + "|")
for name, floor in floors.items():
    ours_ms = next(r["ours_ms"] for r in table if r["case"] == name)
    footnote = f"floor of {name}: {floor:.1f} ms at the ceilings measured in this run; measured / floor = {ours_ms / floor:.2f}"
for r in table:
    number = lambda v: "-" if v is None else f"{v:.3g}"
    theirs = " | ".join(number((r["torch_by_version"][v] or {}).get("median")) for v in versions)
    print(f"| {r['case']} | {number(r['ours_ms'])} | {theirs} | {number(r['ratio'])} ({number(r['ratio_of_fastest'])}) | {r['torch_setting'] or '-'} |")
if clocks:
    print(f"\nclocks of the multiprocessors while measuring: {clocks['sm_mhz']} MHz; throttle reasons {', '.join(clocks['throttle_reasons'])}")
if floors:
    print("\n" + footnote)
