"""What the child processes of the array tests do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable

import numpy as np

from storage.arrays import RegionArray
from storage.journal import Record
from storage.run import RunStore


def values(array: RegionArray, region: int) -> np.ndarray:
    """The values that belong in a region, whoever writes it."""
    shape = (array.channels, *array.grid.box(region).shape)
    return np.random.default_rng(region).standard_normal(shape).astype(array.dtype)


def write_regions(array: RegionArray, regions: Iterable[int]) -> list[int]:
    return [array.write(region, values(array, region)) for region in regions]


def append_for_ever(url: str) -> None:
    """Append batches of three records until killed, after saying that it starts."""
    store = RunStore.open(url)
    number = len(store.journal.replay())
    sys.stdout.write("started\n")
    sys.stdout.flush()
    for region in itertools.count(number):
        fields = {
            "kind": "merge",
            "stage": 0,
            "step": 0,
            "crc32c": 0,
            "attempt": 0,
            "worker": "w" * 500,
            "seconds": 0.0,
        }
        store.journal.append([Record(region=region, **fields)], 1)


def main(url: str, name: str) -> None:
    """Write every absent region, in order, after saying that it starts."""
    array = RunStore.open(url).open_array(name)
    present = array.regions()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    write_regions(array, (region for region in range(array.grid.num_regions) if region not in present))


if __name__ == "__main__":
    append_for_ever(sys.argv[1]) if sys.argv[2] == "journal" else main(*sys.argv[1:])
