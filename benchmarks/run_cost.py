"""What a run costs: ``python -m benchmarks.run_cost --side 4096 --model embedded --workers 2``.

Makes a synthetic source, runs ``gigatile upscale`` on it as a user would, and samples from outside, twice a second, the
memory of the coordinator and of each worker and the disk that live latents take. Prints one Markdown row and appends
it, as JSON, to benchmarks/results/run_cost.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import rasterio
from rasterio.windows import Window

from benchmarks.pictures import describe_code
from benchmarks.rows import keep_row

RESULTS = Path(__file__).parent / "results" / "run_cost.jsonl"
STRIP = 256


@dataclass(kw_only=True)
class Sample:
    """Largest figures seen so far, in bytes."""

    coordinator: int = 0
    workers: dict[int, int] = field(default_factory=dict)
    latents_on_disk: int = 0

    def take(self, process: psutil.Process, run: Path) -> None:
        self.coordinator = max(self.coordinator, own_memory(process))
        for child in process.children(recursive=True):
            try:
                if "WorkerActor" in child.name() or "WorkerActor" in " ".join(child.cmdline()):
                    self.workers[child.pid] = max(self.workers.get(child.pid, 0), own_memory(child))
            except psutil.Error:
                continue
        sizes = sum(_size(run / part) for part in ("z", "history"))
        self.latents_on_disk = max(self.latents_on_disk, sizes)


def own_memory(process: psutil.Process) -> int:
    """Resident bytes without shared memory: Ray's object store is mapped into every process and counted once apart."""
    try:
        info = process.memory_info()
        return int(info.rss - info.shared)
    except psutil.Error:
        return 0


def _size(folder: Path) -> int:
    """Bytes below a folder from which files vanish while it is read."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def write_source(path: Path, side: int) -> None:
    """A tiled TIFF of waves and noise, made strip by strip."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(path, "w", **profile) as raster:
        for top in range(0, side, STRIP):
            rows = min(STRIP, side - top)
            y, x = np.mgrid[top : top + rows, 0:side] / 37.0
            base = 128 + 70 * np.sin(x + 0.3 * y) * np.cos(y - 0.2 * x)
            strip = base[None] + rng.normal(0, 10, (3, rows, side))
            raster.write(np.clip(strip, 0, 255).astype(np.uint8), window=Window(0, top, side, rows))


def library_memory() -> int:
    """Resident bytes of a process that has imported what a worker imports, and computed nothing."""
    code = (
        "import cluster.runs.upscale, pipeline.models.registry, torch, psutil;"
        "info = psutil.Process().memory_info(); print(info.rss - info.shared)"
    )
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    source, output = folder / "source.tif", folder / "output.tif"
    write_source(source, options.side // options.scale)
    words = ["upscale", str(source), str(output), "--model", options.model, "--workers", str(options.workers)]
    words += ["--scale", str(options.scale), *(["--steps", str(options.steps)] if options.steps else [])]
    run, started = Path(f"{output}.run"), time.monotonic()
    process = psutil.Popen([sys.executable, "-m", "cluster.cli", *words])
    sample = Sample()
    while process.poll() is None:
        sample.take(process, run)
        time.sleep(0.5)
    if process.returncode:
        sys.exit(process.returncode)
    seconds = time.monotonic() - started
    status = json.loads((run / "status.json").read_text())
    plan = json.loads((run / "plan.json").read_text())
    latent = plan["geometry"]["channels"] * plan["regions"]["height"] * plan["regions"]["width"] * 4
    libraries = library_memory()
    return {
        "output": f"{options.side} x {options.side}",
        "model": options.model,
        "steps": len(plan["timesteps"]),
        "workers": options.workers,
        "seconds": round(seconds, 1),
        "megapixels_per_second": round(options.side**2 / 1e6 / seconds, 3),
        "backbone_share": round(status["backbone_share"], 4),
        "coordinator_mb_beyond_libraries": round((sample.coordinator - libraries) / 1e6),
        "worker_mb_beyond_libraries": round((max(sample.workers.values(), default=0) - libraries) / 1e6),
        "libraries_mb": round(libraries / 1e6),
        "latents_on_disk": round(sample.latents_on_disk / latent, 2),
        "hardware": f"{os.cpu_count()} cores, {plan['device']['name']}",
        "commit": describe_code()["commit"],
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096, help="output pixels a side")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = measure(options, Path(folder))
    keep_row(RESULTS, row)


if __name__ == "__main__":
    main()
