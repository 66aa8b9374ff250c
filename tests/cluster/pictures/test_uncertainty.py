"""Where other seeds look, and what the raster holds."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio

from cluster.pictures.uncertainty import DISAGREEMENT, Sample, find_hard, uncertainty_info, write_uncertainty
from pipeline.imaging.pixels import ValueRange
from storage.arrays import checksum
from storage.box import RegionGrid
from storage.errors import CorruptRegionError
from storage.images.georeference import GeoReference
from storage.images.metadata import BandMetadata, Metadata
from storage.images.provenance import Provenance
from storage.occupancy import CELL, Occupancy
from tests.support.holey import Holey

MADE = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=4, scale=2)


def plan(source: Holey, *, scale: int = 2, side: int = 24) -> Any:
    """What of a plan is read here."""
    info = source.info
    return SimpleNamespace(
        image=SimpleNamespace(shown_bands=tuple(range(info.num_bands)), holes=info.holes),
        value_range=ValueRange(low=0.0, high=255.0, dtype=info.dtype),
        scale=scale,
        height_out=info.height * scale,
        width_out=info.width * scale,
        out_regions=RegionGrid(height=info.height * scale, width=info.width * scale, side=side),
        regions=RegionGrid(height=-(-info.height * scale // 4), width=-(-info.width * scale // 4), side=side // 4),
        geometry=SimpleNamespace(factor=4),
    )


def busy(height: int, width: int, *places: tuple[int, int]) -> np.ndarray:
    """One even band, with noise in some squares."""
    pixels = np.full((1, height, width), 100, np.uint8)
    noise = np.random.default_rng(0).integers(0, 200, (CELL, CELL))
    for row, col in places:
        window = pixels[0, row * CELL : (row + 1) * CELL, col * CELL : (col + 1) * CELL]
        window[:] = noise[: window.shape[0], : window.shape[1]]
    return pixels


def test_hard_squares_are_those_with_gradients() -> None:
    """Also beyond a strip's first rows, and in squares that the edge cuts."""
    places = [(0, 1), (9, 3), (11, 0)]
    source = Holey(busy(12 * CELL - 5, 4 * CELL - 7, *places))
    found = find_hard(source, plan(source), 0.5).squares
    assert sorted(zip(*(int_list.tolist() for int_list in np.nonzero(found)), strict=True)) == places


