"""Files that another package reads: asked for last, held to what they must give, and blamed by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image
from storage.images.layout import Choice
from storage.images.source import packages_of
from tests.storage.images.files import picture
from tests.support.outside import install

READER = """
import numpy as np
from storage.images.readers.reader import Reader

class Held:
    def __init__(self, array):
        self.array, self.shape, self.dtype, self.closed = array, array.shape, str(array.dtype), 0

    def read(self, box, bands):
        found = self.array[list(bands)][:, *box.slices]
        return {given}

    def close(self):
        self.closed += 1

class NpyReader(Reader):
    suffixes = ("npy",)

    def open(self, path):
        return Held(np.load(path))

NPY = NpyReader()
"""
Add = Callable[..., None]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Add:
    monkeypatch.chdir(tmp_path)

    def run(given: str = "found") -> None:
        monkeypatch.delitem(sys.modules, "npy_reader", raising=False)
        entries = {"gigatile.readers": {"npy": "npy_reader:NPY"}}
        files = {"npy_reader.py": READER.format(given=given)}
        install(monkeypatch, tmp_path / "site", entries, name="npy-reader", version="3.1", files=files)

    return run


def test_without_it_the_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", picture(20, 30))
    with pytest.raises(ImageError, match=r"in\.npy is no image that can be read"):
        open_image(tmp_path / "in.npy")
    assert packages_of(tmp_path / "in.npy") == {}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_its_pixels_are_read_window_by_window(add: Add, dtype: str) -> None:
    add()
    pixels = picture(20, 30, 3, dtype)
    np.save("in.npy", pixels)
    with open_image("in.npy") as source:
        info = source.info
        assert (info.height, info.width, info.num_bands, info.dtype, info.driver) == (20, 30, 3, dtype, "NPY")
        assert info.packages == {"npy-reader": "3.1"} == packages_of("in.npy")
        box = Box(top=3, left=4, height=5, width=6)
        np.testing.assert_array_equal(source.read(box), pixels[:, 3:8, 4:10])
        np.testing.assert_array_equal(np.concatenate([rows for _, rows in source.rows(7)], 1), pixels)
        assert source.alpha(box) is None
        with pytest.raises(ValueError, match="is not inside"):
            source.read(Box(top=18, left=0, height=5, width=5))
    with open_image("in.npy", choice=Choice(only=(3,))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), pixels[2:])


def test_it_never_stands_between_gdal_and_a_file(add: Add) -> None:
    add("1 / 0")
    Image.fromarray(picture(20, 30).transpose(1, 2, 0)).save("in.npy", "PNG")
    with open_image("in.npy") as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), picture(20, 30))
        assert source.info.packages == {} == packages_of("in.npy")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("found[:, :1]", r"npy-reader 3\.1 gives uint8 \(3, 1, 5\) for .*, expected uint8 \(3, 5, 5\)"),
        ("found.astype('float32')", r"npy-reader 3\.1 gives float32 \(3, 5, 5\)"),
        (
            "1 / 0",
            r"in\.npy cannot be read: the reader of the package npy-reader 3\.1 says ZeroDivisionError: division",
        ),
    ],
)
def test_what_it_does_wrong_is_one_line_that_names_it(add: Add, given: str, match: str) -> None:
    add(given)
    np.save("in.npy", picture(20, 30))
    with open_image("in.npy") as source, pytest.raises(ImageError, match=match):
        source.read(Box(top=0, left=0, height=5, width=5))


@pytest.mark.parametrize(
    ("pixels", "bands", "match"),
    [
        (np.zeros((4, 8, 8), np.uint8), (1, 5, 2), "has bands 1 to 4; expected one or three of them"),
        (np.zeros((3, 8, 8), np.complex64), None, "complex64 of 8 x 8 pixels; expected uint8, int8, uint16"),
        (np.zeros((3, 0, 8), np.uint8), None, "of 0 x 8 pixels"),
    ],
)
def test_what_we_do_not_take(add: Add, pixels: np.ndarray, bands: tuple[int, ...] | None, match: str) -> None:
    add()
    np.save("in.npy", pixels)
    with pytest.raises(ImageError, match=match):
        open_image("in.npy", choice=Choice(shown=bands))


def test_a_damaged_file_and_a_broken_package_are_one_line(
    add: Add, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add()
    Path("in.npy").write_bytes(b"no array")
    with pytest.raises(ImageError, match=r"in\.npy cannot be read: the reader of the package npy-reader 3\.1 says"):
        open_image("in.npy")
    install(monkeypatch, tmp_path / "more", {"gigatile.readers": {"xyz": "nowhere_at_all:XYZ"}}, name="broken")
    Path("in.xyz").write_bytes(b"no array")
    with pytest.raises(ImageError, match=r"in\.xyz cannot be read: reader 'xyz' of the package broken 1\.0 cannot be"):
        open_image("in.xyz")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 7), (3, 7, 1)])
def test_one_pixel_is_a_picture(add: Add, shape: tuple[int, int, int]) -> None:
    add()
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.save("in.npy", pixels)
    with open_image("in.npy") as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), pixels)
        assert (source.info.height, source.info.width) == shape[1:]
