"""How much memory large pictures take on their way in and out: ``python -m benchmarks.memory --side 30000``.

In: a picture of each format is made (BigTIFF, PNG, JPEG 2000), measured as a plan measures it, and brought into a run.
Out: a picture of the same size is written as COG and as OME-Zarr. Each is a process of its own, and what it held at
most, beyond what its libraries take before it begins, is a row of the table. Needs some ten bytes of disk a pixel.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import psutil
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from cluster.pictures.describing import describe_image
from cluster.pictures.transfer import ingest
from storage.box import Box
from storage.images import open_image, write_image
from storage.images.georeference import GeoReference
from storage.images.info import ImageInfo
from storage.images.layout import ALL
from storage.lease import Lease
from storage.run import RunStore

ROWS = 256
DRIVERS = {"BigTIFF": "GTiff", "PNG": "PNG", "JPEG 2000": "JP2OpenJPEG"}
OUTPUTS = {"COG": "out.tif", "OME-Zarr": "out.ome.zarr"}
CRS = rasterio.crs.CRS.from_epsg(32633).to_wkt()
TRANSFORM = (10.0, 0.0, 4e5, 0.0, -10.0, 5e6)


def rows(side: int) -> Iterator[tuple[Box, np.ndarray]]:
    """RGB of 8 bits, waves and noise, top to bottom."""
    noise = np.random.default_rng(0).integers(0, 40, (3, ROWS, side), dtype=np.uint8)
    across = 100 + 80 * np.sin(np.arange(side) / 50)
    for top in range(0, side, ROWS):
        height = min(ROWS, side - top)
        waves = across[None] * np.cos(np.arange(top, top + height) / 90)[:, None] ** 2
        yield Box(top=top, left=0, height=height, width=side), noise[:, :height] + waves.astype(np.uint8)


def make(path: Path, driver: str, side: int) -> None:
    """A picture of ``side`` x ``side`` pixels."""
    base = path if driver == "GTiff" else path.with_suffix(".scratch.tif")
    profile: dict[str, Any] = {"count": 3, "height": side, "width": side, "dtype": "uint8", "bigtiff": "YES"}
    profile |= {"tiled": True, "crs": CRS, "transform": rasterio.Affine(*TRANSFORM[:2], *TRANSFORM[2:])}
    with rasterio.open(base, "w", driver="GTiff", **profile) as raster:
        for box, pixels in rows(side):
            raster.write(pixels, window=Window(0, box.top, side, box.height))
    if base != path:
        rasterio.shutil.copy(str(base), str(path), driver=driver)
        base.unlink()


def bring_in(path: Path) -> None:
    """As ``gigatile upscale`` does before the first step."""
    with open_image(path) as source:
        facts = describe_image(source, ALL, (0.1, 99.9))
        store = RunStore.open(str(path.parent / "run"))
        store.write_plan(b"{}")
        lease = cast(Lease, SimpleNamespace(check=lambda: None, generation=1))
        ingest(store, "pixels", facts, source, lease, [])


def hand_out(path: Path, side: int) -> None:
    info = ImageInfo(
        path="", driver="GTiff", height=side, width=side, num_bands=3, dtype="uint8", has_alpha=False,
        geo=GeoReference(crs_wkt=CRS, transform=TRANSFORM), nodata=None, descriptions=(None,) * 3, icc=None, dpi=None,
    )  # fmt: skip
    write_image(path, info, 1, rows(side), height=side, width=side)


def measured(work: Any) -> tuple[float, float]:
    """Seconds, and megabytes at most beyond what is held now."""
    process, over = psutil.Process(), threading.Event()
    base = most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not over.wait(0.05):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    over.set()
    watcher.join()
    return seconds, (most - base) / 2**20


def one(kind: str, side: int, folder: Path) -> None:
    """One row, in this process."""
    if kind in DRIVERS:
        path = folder / "in.image"
        seconds, megabytes = measured(lambda: bring_in(path))
    else:
        seconds, megabytes = measured(lambda: hand_out(folder / OUTPUTS[kind], side))
    print(
        f"| {kind} {'in' if kind in DRIVERS else 'out'} | {side} x {side} | {seconds:.0f} | {megabytes:.0f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=30_000)
    parser.add_argument("--kinds", nargs="+", choices=(*DRIVERS, *OUTPUTS), default=[*DRIVERS, *OUTPUTS])
    parser.add_argument("--folder", type=Path, help="for scratch files")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        one(options.kinds[0], options.side, options.folder)
        return
    print("| | pixels | seconds | MB beyond the libraries |\n|---|---|---|---|", flush=True)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(prefix="memory-", dir=options.folder) as folder:
            if kind in DRIVERS:
                make(Path(folder) / "in.image", DRIVERS[kind], options.side)
            command = [sys.executable, "-m", "benchmarks.memory", "--here", "--side", str(options.side)]
            subprocess.run([*command, "--kinds", kind, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