def test_edges_of_holes_are_not_hard_and_holes_never() -> None:
    pixels, valid = busy(2 * CELL, 3 * CELL, (1, 1)), np.ones((1, 2 * CELL, 3 * CELL), bool)
    valid[0, :, 2 * CELL - 10 :], pixels[0, :, 2 * CELL - 10 :] = False, 0
    valid[0, :20, :20], pixels[0, :20, :20] = False, 255
    source = Holey(pixels, valid)
    np.testing.assert_array_equal(find_hard(source, plan(source), 0.3).squares, [[0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(find_hard(source, plan(source), 0.0).squares, [[1, 1, 0], [1, 1, 0]])


def test_a_map_says_it_by_its_means() -> None:
    source = Holey(busy(2 * CELL, 2 * CELL, (0, 0)))
    given = np.zeros((1, 2 * CELL, 2 * CELL), np.uint16)
    given[0, CELL:, :CELL] = 0.3 * 65535
    np.testing.assert_array_equal(find_hard(source, plan(source), 0.25, Holey(given)).squares, [[0, 0], [1, 0]])


class Regions:
    """An array of decoded pixels in memory."""

    name = "out"
    root = SimpleNamespace(url="memory")

    def __init__(self, pixels: np.ndarray, grid: RegionGrid) -> None:
        self.pixels, self.grid = pixels, grid

    def read_region(self, region: int) -> np.ndarray:
        return self.pixels[:, *self.grid.box(region).slices]


def samples(count: int, source: Holey) -> tuple[list[Sample], np.ndarray]:
    made, grid = plan(source), plan(source).out_regions
    shape = (source.info.num_bands, made.height_out, made.width_out)
    values = np.random.default_rng(1).integers(1, 60000, (count, *shape)).astype(np.uint16)
    arrays: list[Any] = [Regions(one, grid) for one in values]
    told = [{region: checksum(one.read_region(region)) for region in range(grid.num_regions)} for one in arrays]
    return [Sample(array=one, told=sums) for one, sums in zip(arrays, told, strict=True)], values


def write(source: Holey, found: list[Sample], hard: Occupancy | None, path: Path) -> np.ndarray:
    write_uncertainty(
        str(path), source, plan(source), found, hard=hard, seeds=[4, 5, 6], overwrite=False, provenance=MADE
    )
    with rasterio.open(path) as raster:
        assert math.isnan(raster.nodata)
        assert raster.dtypes[0] == "float32"
        assert raster.transform == rasterio.Affine(5, 0, 0, 0, -5, 0)
        assert raster.tags()["GIGATILE_UNCERTAINTY"].endswith("4, 5, 6")
        pixels: np.ndarray = raster.read()
    return pixels


@pytest.fixture
def source() -> Holey:
    low = np.random.default_rng(0).integers(1, 200, (2, CELL + 5, CELL + 9)).astype(np.uint16)
    valid = np.ones(low.shape, bool)
    valid[0, 10:13, 3:30], valid[:, 30, :] = False, False
    found = Holey(low, valid)
    found.info = dataclasses.replace(found.info, geo=GeoReference(transform=(10, 0, 0, 0, -10, 0)), nodata=0)
    return found


def test_the_raster_is_the_deviation_of_all(source: Holey, tmp_path: Path) -> None:
    found, values = samples(3, source)
    valid = source.valid
    assert valid is not None
    values[:, np.repeat(np.repeat(~valid, 2, axis=1), 2, axis=2)] = 0
    told = [Sample(array=one.array, told={r: checksum(one.array.read_region(r)) for r in one.told}) for one in found]
    pixels = write(source, told, None, tmp_path / "a.tif")
    expected = values.std(axis=0, ddof=1, dtype=np.float64).astype(np.float32)
    known = np.repeat(np.repeat(valid, 2, axis=1), 2, axis=2)
    np.testing.assert_allclose(pixels[:2][known], expected[known], rtol=1e-6)
    assert np.isnan(pixels[:2][~known]).all()
    assert np.isnan(pixels[2]).all(), "nobody has asked how far tiles disagree"


def test_the_last_band_is_how_far_tiles_disagree(source: Holey, tmp_path: Path) -> None:
    """The root of the mean of squares over those that know it, of latent pixels, enlarged."""
    found, made = samples(3, source)[0], plan(source)
    rng, grid = np.random.default_rng(3), made.regions
    spreads = rng.random((2, 1, *grid.canvas.shape)).astype(np.float32)
    spreads[0, :, :4, :] = np.nan
    spreads[:, :, 5, 6] = np.nan
    arrays: list[Any] = [Regions(one, grid) for one in spreads]
    for sample, array in zip((1, 2), arrays, strict=True):
        told = {region: checksum(array.read_region(region)) for region in range(grid.num_regions)}
        found[sample] = dataclasses.replace(found[sample], disagreement=array, told_of_it=told)
    pixels = write(source, found, None, tmp_path / "a.tif")
    known = ~np.isnan(spreads[:, 0])
    squares = np.where(known, spreads[:, 0], 0).astype(np.float64) ** 2
    with np.errstate(invalid="ignore"):
        expected = np.sqrt(squares.sum(0) / known.sum(0)).repeat(4, 0).repeat(4, 1)[: made.height_out, : made.width_out]
    assert source.valid is not None
    there = source.valid.any(axis=0).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(pixels[2], np.where(there, expected, np.nan), rtol=1e-6)
    array = arrays[1]
    array.pixels[0, 9, 9] += 1
    with pytest.raises(CorruptRegionError, match="not what the journal says"):
        write(source, found, None, tmp_path / "b.tif")


def test_where_nobody_looked_nothing_is_said(source: Holey, tmp_path: Path) -> None:
    hard = Occupancy.of(np.array([[False, True], [False, False]]), height=CELL + 5, width=CELL + 9)
    pixels = write(source, samples(2, source)[0], hard, tmp_path / "a.tif")
    is_told = np.zeros(pixels.shape[1:], bool)
    is_told[: 2 * CELL, 2 * CELL :] = True
    valid = source.valid
    assert valid is not None
    np.testing.assert_array_equal(~np.isnan(pixels[:2]), is_told & np.repeat(np.repeat(valid, 2, axis=1), 2, axis=2))


def test_a_region_that_the_journal_does_not_know_is_no_sample(source: Holey, tmp_path: Path) -> None:
    found, values = samples(2, source)
    values[1, 0, 0, 0] += 1
    with pytest.raises(CorruptRegionError, match="not what the journal says"):
        write(source, found, None, tmp_path / "a.tif")
    assert not (tmp_path / "a.tif").exists()


def test_bands_keep_names_scales_and_units(source: Holey) -> None:
    bands = (BandMetadata(scale=1e-4, offset=-0.1, unit="reflectance", colour="red"),) * 2
    info = dataclasses.replace(source.info, descriptions=("B4", None), metadata=Metadata(bands=bands), icc=b"x")
    found = uncertainty_info(info, [0, 1])
    assert found.descriptions == ("standard deviation of B4", "standard deviation of band 2", DISAGREEMENT)
    *bands_out, last = found.metadata.bands
    assert bands_out == [BandMetadata(scale=1e-4, unit="reflectance")] * 2, "a deviation knows no offset"
    assert last == BandMetadata()
    assert found.num_bands == 3
    assert (found.icc, found.geo) == (None, info.geo)
