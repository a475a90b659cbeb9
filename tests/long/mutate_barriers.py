"""Takes each __syncthreads and __syncwarp out of our device code in turn; ThreadSanitizer under the emulator must notice."""
import os
import re
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]
build = root / "build" / "mutants"
configure = ["cmake", "-G", "Ninja", "-S", str(root), "-B", str(build), "-DPERTURBINE_SANITIZE=thread", "-DPERTURBINE_CORE_ONLY=ON",
             "-DPERTURBINE_CUDA=OFF", "-DPERTURBINE_BLAS=none"]
tests = ["./bin/kernel_tests", "--gtest_filter=emulated/*", "--gtest_brief=1"]


def noticed():
    made = subprocess.run(["cmake", "--build", str(build), "--target", "kernel_tests"], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit("a mutant does not build:\n" + made.stdout[-2000:])
    try:
        return subprocess.run(tests, cwd=build, capture_output=True, timeout=300,
                              env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}).returncode != 0
    except subprocess.TimeoutExpired:
        return True


subprocess.run(configure, check=True, capture_output=True)
if noticed():
    sys.exit("the tests fail without a mutation")
explained = {}
for line in (root / "docs" / "kernels.md").read_text().splitlines():
    if match := re.match(r"\| `([\w./]+)` \| (\d+)", line):
        explained[(match[1], int(match[2]))] = line
survivors, total = [], 0
for path in sorted(list((root / "kernels").glob("*/*.cu")) + [root / "kernels/core/reduce.cuh"]):
    if path.name.endswith("_library.cu") or path.parent.name == "cuda":
        continue
    text = path.read_text()
    places = list(re.finditer(r"__sync(?:threads|warp)\(\);", text))
    for number, place in enumerate(places, 1):
        total += 1
        try:
            path.write_text(text[: place.start()] + ";" + text[place.end() :])
            found = noticed()
        finally:
            path.write_text(text)
        name = (str(path.relative_to(root)), number)
        print("noticed " if found else "SURVIVED", *name, flush=True)
        if not found:
            survivors.append(name)
print(f"{total - len(survivors)} of {total} missing barriers noticed")
unexplained = [s for s in survivors if s not in explained]
if total - len(survivors) < 0.95 * total or unexplained:
    sys.exit(f"too many survivors, or some without a line in docs/kernels.md: {unexplained}")
