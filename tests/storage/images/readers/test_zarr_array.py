"""Windows of an array: each chunk is decoded once, and no more are kept than there is room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from storage.box import Box
from storage.images.readers import zarr_array
from storage.images.readers.axes import named_axes
from storage.images.readers.zarr_array import ZarrPlane


class Array:
    """As much of Zarr's array as is used, which counts the pixels that are asked for."""

    shards = None

    def __init__(self, pixels: np.ndarray, chunks: tuple[int, ...]) -> None:
        self._pixels, self.chunks, self.dtype, self.asked = pixels, chunks, pixels.dtype, 0

    def __getitem__(self, where: Any) -> np.ndarray:
        found: np.ndarray = self._pixels[where]
        self.asked += found.size
        return found


def plane(axes: str, chunks: tuple[int, ...], number: int = 0) -> tuple[ZarrPlane, Array, np.ndarray]:
    sizes = {"z": 2, "c": 3, "y": 50, "x": 70}
    pixels = np.random.default_rng(0).integers(0, 60000, [sizes[name] for name in axes], dtype=np.uint16)
    names = named_axes("a", axes, pixels.shape)
    array = Array(pixels, chunks)
    order = [axes.index(name) for name in "zcyx" if name in axes]
    truth = pixels.transpose(order).reshape(-1, 3, 50, 70)[number]
    return ZarrPlane(array, names, names.plane(number), "a", "uint16"), array, truth


@pytest.mark.parametrize(
    ("axes", "chunks"), [("cyx", (1, 16, 16)), ("yxc", (20, 7, 3)), ("zcyx", (2, 2, 64, 9)), ("xzyc", (9, 1, 50, 2))]
)
def test_any_window(axes: str, chunks: tuple[int, ...]) -> None:
    reader, _, truth = plane(axes, chunks, number=int("z" in axes))
    rng = np.random.default_rng(1)
    for _ in range(20):
        top, left = int(rng.integers(0, 50)), int(rng.integers(0, 70))
        height, width = int(rng.integers(1, 51 - top)), int(rng.integers(1, 71 - left))
        box = Box(top=top, left=left, height=height, width=width)
        bands = rng.permutation(3)[: rng.integers(1, 4)].tolist()
        np.testing.assert_array_equal(reader.read(bands, box), truth[bands][:, *box.slices])


def test_chunks_are_decoded_once_by_rows() -> None:
    reader, array, truth = plane("cyx", (1, 32, 32))
    for top in range(50):
        reader.read([0, 1, 2], Box(top=top, left=0, height=1, width=70))
    assert array.asked == truth.size


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_array, "KEPT", 4 * 16 * 16 * 2)
    reader, _, truth = plane("cyx", (1, 16, 16))
    np.testing.assert_array_equal(reader.read([0, 1, 2], Box(top=0, left=0, height=50, width=70)), truth)
    assert sum(block.nbytes for block in reader._cache.values()) == reader._held <= 4 * 16 * 16 * 2
    assert reader.notes == ()
    monkeypatch.setattr(zarr_array, "_AT_ONCE", 1)
    np.testing.assert_array_equal(reader.read([2], Box(top=3, left=3, height=40, width=60)), truth[2:, 3:43, 3:63])
