"""COG, judged by rio-cogeo and read by tifffile, neither of which wrote it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.crs import CRS
from rasterio.transform import Affine
from rio_cogeo import cog_validate

from storage.box import Box
from storage.errors import ImageError
from storage.images import check_output, open_image, write_image
from storage.images.formats import format_of, writer_of
from storage.images.gdal import gdal
from storage.images.georeference import GeoReference, GroundPoint
from storage.images.info import ImageInfo
from storage.images.metadata import BandMetadata, Metadata
from storage.images.tiff import tile_side
from storage.images.writers.cog import CogWriter
from storage.images.writers.tiff import TiffWriter
from tests.storage.images.files import blocks, info_of, picture
from tests.storage.images.writers.pictures import opened, picture_of

UTM = CRS.from_epsg(32631).to_wkt()
GEO = GeoReference(crs_wkt=UTM, transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))
KINDS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1e3, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def write(path: Path, pixels: np.ndarray, *, mask: np.ndarray | None = None, **facts: Any) -> Path:
    _, height, width = pixels.shape
    read = None if mask is None else lambda box: mask[box.slices]
    info = info_of(pixels, **{"geo": GEO, **facts})
    write_image(path, info, 1, blocks(pixels, 200), height=height, width=width, mask=read)
    return path


def is_valid(path: Path) -> bool:
    good, errors, warnings = cog_validate(path, strict=True, quiet=True)
    assert (errors, warnings) == ([], [])
    return bool(good)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_every_value_of_every_kind(tmp_path: Path, dtype: str, bands: int) -> None:
    pixels = values((bands, 530, 40), dtype)
    path = write(tmp_path / "a.tif", pixels)
    assert is_valid(path)
    with opened(path) as raster:
        assert raster.dtypes == (dtype,) * bands
        np.testing.assert_array_equal(raster.read(), pixels)
        assert raster.overviews(1)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].dtype == dtype
        assert file.pages[0].predictor == (3 if dtype[0] == "f" else 2)


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.cog.tif", "a.cog.tiff"])
def test_what_lies_on_the_ground_is_one(name: str) -> None:
    assert isinstance(writer_of(Path(name), info_of(picture(4, 4), geo=GEO)), CogWriter)
    is_asked = ".cog." in name
    assert isinstance(writer_of(Path(name), info_of(picture(4, 4))), CogWriter) == is_asked
    assert isinstance(writer_of(Path(name)), CogWriter) == is_asked
    assert isinstance(writer_of(Path("a.tif")), TiffWriter)
    with pytest.raises(ImageError, match="expected a name"):
        writer_of(Path("a.cog"))


def test_the_scratch_file_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = dataclasses.make_dataclass("Usage", ["free"])(free=1_500_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: free)
    size = {"height": 1000, "width": 1000, "num_bands": 1}
    check_output(tmp_path / "a.tif", overwrite=False, info=info_of(picture(4, 4, 1)), **size)
    with pytest.raises(OSError, match=r"2\.0 GB|0\.0 GB"):
        check_output(tmp_path / "a.tif", overwrite=False, info=info_of(picture(4, 4, 1), geo=GEO), **size)
    assert format_of(Path("a.tif"), info_of(picture(4, 4), geo=GEO)).disk_per_raw_byte == 2.0


def levels(path: Path) -> list[np.ndarray]:
    """The pixels of the picture and of each smaller one, ``[bands, y, x]``."""
    with opened(path) as raster:
        found, count = [raster.read()], len(raster.overviews(1))
    for level in range(count):
        with rasterio.open(path, OVERVIEW_LEVEL=level) as smaller:
            found.append(smaller.read())
    return found


@pytest.mark.parametrize("colours", [("gray",), ("nir", "red", "green")])
@pytest.mark.parametrize(
    ("dtype", "nodata", "valid"), [("uint16", 0, 5000), ("int16", -9999, 120), ("float32", -3e38, 0.5)]
)
def test_overviews_never_mix_nodata_in(
    tmp_path: Path, dtype: str, nodata: float, valid: float, colours: tuple[str, ...]
) -> None:
    pixels = np.full((len(colours), 1100, 70), valid, dtype)
    pixels[:, np.add.outer(np.arange(1100), np.arange(70)) % 37 < 11] = nodata
    bands = tuple(BandMetadata(colour=colour) for colour in colours)
    path = write(tmp_path / "a.tif", pixels, nodata=float(nodata), metadata=Metadata(bands=bands))
    assert is_valid(path)
    found = levels(path)
    assert len(found) >= 3
    for level in found:
        assert set(np.unique(level)) <= {np.dtype(dtype).type(nodata), np.dtype(dtype).type(valid)}


@pytest.mark.parametrize("colours", [("gray",), ("nir", "red", "green")])
def test_overviews_never_mix_masked_pixels_in(tmp_path: Path, colours: tuple[str, ...]) -> None:
    hole = np.add.outer(np.arange(1100), np.arange(70)) % 37 < 11
    pixels = np.full((len(colours), 1100, 70), 5000, "uint16")
    pixels[:, hole] = 7
    mask = np.where(hole, 0, 255).astype(np.uint8)
    bands = tuple(BandMetadata(colour=colour) for colour in colours)
    path = write(tmp_path / "a.tif", pixels, mask=mask, metadata=Metadata(bands=bands))
    assert is_valid(path)
    with opened(path) as raster:
        np.testing.assert_array_equal(raster.dataset_mask(), mask)
        np.testing.assert_array_equal(raster.read(1), pixels[0])
        shapes = [(raster.height // factor, raster.width // factor) for factor in raster.overviews(1)]
        assert len(shapes) == 2
        for shape in shapes:
            small, there = raster.read(1, out_shape=shape), raster.dataset_mask(out_shape=shape)
            assert set(np.unique(small[there > 0])) == {5000}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    "colours",
    [
        ("blue", "green", "red"),
        ("nir", "red", "green", "undefined"),
        ("red", "green", "blue", "nir"),
        ("gray", "undefined"),
    ],
)
def test_no_band_is_taken_for_another(tmp_path: Path, dtype: str, colours: tuple[str, ...]) -> None:
    """Not by readers of TIFF that know nothing of GDAL: red, green, blue only where they are, alpha nowhere."""
    bands = tuple(BandMetadata(colour=colour) for colour in colours)
    pixels = picture(600, 20, len(colours), dtype)
    path = write(tmp_path / "a.tif", pixels, metadata=Metadata(bands=bands))
    assert is_valid(path)
    with opened(path) as raster:
        assert tuple(kind.name for kind in raster.colorinterp) == colours
        np.testing.assert_array_equal(raster.read(), pixels)
    with tifffile.TiffFile(path) as file:
        assert (file.pages[0].photometric.name == "RGB") == (colours[:3] == ("red", "green", "blue"))
        assert {int(sample) for sample in file.pages[0].extrasamples} <= {0}


GCPS = GeoReference(
    gcps=tuple(
        GroundPoint(row=row, col=col, x=500000 + 10 * col + row, y=5600000 - 9 * row, z=0, name=f"{row}-{col}")
        for row in (0.5, 200.25)
        for col in (0.0, 100.125, 29.5)
    ),
    gcps_crs_wkt=UTM,
)
_CUBIC = " ".join(["1", *["0"] * 19])
_AFFINE = " ".join(["0", "1", *["0"] * 18])
RPCS = GeoReference(
    rpcs={
        **{f"{axis}_OFF": value for axis, value in (("LINE", "79.5"), ("SAMP", "14.25"), ("LAT", "46"), ("LONG", "7"))},
        **{f"{axis}_SCALE": value for axis, value in (("LINE", "80"), ("SAMP", "15"), ("LAT", "1"), ("LONG", "1"))},
        "HEIGHT_OFF": "100",
        "HEIGHT_SCALE": "500",
        "LINE_NUM_COEFF": _AFFINE,
        "LINE_DEN_COEFF": _CUBIC,
        "SAMP_NUM_COEFF": _AFFINE,
        "SAMP_DEN_COEFF": _CUBIC,
    }
)
ROTATED = GeoReference(crs_wkt=UTM, transform=(7.1, 1.3, 500000.0, 1.3, -7.1, 5600000.0))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("geo", [GEO, ROTATED, GCPS, RPCS])
def test_corners_lie_where_they_lay(tmp_path: Path, geo: GeoReference, scale: int) -> None:
    """To a millionth of a pixel, for a scene of three bands of bytes and for one of other bands."""
    for colours in (("red", "green", "blue"), ("nir", "red", "green")):
        pixels = picture(20 * scale, 30 * scale)
        bands = tuple(BandMetadata(colour=colour) for colour in colours)
        info = info_of(picture(20, 30), geo=geo, metadata=Metadata(bands=bands, tags={"AREA_OR_POINT": "Point"}))
        path = tmp_path / f"{colours[0]}.tif"
        write_image(path, info, scale, blocks(pixels, 30), height=20 * scale, width=30 * scale)
        assert is_valid(path)
        with open_image(path) as source:
            found = source.info.geo
        _assert_same_places(geo, found, scale)


def _assert_same_places(before: GeoReference, after: GeoReference, scale: int) -> None:
    if before.transform is not None:
        assert after.transform is not None
        given, found = Affine(*before.transform), Affine(*after.transform)
        for col, row in ((0, 0), (30, 0), (0, 20), (30, 20), (12.5, 3.25)):
            x, y = given @ (col, row)
            back = ~found @ (x, y)
            assert np.allclose(back, (col * scale, row * scale), rtol=0, atol=1e-6)
    for old, new in zip(before.gcps, after.gcps, strict=True):
        assert (new.row, new.col) == pytest.approx((old.row * scale, old.col * scale), abs=1e-6)
        assert (new.x, new.y) == (old.x, old.y)
    if before.rpcs:
        line = [float(after.rpcs[name].split()[0]) for name in ("LINE_OFF", "LINE_SCALE")]
        # the middle of the model's range: 79.5 counts from the first pixel's centre, so it is 80 from its edge
        assert line == pytest.approx([80.0 * scale - 0.5, 80.0 * scale], abs=1e-6)


@pytest.mark.parametrize(("bands", "dtype", "side"), [(3, "uint8", 512), (4, "float32", 256), (64, "uint16", 128)])
def test_tiles_are_smaller_where_pixels_are_large(tmp_path: Path, bands: int, dtype: str, side: int) -> None:
    given = picture_of(CogWriter(), np.zeros((bands, 2, 2), dtype))
    assert tile_side(given) == side
    path = write(tmp_path / "a.tif", np.zeros((bands, 300, 40), dtype))
    assert is_valid(path)
    with opened(path) as raster:
        assert raster.block_shapes[0] == (side, side)


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", picture(1100, 600))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a.tif.stac.json"]


def test_its_temporary_files_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPL_TMPDIR", str(tmp_path / "nowhere"))
    assert is_valid(write(tmp_path / "a.tif", picture(1100, 600)))


def test_a_writer_alone(tmp_path: Path) -> None:
    """What any writer is asked: the blocks once, in order, into the name that it is given."""
    pixels = picture(40, 30)
    made = picture_of(CogWriter(), pixels)
    asked: list[Box] = []

    def given() -> Sequence[tuple[Box, np.ndarray]]:
        parts = blocks(pixels, 8)
        asked.extend(box for box, _ in parts)
        return parts

    with gdal():
        CogWriter().write(tmp_path / "a.tif", made, given())
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert len(asked) == 5


def test_its_info_is_the_inputs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture(40, 30), descriptions=("B4", "B3", "B2"))
    with open_image(path) as source:
        info: ImageInfo = source.info
    assert info.descriptions == ("B4", "B3", "B2")
    assert info.crs_wkt is not None
