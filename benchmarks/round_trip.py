"""What a raster keeps: ``python -m benchmarks.round_trip scene.tif gcp.vrt rpc.vrt --words "--steps 1"``.

Enlarges each file with ``gigatile upscale`` and lists, side by side, what the input and the result say: how far the
corners lie apart by the transform, ground control points and RPCs (in input pixels), whether the mask is the input's
enlarged to the nearest, whether the bands averaged are the input's, NDVI of the first and the fourth band, and every
item of metadata that is not the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import RPCTransformer

Facts = dict[str, Any]


def facts_of(raster: Any) -> Facts:
    """Items of metadata by their names."""
    found = {f"tag {key}": value for key, value in raster.tags().items()}
    found |= {
        "crs": str(raster.gcps[1] or raster.crs),
        "nodata": raster.nodata,
        "dtype": raster.dtypes[0],
        "bands": raster.count,
    }
    for band in range(1, raster.count + 1):
        found |= {f"band {band} tag {key}": value for key, value in raster.tags(band).items()}
        found |= {
            f"band {band} description": raster.descriptions[band - 1],
            f"band {band} colour": raster.colorinterp[band - 1].name,
            f"band {band} scale, offset": (raster.scales[band - 1], raster.offsets[band - 1]),
            f"band {band} unit": raster.units[band - 1],
        }
    return found


def corners_apart(before: Any, after: Any, scale: int) -> float | None:
    """The most that a corner moves by the transform, in input pixels; None without one."""
    if before.transform.is_identity:
        return None
    back, most = ~before.transform, 0.0
    for col in (0, before.width):
        for row in (0, before.height):
            there = back * (after.transform * (col * scale, row * scale))
            most = max(most, abs(there[0] - col), abs(there[1] - row))
    return most


def points_apart(before: Any, after: Any, scale: int) -> float | None:
    """The most that a ground control point moves, in input pixels."""
    (first, _), (second, _) = before.gcps, after.gcps
    if not first:
        return None
    pairs = list(zip(first, second, strict=True))
    assert all((one.x, one.y, one.z) == (two.x, two.y, two.z) for one, two in pairs)
    return max(max(abs(two.row / scale - one.row), abs(two.col / scale - one.col)) for one, two in pairs)


def rpcs_apart(before: Any, after: Any, scale: int) -> float | None:
    """The most that a place on the ground moves by the RPCs, in input pixels, over a grid of three heights."""
    if before.rpcs is None:
        return None
    rpc, steps = before.rpcs, np.linspace(-0.9, 0.9, 5)
    lons, lats, heights = (values.ravel() for values in np.meshgrid(steps, steps, [-0.5, 0, 0.5]))
    ground = (
        rpc.long_off + rpc.long_scale * lons,
        rpc.lat_off + rpc.lat_scale * lats,
        rpc.height_off + rpc.height_scale * heights,
    )
    places = []
    for raster in (before, after):
        with RPCTransformer(raster.rpcs) as transformer:
            places.append(np.array(transformer.rowcol(*ground, op=np.asarray)))
    return float(np.abs(places[1] / scale - places[0]).max())


def averaged(values: np.ndarray, scale: int) -> np.ndarray:
    count, height, width = values.shape
    found: np.ndarray = values.reshape(count, height // scale, scale, width // scale, scale).mean((2, 4))
    return found


def ndvi(values: np.ndarray) -> np.ndarray:
    red, near = values[0].astype(float), values[3].astype(float)
    return (near - red) / np.maximum(near + red, 1e-9)


def report(source: Path, output: Path, scale: int) -> None:
    with rasterio.open(source) as before, rasterio.open(output) as after:
        print(f"\n## {source.name}: {before.shape} {before.dtypes[0]}, {before.count} bands -> {after.driver}")
        for name, how in (("transform", corners_apart), ("points", points_apart), ("RPCs", rpcs_apart)):
            apart = how(before, after, scale)
            if apart is not None:
                print(f"{name}: {apart:.1e} input pixels apart at most")
        held, made = before.read_masks(), after.read_masks()
        same = np.array_equal(held.repeat(scale, 1).repeat(scale, 2) > 0, made > 0)
        share = (held == 0).any(0).mean()
        print(f"mask: {share:.1%} of the input is no data; the result's is {'the same' if same else 'ANOTHER'}")
        low, mean, valid = before.read().astype(float), averaged(after.read().astype(float), scale), held > 0
        off = np.abs(mean - low)[valid]
        print(f"averaged: {off.mean():.4f} off the input in the mean, {off.max():.4f} at most")
        if before.count >= 4 and before.colorinterp[3].name != "alpha":
            apart = np.abs(ndvi(mean) - ndvi(low))[valid.all(0)].max()
            print(f"NDVI of bands 4 and 1: {apart:.4f} off at most")
        first, second = facts_of(before), facts_of(after)
        kept = sum(first[key] == second.get(key) for key in first)
        print(f"metadata: {kept} of {len(first)} items are the same")
        for key in sorted(first.keys() | second.keys()):
            if first.get(key) != second.get(key):
                print(f"  {key}: {str(first.get(key))[:60]} -> {str(second.get(key))[:60]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--words", default="", help="options of gigatile upscale, in quotes")
    options = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    for source in options.files:
        with tempfile.TemporaryDirectory(prefix="round-trip-") as folder:
            output = Path(folder) / "out.tif"
            command = [sys.executable, "-m", "cluster.cli", "upscale", str(source), str(output)]
            command += ["--scale", str(options.scale), "--workers", "0", *options.words.split()]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"\n## {source.name}: refused: {done.stderr.strip().splitlines()[-1]}")
                continue
            report(source, output, options.scale)


if __name__ == "__main__":
    main()
