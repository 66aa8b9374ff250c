from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from storage.images import open_image, write_image
from storage.images.formats import losses
from storage.images.info import ImageInfo
from storage.images.metadata import Metadata, read_metadata
from tests.storage.images.files import blocks, info_of, picture, pillow, write_raster
from tests.storage.images.writers.pictures import opened

SCALE = 4
PLACE = {"crs": "EPSG:32631", "transform": Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0)}
EVERYTHING = {
    "TIFFTAG_IMAGEDESCRIPTION": "Box 12",
    "TIFFTAG_ARTIST": "Archive",
    "SENSOR": "S2",
    "AREA_OR_POINT": "Point",
}


@contextmanager
def changed(path: Path) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as raster:
            yield raster


def enlarge(source: Path, target: Path) -> ImageInfo:
    """Through the whole way of a result, every pixel repeated."""
    with open_image(source) as image:
        info = image.info
        large = image.read(info.canvas).repeat(SCALE, 1).repeat(SCALE, 2)
        size = {"height": info.height * SCALE, "width": info.width * SCALE}
        alpha = image.alpha if info.has_alpha else None
        write_image(target, info, SCALE, blocks(large, 64), overwrite=True, alpha=alpha, **size)
    return info


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = write_raster(
        tmp_path / "scene.tif", picture(40, 30, 3, "uint16"), nodata=0, names=("B4", None, "B2"), **PLACE
    )
    with changed(path) as raster:
        raster.scales, raster.offsets = (1e-4,) * 3, (-0.1, 0.0, 0.5)
        raster.units = ("reflectance", "reflectance", "K")
        raster.update_tags(**EVERYTHING)
        raster.update_tags(STATISTICS_MEAN="7", TIFFTAG_SOFTWARE="Sensor 3")
        raster.update_tags(ns="IMAGERY", CLOUDCOVER="3")
        raster.update_tags(2, wavelength="560", STATISTICS_MAXIMUM="9")
    return path


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_a_scene_keeps_what_its_values_mean(tmp_path: Path, scene: Path, suffix: str) -> None:
    """PNG: in the sidecar beside it."""
    enlarge(scene, tmp_path / f"out{suffix}")
    with opened(scene) as before, opened(tmp_path / f"out{suffix}") as after:
        for name in ("scales", "offsets", "units", "descriptions", "nodatavals", "dtypes"):
            assert getattr(after, name) == getattr(before, name), name
        assert after.tags(2) == {"wavelength": "560"}
        assert after.tags().items() >= EVERYTHING.items()
        assert after.tags()["TIFFTAG_SOFTWARE"] == "Sensor 3"
        assert after.tags()["IMAGERY.CLOUDCOVER"] == "3"
        assert "STATISTICS_MEAN" not in after.tags()
        assert after.bounds == before.bounds


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_a_gray_scene_beside_other_formats(tmp_path: Path, suffix: str) -> None:
    path = write_raster(tmp_path / "in.tif", picture(20, 20, 1), nodata=7, names=("B8",), **PLACE)
    enlarge(path, tmp_path / f"out{suffix}")
    with opened(path) as before, opened(tmp_path / f"out{suffix}") as after:
        assert after.bounds == before.bounds
        assert after.nodatavals[0] == 7
        assert after.descriptions[0] == "B8"


def test_nan_of_any_kind_is_nodata(tmp_path: Path) -> None:
    """A whole tile of NaN with a sign, as x86 makes it of 0 / 0, is not kept as it is."""
    pixels = np.full((1, 600, 20), -np.nan, np.float32)
    pixels.view(np.uint32)[:] |= 0x80000000
    pixels[:, :4] = np.linspace(-1, 1, 80, dtype=np.float32).reshape(4, 20)
    info = info_of(pixels, nodata=float("nan"), dtype="float32")
    for name in ("a.tif", "a.cog.tif"):
        write_image(tmp_path / name, info, 1, blocks(pixels, 64), height=600, width=20)
        with opened(tmp_path / name) as raster:
            assert np.isnan(raster.nodata)
            np.testing.assert_array_equal(raster.read(), pixels)


