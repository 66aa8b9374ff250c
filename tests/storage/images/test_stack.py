"""Band files of one scene as one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.transform import Affine

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image
from storage.images.described import ONE_IN_ALL
from storage.images.layout import Choice
from tests.storage.images.files import picture, write_raster

PIXELS = picture(20, 30, 3, "uint16")
PLACE: dict[str, Any] = {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}


def band(folder: Path, name: str, pixels: np.ndarray = PIXELS[:1], **facts: Any) -> str:
    return str(write_raster(folder / name, pixels, **{**PLACE, **facts}))


def bands(folder: Path, **facts: Any) -> list[str]:
    return [band(folder, f"B0{4 - n}.tif", PIXELS[n : n + 1], **facts) for n in range(3)]


def test_its_bands_are_the_files_in_their_order(tmp_path: Path) -> None:
    names = bands(tmp_path, nodata=0)
    with open_image(names) as source, open_image(names[0]) as first:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS)
        box = Box(top=3, left=4, height=5, width=6)
        np.testing.assert_array_equal(source.read(box), PIXELS[:, *box.slices])
        info = source.info
        assert (info.num_bands, info.dtype, info.nodata) == (3, "uint16", 0)
        assert (info.crs_wkt, info.transform) == (first.info.crs_wkt, first.info.transform)
        assert info.descriptions == ("B04", "B03", "B02")
        assert info.files == tuple(names)
        assert source.alpha(box) is None


def test_a_description_of_a_file_s_own_stays(tmp_path: Path) -> None:
    names = bands(tmp_path)
    band(tmp_path, "B03.tif", PIXELS[1:2], names=("green",))
    with open_image(names) as source:
        assert source.info.descriptions == ("B04", "green", "B02")


def test_bands_choose_what_is_shown_and_all_files_are_carried(tmp_path: Path) -> None:
    names = [*bands(tmp_path), band(tmp_path, "B08.tif")]
    with open_image(names, choice=Choice(shown=(4, 3, 2))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS[[0, 1, 2, 0]])
        assert source.info.shown_bands == (3, 2, 1)
        assert [one.colour for one in source.info.metadata.bands] == ["undefined", "blue", "green", "red"]
        assert source.info.notes == ()
    with open_image(names, choice=Choice(only=(4, 2, 1), shown=(1,))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS[[0, 1, 0]])
        assert source.info.shown_bands == (2,)
    for choice in (Choice(shown=(5,)), Choice(only=(0,))):
        with pytest.raises(ImageError, match="expected 1 to 4, one a file"):
            open_image(names, choice=choice)
    with pytest.raises(ImageError, match=r"expected one or three of them, got \(1, 2\)"):
        open_image(names, choice=Choice(shown=(1, 2)))


@pytest.mark.parametrize(
    ("count", "shown", "words"), [(2, (0,), "of two"), (3, (0, 1, 2), ""), (5, (0, 1, 2), "1, 2, 3")]
)
def test_what_is_shown_of_so_many_files(tmp_path: Path, count: int, shown: tuple[int, ...], words: str) -> None:
    names = [band(tmp_path, f"{n}.tif", PIXELS[n % 3 : n % 3 + 1]) for n in range(count)]
    with open_image(names) as source:
        assert (source.info.num_bands, source.info.shown_bands) == (count, shown)
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS[[n % 3 for n in range(count)]])
        assert len(source.info.notes) == (words != "")
        assert words in "".join(source.info.notes)


@pytest.mark.parametrize(
    ("values", "kept", "words"),
    [((None, 7, None), 7, "(none, 7)"), ((9, 7, None), 9, "(9, 7, none)"), ((7, 7, 7), 7, ""), ((None,) * 3, None, "")],
)
def test_files_may_name_different_nodata_values(
    tmp_path: Path, values: tuple[int | None, ...], kept: int | None, words: str
) -> None:
    """Each is a hole in its own band; the result has one."""
    pixels = picture(12, 14, 3, "uint16")
    pixels[:, 2, 3], pixels[:, 4, 5] = 7, 9
    names = [band(tmp_path, f"{n}.tif", pixels[n : n + 1], nodata=value) for n, value in enumerate(values)]
    with open_image(names) as source:
        assert source.info.nodata == kept
        assert [note for note in source.info.notes if "nodata" in note] == (
            [f"INPUT files name different nodata values {words}: {ONE_IN_ALL}"] if words else []
        )
        _, valid = source.look(source.info.canvas)
        if kept is None:
            assert valid is None
            return
        assert valid is not None
        expected = np.stack(
            [one != value if value else np.ones(one.shape, bool) for one, value in zip(pixels, values, strict=True)]
        )
        np.testing.assert_array_equal(np.broadcast_to(valid, pixels.shape), expected)


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 7), ("float32", None), ("float32", -1)])
def test_holes_are_each_band_s_own(tmp_path: Path, dtype: str, nodata: float | None) -> None:
    pixels = np.full((2, 6, 8), 9, dtype)
    pixels[0, 1], pixels[1, :, 2] = (np.nan if nodata is None else nodata,) * 2
    names = [band(tmp_path, f"{n}.tif", pixels[n : n + 1], nodata=nodata) for n in range(2)]
    with open_image(names) as source:
        found, valid = source.look(source.info.canvas)
        assert (source.info.holes, source.info.nodata) == ("bands", nodata)
        np.testing.assert_array_equal(found, pixels)
        np.testing.assert_array_equal(valid, pixels == 9)


def test_bands_with_alpha_are_data_where_all_are(tmp_path: Path) -> None:
    opacity = np.full((2, 6, 8), 255, np.uint8)
    opacity[0, 1], opacity[1, :, 2] = 0, 40
    names = []
    for n in range(2):
        pixels = np.concatenate([picture(6, 8, 1), opacity[n : n + 1]])
        names.append(band(tmp_path, f"{n}.tif", pixels, photometric="MINISBLACK", ALPHA="YES"))
    with open_image(names) as source:
        _, valid = source.look(source.info.canvas)
        assert (source.info.holes, source.info.has_alpha) == ("pixels", True)
        np.testing.assert_array_equal(source.alpha(source.info.canvas), opacity.min(axis=0))
        np.testing.assert_array_equal(valid, opacity.min(axis=0, keepdims=True) > 0)
    with pytest.raises(ImageError, match="has 2 bands; expected one"):
        open_image(names, choice=Choice(alpha="none"))


def test_one_name_is_that_image(tmp_path: Path) -> None:
    names = bands(tmp_path)
    with open_image(names[:1]) as listed, open_image(names[0]) as plain:
        assert listed.info == plain.info
        assert listed.fingerprint() == plain.fingerprint()


def test_order_and_every_file_are_a_part_of_what_it_is(tmp_path: Path) -> None:
    names = bands(tmp_path)

    def sha(given: list[str]) -> str:
        with open_image(given) as source:
            return source.fingerprint()

    before = sha(names)
    assert sha(names[::-1]) != before
    band(tmp_path, "B02.tif", PIXELS[:1])
    assert sha(names) != before


def test_opaque_is_what_all_are(tmp_path: Path) -> None:
    names = bands(tmp_path)
    for name, rows in zip(names[:2], (slice(0, 4), slice(2, 6)), strict=True):
        import rasterio

        mask = np.full((20, 30), 255, np.uint8)
        mask[rows] = 0
        with rasterio.open(name, "r+") as raster:
            raster.write_mask(mask)
    with open_image(names) as source:
        alpha = source.alpha(source.info.canvas)
    assert alpha is not None
    np.testing.assert_array_equal(alpha[:, 0] == 0, np.arange(20) < 6)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"pixels": picture(10, 15, 1, "uint16")}, "10 x 15 pixels against 20 x 30: the first is 2 times finer"),
        ({"pixels": picture(40, 60, 1, "uint16")}, "40 x 60 pixels against 20 x 30: the second is 2 times finer"),
        ({"pixels": picture(21, 30, 1, "uint16")}, "21 x 30 pixels against 20 x 30; expected one size"),
        ({"pixels": picture(20, 30, 1)}, "uint8 values against uint16"),
        ({"crs": "EPSG:32632"}, "coordinate systems differ"),
        ({"transform": Affine(10, 0, 5e5, 0, -10, 4e6 + 5)}, "different places on the ground"),
        ({"pixels": PIXELS}, "has 3 bands; expected one"),
    ],
)
def test_what_differs_is_told(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    names = bands(tmp_path)
    names[2] = band(tmp_path, "other.tif", **other)
    with pytest.raises(ImageError, match=words) as caught:
        open_image(names)
    assert "\n" not in str(caught.value)


def test_one_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.tif"):
        open_image([*bands(tmp_path)[:2], str(tmp_path / "gone.tif")])
