"""What the child processes of the array tests do."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np

from storage.arrays import RegionArray
from storage.run import RunStore


def values(array: RegionArray, region: int) -> np.ndarray:
    """The values that belong in a region, whoever writes it."""
    shape = (array.channels, *array.grid.box(region).shape)
    return np.random.default_rng(region).standard_normal(shape).astype(array.dtype)


def write_regions(array: RegionArray, regions: Iterable[int]) -> list[int]:
    return [array.write(region, values(array, region)) for region in regions]


def main(url: str, name: str) -> None:
    """Write every absent region, in order, after saying that it starts."""
    array = RunStore.open(url).open_array(name)
    present = array.regions()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    write_regions(array, (region for region in range(array.grid.num_regions) if region not in present))


if __name__ == "__main__":
    main(*sys.argv[1:])
