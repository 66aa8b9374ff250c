"""Many small reads at once: one after another they only wait for the disk or the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

READERS = 8
"""reads at once: each may hold a decoded region and copies of it"""
CHUNK = 256
"""reads between two calls of ``between``"""

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_all(
    read: Callable[[Item], Found], items: Sequence[Item], *, between: Callable[[int], None] = lambda _done: None
) -> Iterator[Found]:
    """What ``read`` gives for each item, in order; it is called from several threads.

    ``between`` is called from this thread, after each CHUNK of reads but the last, with how many are done; what it
    raises ends the reading, as what ``read`` raises does.

    >>> list(read_all(abs, [-2, 1, -3]))
    [2, 1, 3]
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="gigatile-read") as pool:
        for start in range(0, len(items), CHUNK):
            if start:
                between(start)
            yield from pool.map(read, items[start : start + CHUNK])
