from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile

from storage.images.directory import EXTRA_SAMPLES, IPTC, read_tags
from tests.storage.images.files import picture


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
def test_tags_that_tifffile_wrote(tmp_path: Path, order: str, is_big: bool) -> None:
    path = tmp_path / "a.tif"
    pixels = np.ascontiguousarray(picture(8, 8, 4).transpose(1, 2, 0))
    records = b"\x1c\x02\x05\x00\x05Title" * 9
    tifffile.imwrite(
        path,
        pixels,
        byteorder=order,
        bigtiff=is_big,
        photometric="rgb",
        extrasamples=["assocalpha"],
        extratags=[(IPTC, 7, len(records), records, True)],
    )
    with path.open("rb") as file:
        found = read_tags(file, (EXTRA_SAMPLES, IPTC))
    assert found[EXTRA_SAMPLES].numbers == (1,)
    assert found[IPTC].raw == records


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0" + b"\xff" * 12, b"\x89PNG" + bytes(30), b"MM\0+" + bytes(20)])
def test_what_is_no_directory_has_no_tags(data: bytes) -> None:
    assert read_tags(io.BytesIO(data), (EXTRA_SAMPLES,)) == {}
