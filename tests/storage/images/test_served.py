"""Files that GDAL reads through Python: a file object that keeps its place, and a file system of one name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from storage.errors import ImageError
from storage.images.served import Served, failures_of, registered
from tests.storage.images.files import picture, write_raster


class Bytes(Served):
    def __init__(self, data: bytes, name: str = "a.tif", fails_at: int | None = None) -> None:
        self.data, self.name, self.fails_at = data, name, fails_at
        self.asked: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, start: int, count: int) -> bytes:
        self.asked.append((start, count))
        if self.fails_at is not None and start + count > self.fails_at:
            raise ImageError("the server went away")
        return self.data[start : start + count]


def test_it_keeps_its_place() -> None:
    with Bytes(b"0123456789").open() as file:
        assert (file.read(3), file.tell()) == (b"012", 3)
        assert (file.seek(2, 1), file.read(2)) == (5, b"56")
        assert (file.seek(-1, 2), file.read()) == (9, b"9")
        assert (file.seek(20), file.read(5)) == (20, b"")
        assert (file.seek(0), file.read(-1), file.read(1)) == (0, b"0123456789", b"")


def test_nothing_is_asked_beyond_its_end() -> None:
    served = Bytes(b"0123456789")
    with served.open() as file:
        file.seek(8)
        assert file.read(100) == b"89"
    assert served.asked == [(8, 2)]


def test_each_handle_is_its_own() -> None:
    served = Bytes(b"0123456789")
    first, second = served.open(), served.open()
    first.read(4)
    assert second.read(2) == b"01"


def test_who_reads_in_python_hears_of_it_at_once() -> None:
    with Bytes(b"0123456789", fails_at=4).open() as file, pytest.raises(ImageError, match="went away"):
        file.read()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_sees_that_file_alone(tmp_path: Path) -> None:
    pixels = picture(40, 50)
    data = write_raster(tmp_path / "a.tif", pixels).read_bytes()
    with registered(Bytes(data)) as name, rasterio.open(name) as raster:
        np.testing.assert_array_equal(raster.read(), pixels)
        assert raster.files == [name] or not raster.files[1:]
    with registered(Bytes(data)) as name, pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(name.replace("a.tif", "b.tif"))


@pytest.mark.parametrize("raises", [True, False])
def test_a_failure_is_told_whether_gdal_noticed_or_not(raises: bool) -> None:
    served = Bytes(b"")
    with pytest.raises(ImageError, match="the server went away"), failures_of(served):  # noqa: PT012
        served.failure = "the server went away"
        if raises:
            raise OSError("read of 100 bytes came back short")


def test_other_errors_are_their_own() -> None:
    with pytest.raises(KeyError), failures_of(Bytes(b"")):
        raise KeyError
