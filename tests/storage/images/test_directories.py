"""The chain of a TIFF's directories, against tifffile's own reading, and broken ones."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile

from storage.images.directories import HEIGHT, WIDTH, directories, is_tiff, pages


def scan(*, bigtiff: bool = False, byteorder: str = "<", description: str | None = None) -> bytes:
    """Two pages with an overview each, and a mask."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as tiff:  # type: ignore[arg-type]
        for number in range(2):
            tiff.write(np.zeros((20 + number, 30), np.uint8), description=description, metadata=None)
            tiff.write(np.zeros((10, 15), np.uint8), subfiletype=1, metadata=None)
        tiff.write(np.zeros((20, 30), bool), subfiletype=4, photometric="minisblack", metadata=None)
    return file.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_each_directory_in_its_order(bigtiff: bool, byteorder: str) -> None:
    data = scan(bigtiff=bigtiff, byteorder=byteorder)
    found = list(directories(io.BytesIO(data)))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert [one.offset for one in found] == [page.offset for page in tiff.pages]
    assert [one.number for one in found] == [1, 2, 3, 4, 5]
    assert [(one.tags[HEIGHT], one.tags[WIDTH]) for one in found] == [(20, 30), (10, 15), (21, 30), (10, 15), (20, 30)]
    assert [one.is_page for one in found] == [True, False, True, False, False]
    assert [one.number for one in pages(io.BytesIO(data))] == [1, 3]
    assert is_tiff(data)


def test_levels_of_a_slide_are_no_pages() -> None:
    data = scan(description="Aperio Image Library v12")
    assert [one.number for one in pages(io.BytesIO(data))] == [1]
    assert [one.number for one in pages(io.BytesIO(scan(description="A picture of Aperio's")))] == [1, 3]


def test_an_old_kind_of_mask() -> None:
    """SubfileType 2, a smaller copy, of TIFF 5."""
    entries = struct.pack("<HHIHH", 255, 3, 1, 2, 0)
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entries + struct.pack("<I", 0)
    (found,) = directories(io.BytesIO(data))
    assert not found.is_page


@pytest.mark.parametrize("damage", ["cut", "circle", "no TIFF", "nothing"])
def test_what_is_broken_ends(damage: str) -> None:
    data = bytearray(scan())
    first = next(directories(io.BytesIO(data)))
    after = first.offset + 2 + 12 * struct.unpack_from("<H", data, first.offset)[0]
    if damage == "circle":
        struct.pack_into("<I", data, after, first.offset)
    broken = {"cut": data[: after - 5], "circle": data, "no TIFF": b"\x89PNG" + bytes(20), "nothing": b""}[damage]
    found = list(directories(io.BytesIO(bytes(broken))))
    assert len(found) == (damage in ("circle", "cut"))
