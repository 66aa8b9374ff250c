"""Files whose bytes come through Python: read in one thread, and what fails there is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from storage.box import Box
from storage.errors import ImageError
from storage.images.consent import Consent
from storage.images.layout import ALL
from storage.images.place import find_place
from storage.images.served import Served
from storage.images.served_source import ServedSource
from tests.storage.images.files import picture, write_raster

PIXELS = picture(256, 256, 4)


class Bytes(Served):
    """What a file held, until it is gone."""

    name = "a.tif"

    def __init__(self, data: bytes) -> None:
        self.data, self.is_gone = data, False
        self.threads: set[str] = set()

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, start: int, count: int) -> bytes:
        self.threads.add(threading.current_thread().name)
        if self.is_gone:
            raise ImageError("a.tif is gone")
        return self.data[start : start + count]


def opened(path: Path) -> tuple[Bytes, ServedSource]:
    write_raster(path, PIXELS, photometric="RGB", ALPHA="YES", tiled=True, blockxsize=64, blockysize=64)
    served = Bytes(path.read_bytes())
    consent = Consent(place=find_place(str(path)), drivers=("GTiff",), served=served)
    return served, ServedSource(consent, ALL)


def test_every_way_to_read_goes_through_its_own_thread(tmp_path: Path) -> None:
    served, source = opened(tmp_path / "a.tif")
    boxes = [Box(top=top, left=50, height=30, width=40) for top in (0, 70, 130, 200)]
    with source, ThreadPoolExecutor(4) as pool:
        for box, (found, valid) in zip(boxes, pool.map(source.look, boxes), strict=True):
            np.testing.assert_array_equal(found, PIXELS[:3, *box.slices])
            np.testing.assert_array_equal(valid, PIXELS[3:, *box.slices] > 0)
        np.testing.assert_array_equal(source.read(boxes[1]), PIXELS[:3, *boxes[1].slices])
        np.testing.assert_array_equal(source.alpha(boxes[1]), PIXELS[3, *boxes[1].slices])
        assert len(list(source.rows(100))) == 3
    assert all(name.startswith("served") for name in served.threads), served.threads


@pytest.mark.parametrize("way", ["look", "read", "alpha"])
def test_what_fails_in_python_is_what_is_told(tmp_path: Path, way: str) -> None:
    served, source = opened(tmp_path / "a.tif")
    served.is_gone = True
    with source, pytest.raises(ImageError, match=r"^a\.tif is gone$"):
        getattr(source, way)(Box(top=200, left=130, height=20, width=20))
