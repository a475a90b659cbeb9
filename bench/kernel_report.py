"""Registers, shared memory, spills and theoretical occupancy of every device kernel, from the compiler's report.

kernel_report.py BUILD_LOG SOURCE_FOLDER: the log holds what ptxas -v printed; block sizes are the kernels' launch bounds.
Prints a Markdown table, one line per kernel, with registers / occupancy for each architecture. Occupancy: resident warps by
registers (256 a warp at a time, warps in fours), static shared memory, threads and blocks, over the most there can be; limits
from the CUDA programming guide, table of compute capabilities. Dynamic shared memory is not in the report.
"""
import re
import subprocess
import sys
from pathlib import Path

#                 warps, blocks, shared memory of a multiprocessor in bytes (less 1 KiB a block for the system)
LIMITS = {80: (64, 32, 164 << 10), 86: (48, 16, 100 << 10), 89: (48, 24, 100 << 10), 90: (64, 32, 228 << 10)}
REGISTERS = 65536


def launch_bounds(folder):
    """Threads of a block by kernel name. Named constants of the same file are looked up."""
    bounds = {}
    for path in sorted(Path(folder).rglob("*.cu*")):
        text = path.read_text()
        constants = dict(re.findall(r"(?:constexpr|const)\s+\w+\s+(\w+)\s*=\s*(\d+)", text))
        constants.update(re.findall(r"[,;]\s*(\w+)\s*=\s*(\d+)", text))
        for bound, name in re.findall(r"__launch_bounds__\(([\w\s*]+)\)\s*(\w+)\s*\(", text):
            threads = 1
            for factor in bound.split("*"):
                value = constants.get(factor.strip(), factor.strip())
                if not value.isdigit():
                    sys.exit(f"{path}: the launch bound '{bound}' of {name} is no number and no constant of the file")
                threads *= int(value)
            bounds[name] = threads
    return bounds


def occupancy(architecture, registers, shared, threads):
    warps, blocks, memory = LIMITS[architecture]
    block_warps = (threads + 31) // 32
    registers_of_warp = (registers * 32 + 255) // 256 * 256
    by_registers = REGISTERS // registers_of_warp // 4 * 4 // block_warps
    by_memory = memory // (shared + 1024)
    return min(warps // block_warps, blocks, by_registers, by_memory) * block_warps / warps


def without_parameters(name):
    """A function's name with its template's arguments, which may hold brackets too."""
    depth = 0
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            return name[:i]
    return name


def main():
    log, folder = Path(sys.argv[1]).read_text(errors="replace"), sys.argv[2]
    found = {}
    pattern = re.compile(
        r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers([^\n]*)",
        re.S,
    )
    for name, architecture, stores, loads, registers, rest in pattern.findall(log):
        shared = re.search(r"(\d+) bytes smem", rest)
        found[name, int(architecture)] = (int(registers), int(shared.group(1)) if shared else 0, int(stores) + int(loads))
    if not found:
        sys.exit(f"{sys.argv[1]}: holds no report of ptxas (-Xptxas=-v)")
    names = sorted({n for n, _ in found})
    plain = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout.split("\n")
    readable = dict(zip(names, plain))
    bounds = launch_bounds(folder)
    architectures = sorted({a for _, a in found})
    rows = []
    for name in names:
        words = readable[name]
        if "cub::" in words or "thrust" in words:
            continue  # theirs
        short = re.sub(r"perturbine::|\(anonymous namespace\)::|emulated_device::|cuda_device::|studies::", "", words)
        short = without_parameters(re.sub(r"^void ", "", short))
        kernel = re.sub(r"<.*", "", short)
        threads = bounds.get(kernel)
        cells, spills, shared = [], 0, 0
        for a in architectures:
            if (name, a) not in found:
                cells.append("-")
                continue
            registers, shared, spilled = found[name, a]
            spills += spilled
            share = "" if threads is None else f", {100 * occupancy(a, registers, shared, threads):.0f} %"
            cells.append(f"{registers}{share}")
        rows.append((short, threads, shared, spills, cells))
    print("| kernel | threads | shared bytes | spilled bytes | " + " | ".join(f"sm_{a}" for a in architectures) + " |")
    print("|---" * (4 + len(architectures)) + "|")
    for short, threads, shared, spills, cells in sorted(rows, key=lambda r: r[0]):
        print(f"| {short} | {threads or '-'} | {shared} | {spills} | " + " | ".join(cells) + " |")


main()
