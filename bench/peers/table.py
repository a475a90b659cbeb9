"""One table of our benches beside PyTorch's, from the JSON files of one run; keeps everything with the environment."""
import json
import platform
import sys
from datetime import date
from pathlib import Path

out, result = Path(sys.argv[1]), Path(sys.argv[2])
kernels, models = json.load(open(out / "kernel_bench.json")), json.load(open(out / "model_bench.json"))
peers = json.load(open(out / "torch_peers.json"))
unit = {"us": 1e-3, "ms": 1.0, "ns": 1e-6}
ours = {b["name"].replace("/real_time", ""): b["real_time"] * unit[b["time_unit"]] for b in kernels["benchmarks"] + models["benchmarks"] if "error_message" not in b}


def total(*parts):
    found = [next((v for k, v in ours.items() if k.startswith(p)), None) for p in parts]
    return None if None in found else sum(found)


rows = [
    ("training_step/f32", total("training_step/f32")),
    ("training_step/bf16_products", total("training_step/bf16_products")),
    ("sampling_400x50", total("sampling_400x50")),
    ("film_layer_norm forward+backward 4096x512", total("film_layer_norm.silu/f32/4096x512", "film_layer_norm_backward.silu/f32/4096x512")),
    ("count_likelihood zinb 256x2000", total("count_likelihood.zinb.gradient/f32/256x2000")),
    ("adamw+average 9.14M", total("adamw/f32/9140000")),
    ("diffusion_noise 256x2000", total("diffusion_noise/f32/256x2000")),
]
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
table = [{"case": n, "ours_ms": v, "torch_ms": peers["milliseconds"].get(n), "ratio": None if not v or not peers["milliseconds"].get(n) else peers["milliseconds"][n] / v} for n, v in rows]
result.parent.mkdir(parents=True, exist_ok=True)
json.dump({"schema": "perturbine.bench/1", "date": str(date.today()), "cpu": cpu, "threads": 2, "torch": peers["version"], "table": table,
           "kernels": kernels, "models": models}, open(result, "w"), indent=1)
print(f"{cpu}, 2 threads, PyTorch {peers['version']}, {date.today()}\n")
print("| case | ours, ms | PyTorch, ms | ratio |\n|---|---|---|---|")
for r in table:
    number = lambda v: "-" if v is None else f"{v:.2f}"
    print(f"| {r['case']} | {number(r['ours_ms'])} | {number(r['torch_ms'])} | {number(r['ratio'])} |")
