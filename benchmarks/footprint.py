"""What a scene costs that is half empty: ``python -m benchmarks.footprint --side 1024 --bands B4.tif B3.tif B2.tif``.

Cuts a square from the middle of a raster, filled up with its mirror images where it is smaller, and makes a second
scene of it with no data outside of a square that stands on its corner, which is half of it, as the footprint of a
satellite's tile is. Plans and enlarges both, one after the other on this machine, and prints forwards and
processor seconds of each, and the ratios; ``--plan`` counts forwards alone.
"""

from __future__ import annotations

import argparse
import math
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio

from .radiometry import read_crop


def diamond(side: int) -> np.ndarray:
    """Which pixels ``[side, side]`` lie in the square on its corner."""
    away = np.abs(np.arange(side) + 0.5 - side / 2)
    inside: np.ndarray = away[:, None] + away[None] <= side / 2
    return inside


def write_scene(path: Path, pixels: np.ndarray, profile: dict[str, object]) -> None:
    shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(path, "w", **profile, **shape, nodata=0, photometric="MINISBLACK") as raster:
        raster.write(pixels)


def gigatile(command: str, source: Path, words: list[str]) -> tuple[str, float]:
    """What a command printed, and how many seconds of processors it took, whatever else the machine does."""
    line = [sys.executable, "-m", "cluster.cli", command, str(source), str(source.with_name(f"{source.stem}-x.tif"))]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*line, "--workers", "0", *words], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=Path, nargs="+", required=True, help="one raster, or a file a band")
    parser.add_argument("--side", type=int, default=1024, help="pixels a side of the scene")
    parser.add_argument("--plan", action="store_true", help="enlarge nothing")
    parser.add_argument("words", nargs="*", help="after --: options of gigatile upscale")
    options = parser.parse_args()
    with rasterio.open(options.bands[0]) as raster:
        held = min(options.side, raster.height, raster.width)
    pixels, profile = read_crop(options.bands, held)
    pixels = np.maximum(np.pad(pixels, ((0, 0), *[(0, options.side - held)] * 2), mode="symmetric"), 1)
    found = {}
    with tempfile.TemporaryDirectory(prefix="footprint-") as folder:
        for name, scene in (("whole", pixels), ("rotated", np.where(diamond(options.side), pixels, 0))):
            path = Path(folder) / f"{name}.tif"
            write_scene(path, scene, profile)
            plan, _ = gigatile("plan", path, options.words)
            forwards = re.search(r"^forwards\s+(\d+)", plan, re.MULTILINE)
            assert forwards is not None
            seconds = math.nan if options.plan else gigatile("upscale", path, options.words)[1]
            found[name] = float((scene != 0).all(0).mean()), int(forwards[1]), seconds
    print("| scene | data | forwards | seconds |\n|---|---|---|---|")
    for name, (share, count, seconds) in found.items():
        print(f"| {name} | {share:.1%} | {count} | {seconds:.1f} |")
    (_, all_forwards, all_seconds), (_, forwards_left, seconds_left) = found.values()
    print(f"\nrotated to whole: forwards {forwards_left / all_forwards:.3f}, seconds {seconds_left / all_seconds:.3f}")


if __name__ == "__main__":
    main()
