"""OME-TIFF as tifffile writes it, and tables by hand: channels are bands, planes are pages."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from storage.errors import ImageError
from storage.images import open_image
from storage.images.layout import Choice
from storage.images.source import num_pages

SIZES = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}


def stack(path: Path, axes: str) -> np.ndarray:
    """What was written, ``[t, z, c, y, x]``."""
    pixels = np.random.default_rng(0).integers(0, 60000, [SIZES[name] for name in axes], dtype=np.uint16)
    told = {"axes": axes, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, pixels, ome=True, metadata=told, photometric="minisblack")
    kept = [name for name in "TZCYX" if name in axes]
    return pixels.transpose([axes.index(name) for name in kept]).reshape(-1, 2, 20, 30)


@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CZYX", "CTYX", "CYX"])
def test_channels_are_bands_and_planes_are_pages(tmp_path: Path, axes: str) -> None:
    planes = stack(tmp_path / "a.ome.tif", axes)
    assert num_pages(tmp_path / "a.ome.tif") == len(planes)
    prints = set()
    for page in range(1, len(planes) + 1):
        with open_image(tmp_path / "a.ome.tif", page=page) as source:
            np.testing.assert_array_equal(source.read(source.info.canvas), planes[page - 1])
            assert source.info.descriptions == ("DAPI", "GFP")
            assert "OME" not in source.info.metadata.tags.get("TIFFTAG_IMAGEDESCRIPTION", "")
            prints.add(source.fingerprint())
    assert len(prints) == len(planes)
    with open_image(tmp_path / "a.ome.tif", page=1, choice=Choice(only=(2,))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), planes[0, 1:])
        assert source.info.descriptions == ("GFP",)
    with pytest.raises(ImageError, match="bands 1 to 2"):
        open_image(tmp_path / "a.ome.tif", page=1, choice=Choice(shown=(3,)))


def test_more_planes_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planes = stack(tmp_path / "a.ome.tif", "CZYX")
    with caplog.at_level(logging.WARNING), open_image(tmp_path / "a.ome.tif") as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), planes[0])
    assert "has 3 planes: the first is taken and 2 are left out" in caplog.text


def by_hand(path: Path, table: str, pages: int = 4) -> None:
    """Pages whose values are their numbers, from 0."""
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYZCT" ID="Pixels:0" SizeC="2" SizeT="1" SizeX="9" SizeY="8" SizeZ="2" Type="uint8">'
        f"{table}</Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(path) as file:
        for number in range(pages):
            file.write(np.full((8, 9), number, np.uint8), description=text if number == 0 else None, metadata=None)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("<TiffData/>", [(0, 2), (1, 3)]),
        ('<TiffData IFD="2" PlaneCount="2"/><TiffData FirstC="1" IFD="0" PlaneCount="2"/>', [(2, 0), (3, 1)]),
        (
            '<TiffData IFD="3"/><TiffData FirstZ="1" IFD="2"/><TiffData FirstC="1" IFD="1"/>'
            '<TiffData FirstC="1" FirstZ="1" IFD="0"/>',
            [(3, 1), (2, 0)],
        ),
    ],
)
def test_which_page_is_which(tmp_path: Path, table: str, expected: list[tuple[int, int]]) -> None:
    by_hand(tmp_path / "a.tif", table)
    for page, values in enumerate(expected, 1):
        with open_image(tmp_path / "a.tif", page=page) as source:
            assert tuple(source.read(source.info.canvas)[:, 0, 0]) == values


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('<TiffData IFD="0"/>', "has no page"),
        ('<TiffData IFD="3" PlaneCount="4"/>', "has no page"),
        (
            '<TiffData IFD="0"><UUID FileName="a.tif">u</UUID></TiffData><TiffData IFD="0" FirstC="1"><UUID '
            'FileName="b.tif">v</UUID></TiffData>',
            "several files",
        ),
    ],
)
def test_a_table_that_does_not_fit(tmp_path: Path, table: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    by_hand(tmp_path / "a.tif", table)
    with caplog.at_level(logging.WARNING):
        assert num_pages(tmp_path / "a.tif") == 4
    assert said in caplog.text
    assert "each page is a picture" in caplog.text
