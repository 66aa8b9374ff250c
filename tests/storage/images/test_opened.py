"""An open image, whatever reads it: boxes inside, rows from the top, closed at the end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from storage.box import Box
from storage.images.opened import ImageSource, stamp_of
from tests.storage.images.files import info_of, picture

PIXELS = picture(23, 16)


class InMemory(ImageSource):
    def __init__(self) -> None:
        self.info, self.is_open = info_of(PIXELS), True

    def alpha(self, box: Box) -> None:
        return None

    def close(self) -> None:
        self.is_open = False

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        return PIXELS[:, *box.slices], None


@pytest.mark.parametrize("height", [1, 8, 23, 100])
def test_rows_are_the_whole_image_from_the_top(height: int) -> None:
    parts = list(InMemory().rows(height))
    np.testing.assert_array_equal(np.concatenate([pixels for _, pixels in parts], axis=1), PIXELS)
    assert [box.top for box, _ in parts] == list(range(0, 23, height))
    assert all(box.height == min(height, 23 - box.top) for box, _ in parts)
    assert all((box.left, box.width) == (0, 16) for box, _ in parts)


@pytest.mark.parametrize(
    "box",
    [
        Box(top=0, left=0, height=24, width=16),
        Box(top=0, left=1, height=23, width=16),
        Box(top=-1, left=0, height=2, width=2),
        Box(top=23, left=0, height=1, width=1),
    ],
)
def test_a_box_that_is_not_inside_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match=r"is not inside .*, 23 x 16"):
        InMemory().read(box)


def test_a_with_block_closes_it() -> None:
    image = InMemory()
    with image as opened:
        assert opened is image
        assert image.is_open
    assert not image.is_open


def test_a_file_that_is_written_again_has_another_stamp(tmp_path: Path) -> None:
    """Replaced, grown or touched; what is no local file says nothing."""
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    path.write_bytes(b"abc")
    other.write_bytes(b"abc")
    seen = [stamp_of([path, "s3://bucket/a.tif", "", "a\0b"]), stamp_of([path, other])]
    assert stamp_of([path, path]) == seen[0]
    os.utime(path, ns=(1, 1))
    seen.append(stamp_of([path]))
    os.utime(other, ns=(1, 1))
    other.replace(path)
    seen.append(stamp_of([path]))
    path.write_bytes(b"abcd")
    os.utime(path, ns=(1, 1))
    seen.append(stamp_of([path]))
    assert len({*seen}) == len(seen)
    assert stamp_of(["s3://bucket/a.tif"]) == ""