def test_a_file_that_lies_nowhere_keeps_its_namespaces(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "in.tif", picture(20, 20))
    with changed(path) as raster:
        raster.update_tags(ns="IMAGERY", CLOUDCOVER="3")
        raster.update_tags(1, ns="FILTER", used="yes")
    enlarge(path, tmp_path / "out.tif")
    with opened(tmp_path / "out.tif") as after:
        assert after.tags(ns="IMAGERY") == {"CLOUDCOVER": "3"}
        assert after.tags(1, ns="FILTER") == {"used": "yes"}


@pytest.mark.parametrize("place", [{}, PLACE])
@pytest.mark.parametrize(
    "colours", [("blue", "green", "red"), ("red", "green", "blue"), ("gray", "undefined", "undefined"), ("nir",)]
)
def test_bands_go_on_showing_what_they_show(tmp_path: Path, colours: tuple[str, ...], place: dict[str, Any]) -> None:
    wanted = tuple(ColorInterp[colour] for colour in colours)
    path = write_raster(tmp_path / "in.tif", picture(20, 20, len(colours)), photometric="MINISBLACK", **place)
    with changed(path) as raster:
        raster.colorinterp = wanted
    enlarge(path, tmp_path / "out.tif")
    with opened(tmp_path / "out.tif") as after:
        assert after.colorinterp == wanted
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert (file.pages[0].photometric.name == "RGB") == (colours == ("red", "green", "blue"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_blue_green_red_is_shown_in_its_colours(tmp_path: Path, suffix: str) -> None:
    """PNG, JPEG and WebP show their first band red, whatever it is: bands change places with all of theirs."""
    red = np.stack([np.full((16, 16), value, np.uint8) for value in (10, 60, 220)])
    path = write_raster(tmp_path / "bgr.tif", red, photometric="MINISBLACK", names=("B2", "B3", "B4"))
    with changed(path) as raster:
        raster.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
        raster.offsets = (1.0, 2.0, 3.0)
    enlarge(path, tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert np.abs(np.asarray(image.convert("RGB"), int) - (220, 60, 10)).max() <= 3
    with opened(tmp_path / f"out{suffix}") as after:
        assert after.descriptions == ("B4", "B3", "B2")
        assert after.offsets == (3.0, 2.0, 1.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("place", [{}, PLACE])
def test_premultiplied_alpha_stays_so(tmp_path: Path, dtype: str, place: dict[str, Any]) -> None:
    most = np.iinfo(dtype).max
    alpha = np.linspace(0, most, 400).reshape(20, 20).astype(dtype)
    pixels = np.concatenate([np.minimum(picture(20, 20, 3, dtype), alpha), alpha[None]])
    with rasterio.Env(GTIFF_ALPHA="PREMULTIPLIED"):
        path = write_raster(tmp_path / "in.tif", pixels, photometric="RGB", **place)
        with changed(path) as raster:
            raster.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    with tifffile.TiffFile(path) as file:
        assert [int(sample) for sample in file.pages[0].extrasamples] == [1]
    enlarge(path, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [int(sample) for sample in file.pages[0].extrasamples] == [1]
        found = file.asarray()
    assert (found[..., :3] <= found[..., 3:]).all()
    enlarge(path, tmp_path / "out.png")
    with opened(tmp_path / "out.png") as raster:
        straight = raster.read().astype(float)
    over_black = straight[:3] * straight[3] / most
    assert np.abs(over_black - np.moveaxis(found[..., :3], -1, 0)).max() <= most / 255


def test_straight_alpha_stays_so(tmp_path: Path) -> None:
    pillow(picture(20, 20, 4)).save(tmp_path / "in.png")
    enlarge(tmp_path / "in.png", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [int(sample) for sample in file.pages[0].extrasamples] == [2]


@pytest.mark.parametrize("place", [{}, PLACE])
def test_a_mask_stays_a_mask_with_its_very_edge(tmp_path: Path, place: dict[str, Any]) -> None:
    hole = np.full((20, 20), 255, np.uint8)
    hole[3:9, 4:17] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_raster(tmp_path / "in.tif", picture(20, 20), **place)
        with changed(path) as raster:
            raster.write_mask(hole)
    enlarge(path, tmp_path / "out.tif")
    with opened(tmp_path / "out.tif") as after:
        assert after.count == 3
        np.testing.assert_array_equal(after.dataset_mask(), hole.repeat(SCALE, 0).repeat(SCALE, 1))
    assert not (tmp_path / "out.tif.msk").exists()
    enlarge(path, tmp_path / "out.png")
    with opened(tmp_path / "out.png") as after:
        np.testing.assert_array_equal(after.read(4), hole.repeat(SCALE, 0).repeat(SCALE, 1))


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_a_resolution_is_told_anew_and_a_ratio_kept(tmp_path: Path, unit: int) -> None:
    path = write_raster(tmp_path / "in.tif", picture(20, 20))
    with changed(path) as raster:
        raster.update_tags(TIFFTAG_XRESOLUTION=100, TIFFTAG_YRESOLUTION=50, TIFFTAG_RESOLUTIONUNIT=unit)
    enlarge(path, tmp_path / "out.tif")
    with opened(tmp_path / "out.tif") as after:
        tags = after.tags()
        found = (
            float(tags["TIFFTAG_XRESOLUTION"]),
            float(tags["TIFFTAG_YRESOLUTION"]),
            tags["TIFFTAG_RESOLUTIONUNIT"][0],
        )
    wanted = {1: (100, 50, "1"), 2: (400, 200, "2"), 3: (1016, 508, "2")}[unit]
    assert found == (pytest.approx(wanted[0]), pytest.approx(wanted[1]), wanted[2])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("dpi", [(4e9, 4e9), (0.0, 0.0), (2.8e257, 1.0), (float("nan"), 72.0), (20000.0, 20000.0)])
def test_no_resolution_ends_an_export(tmp_path: Path, suffix: str, dpi: tuple[float, float]) -> None:
    large = picture(16, 16)
    info = info_of(large[:, ::4, ::4], dpi=dpi)
    path = tmp_path / f"out{suffix}"
    write_image(path, info, SCALE, blocks(large, 16), height=16, width=16)
    with Image.open(path) as image:
        found = image.info.get("dpi", (72, 72))
    meant = dpi[0] == 20000.0 and suffix in (".png", ".tif")
    assert found[0] == (pytest.approx(80000.0, abs=0.1) if meant else pytest.approx(72, abs=72))
    said = " ".join(losses(str(path), info, SCALE))
    assert ("resolution" in said) == (suffix == ".jpg" if dpi[0] == 20000.0 else any(dpi))


def test_nothing_is_known_of_a_palettes_colours(tmp_path: Path) -> None:
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("RGB").quantize(8).save(tmp_path / "in.png")
    info = enlarge(tmp_path / "in.png", tmp_path / "out.tif")
    assert info.metadata.bands == ()
    with opened(tmp_path / "out.tif") as after:
        assert after.count == info.num_bands


def test_what_a_plain_file_says_is_nothing(tmp_path: Path) -> None:
    pillow(picture(8, 8)).save(tmp_path / "in.png")
    with opened(tmp_path / "in.png") as raster:
        found = read_metadata(raster, (1, 2, 3))
    assert [band.colour for band in found.bands] == ["red", "green", "blue"]
    assert all(band.is_plain for band in found.bands)
    assert not found.is_sidecar_worth
    assert found == Metadata(bands=found.bands)
