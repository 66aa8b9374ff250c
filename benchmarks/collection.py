"""Many small pictures in one command against a command each: ``python -m benchmarks.collection --model embedded``.

Makes N pictures of SIDE pixels, does the first few by a command each and then all by one command, in turn and as a user
would, compares the results' bytes, and prints a Markdown row with the seconds of both and their ratio. The seconds of a
command each for all N are those of the few, times N over their number. A row is appended, as JSON, to
benchmarks/results/collection.jsonl.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pictures import describe_code
from benchmarks.rows import keep_row

RESULTS = Path(__file__).parent / "results" / "collection.jsonl"


def write_pictures(folder: Path, num: int, side: int) -> list[Path]:
    """Waves and noise, each of its own."""
    folder.mkdir()
    rng, paths = np.random.default_rng(0), []
    y, x = np.mgrid[0:side, 0:side] / 9.0
    for number in range(num):
        gray = 128 + 70 * np.sin(x + number * y / 3) + rng.normal(0, 8, (side, side))
        pixels = np.stack([gray, 0.9 * gray, 0.8 * gray], axis=-1)
        paths.append(folder / f"{number:03}.png")
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1])
    return paths


def command(words: Sequence[str]) -> tuple[float, float]:
    """Seconds on the clock, and of all processors as far as the command's own processes tell."""
    started, before = time.monotonic(), _processor_seconds()
    done = subprocess.run([sys.executable, "-m", "cluster.cli", "upscale", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - started, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    paths = write_pictures(folder / "in", options.num, options.side)
    words = ["--model", options.model, "--workers", str(options.workers), "--steps", str(options.steps)]
    few = paths[: options.alone]
    alone = [command([str(path), str(folder / f"{path.stem}.tif"), *words]) for path in few]
    together = command([str(folder / "in"), str(folder / "out"), *words])
    for path in few:
        if (folder / f"{path.stem}.tif").read_bytes() != (folder / "out" / f"{path.stem}.tif").read_bytes():
            sys.exit(f"{path.stem}.tif differs from what it is alone")
    each, each_processor = (sum(times) / len(few) for times in zip(*alone, strict=True))
    return {
        "pictures": f"{options.num} of {options.side} x {options.side}",
        "model": options.model,
        "steps": options.steps,
        "workers": options.workers,
        "seconds in one command": round(together[0], 1),
        "a command each": round(each * options.num, 1),
        "ratio": round(together[0] / (each * options.num), 3),
        "processor seconds in one command": round(together[1], 1),
        "processor seconds, a command each": round(each_processor * options.num, 1),
        "commands timed": len(few),
        "load": round(os.getloadavg()[0], 1),
        "hardware": f"{os.cpu_count()} cores",
        "commit": describe_code()["commit"],
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=12, help="pictures")
    parser.add_argument("--alone", type=int, default=3, help="of them, done by a command each")
    parser.add_argument("--side", type=int, default=96, help="pixels a side")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = measure(options, Path(folder))
    keep_row(RESULTS, row)


if __name__ == "__main__":
    main()
