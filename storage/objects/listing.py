"""Listing the keys of a store, page by page: each page is asked for again where it fails, and no listing is endless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from .integrity import DamagedOnTheWayError

_PAGE = 1000
_MOST_PAGES = 100_000
Page = list[tuple[str, int]]
"""keys and the sizes of what they hold"""


def walk(
    store: ObjectStore, prefix: str, ask: Callable[[Callable[[], Page | None]], Page | None], *, after: str = ""
) -> Iterator[tuple[str, int]]:
    """Keys below ``prefix`` ("" for all) and their sizes, in the store's order, each once.

    ``after``: keys up to this one may be left out, and are by stores that can.

    ``ask`` calls what it is given, again where it fails for a moment. A listing that broke off goes on behind its last
    key, or begins anew where the keys come in no order. Raises OSError for a store that lists without end.
    """
    listing = _Listing(store, prefix, after)
    for _ in range(_MOST_PAGES):
        page = ask(listing.next_page)
        if page is None:
            return
        if not page and listing.goes_round:
            raise OSError(f"the store lists the same keys below {prefix!r} again and again: it cannot hold a run")
        yield from page
    raise OSError(f"the store lists more than {_MOST_PAGES * _PAGE} keys below {prefix!r}: it cannot hold a run")


class _Listing:
    """One walk over a store's keys."""

    def __init__(self, store: ObjectStore, prefix: str, after: str) -> None:
        self._store, self._prefix = store, prefix
        self._pages: Any = None
        self._seen: set[str] = set()
        self._last = after
        self._ordered = True
        self._num_pages = 0
        self._num_again = 0
        """pages that a listing begun anew may repeat"""

    @property
    def goes_round(self) -> bool:
        return self._num_again < 0

    def next_page(self) -> Page | None:
        """Keys that were not listed before; None at the end."""
        try:
            if self._pages is None:
                offset = self._last if self._ordered and self._last else None
                self._pages = obstore.list(self._store, self._prefix or None, offset=offset, chunk_size=_PAGE)
            page = next(self._pages, None)
        except (BaseError, OSError):
            self._pages, self._num_again = None, self._num_pages
            raise
        if page is None:
            return None
        below = f"{self._prefix}/" if self._prefix else ""
        if not all(meta["path"].startswith(below) for meta in page):
            self._pages, self._num_again = None, self._num_pages
            raise DamagedOnTheWayError("keys were listed that were not asked for")
        fresh = [(meta["path"], meta["size"]) for meta in page if meta["path"] not in self._seen]
        self._num_pages += 1
        self._num_again -= not fresh
        for path, _ in fresh:
            self._ordered = self._ordered and path > self._last
            self._last = path
            self._seen.add(path)
        return fresh
