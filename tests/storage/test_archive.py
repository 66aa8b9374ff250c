"""Archives: no single flipped bit gives other arrays."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from storage.archive import archive_from_bytes, archive_to_bytes

ARRAYS = {"text": np.array("water"), "table": np.arange(24, dtype=np.float32).reshape(4, 6), "none": np.array(())}


def same(found: dict[str, np.ndarray]) -> bool:
    return found.keys() == ARRAYS.keys() and all(
        found[name].dtype == one.dtype and np.array_equal(found[name], one) for name, one in ARRAYS.items()
    )


def test_what_is_written_is_read_by_numpy_too() -> None:
    data = archive_to_bytes(ARRAYS)
    assert same(archive_from_bytes(data))
    assert same(dict(np.load(io.BytesIO(data))))


def test_a_flipped_bit_is_an_error() -> None:
    data, chance = archive_to_bytes(ARRAYS), random.Random(7)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << chance.randrange(8)
        with pytest.raises(ValueError, match="damaged"):
            archive_from_bytes(bytes(flipped))


@pytest.mark.parametrize("data", [b"", b"PK", bytes(300), archive_to_bytes(ARRAYS)[:200]])
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        archive_from_bytes(data)
