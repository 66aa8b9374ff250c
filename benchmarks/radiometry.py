"""Are values true: ``python -m benchmarks.radiometry --side 256 --bands B4.tif B3.tif B2.tif`` or with one raster.

Crops a raster from its middle, shrinks it by the mean of squares, enlarges it with ``gigatile upscale`` and by bicubic,
and prints a row a band of each: levels in and out, what the result, shrunk again, is off the input (bias, mean
absolute, 99.9th percentile; in the input's units), and what the result itself is off the crop (mean absolute); below,
the mean spectral angle to the crop over all bands, in degrees.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window
from torch.nn import functional

from pipeline.imaging.agreement import Agreement, averaged
from pipeline.imaging.spectra import angles

Figures = dict[str, float]


def read_crop(paths: list[Path], side: int) -> tuple[np.ndarray, dict[str, object]]:
    """``[bands, side, side]`` from the middle of files of one size, and a profile to write it with."""
    bands = []
    for path in paths:
        with rasterio.open(path) as raster:
            top, left = (raster.height - side) // 2, (raster.width - side) // 2
            bands.append(raster.read(window=Window(left, top, side, side)))
            profile = {"driver": "GTiff", "dtype": raster.dtypes[0], "crs": raster.crs, "transform": raster.transform}
    return np.concatenate(bands), profile


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """In a number format, to the nearest, cut at its ends."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return values.astype(kind)
    return np.clip(np.rint(values), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)


def bicubic(low: np.ndarray, scale: int) -> np.ndarray:
    found: np.ndarray = functional.interpolate(
        torch.from_numpy(low.astype(np.float64))[None], scale_factor=float(scale), mode="bicubic", align_corners=False
    )[0].numpy()
    return found


def upscaled(low: np.ndarray, profile: dict[str, object], scale: int, words: list[str]) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="radiometry-") as folder:
        source, output = Path(folder) / "in.tif", Path(folder) / "out.tif"
        shape = {"count": len(low), "height": low.shape[1], "width": low.shape[2]}
        with rasterio.open(source, "w", **profile, **shape, photometric="MINISBLACK") as raster:
            raster.write(low)
        command = [sys.executable, "-m", "cluster.cli", "upscale", str(source), str(output), "--scale", str(scale)]
        subprocess.run([*command, "--workers", "0", *words], check=True, stdout=subprocess.DEVNULL)
        with rasterio.open(output) as raster:
            pixels: np.ndarray = raster.read()
    return pixels


def measure(made: np.ndarray, low: np.ndarray, truth: np.ndarray, scale: int) -> list[Figures]:
    """A band each; what `gigatile compare` tells of a result and its input, and how far the result is off the crop."""
    agreement = Agreement(len(low), Fraction(scale), made.dtype, low.dtype)
    agreement.add(made, low, bicubic(low, scale))
    apart = np.abs(made.astype(np.float64) - truth).mean(axis=(1, 2))
    return [
        {
            "levels in": float("nan") if band.levels_input is None else band.levels_input,
            "levels out": float("nan") if band.levels_result is None else band.levels_result,
            "bias": band.bias or 0.0,
            "mean off": band.mae or 0.0,
            "p99.9 off": band.p999 or 0.0,
            "mean off the crop": float(off),
        }
        for band, off in zip(agreement.figures().bands, apart, strict=True)
    ]


def spectral_angle(made: np.ndarray, truth: np.ndarray) -> float:
    """The mean angle between spectra, in degrees."""
    return float(np.nanmean(angles(made, truth)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=Path, nargs="+", required=True, help="one raster, or a file a band")
    parser.add_argument("--side", type=int, default=256, help="pixels a side of the crop")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("words", nargs="*", help="after --: options of gigatile upscale")
    options = parser.parse_args()
    truth, profile = read_crop(options.bands, options.side)
    low = rounded(averaged(truth, Fraction(options.scale)), str(profile["dtype"]))
    made = {
        "gigatile": upscaled(low, profile, options.scale, options.words),
        "bicubic": rounded(bicubic(low, options.scale), str(profile["dtype"])),
    }
    rows = {name: measure(pixels, low, truth, options.scale) for name, pixels in made.items()}
    names = list(rows["gigatile"][0])
    print(f"| | band | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for name, bands in rows.items():
        for band, figures in enumerate(bands, 1):
            print(f"| {name} | {band} | {' | '.join(f'{figures[key]:.4g}' for key in names)} |")
    angles = {name: spectral_angle(pixels, truth) for name, pixels in made.items()}
    print(f"\nspectral angle: {', '.join(f'{name} {angle:.4f}' for name, angle in angles.items())} degrees")


if __name__ == "__main__":
    main()
