"""Listings of a store in memory, and of stores that fail between two pages, repeat themselves or answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from storage.objects import listing
from storage.objects.integrity import DamagedOnTheWayError
from storage.objects.listing import Page, walk

KEYS = [(f"z/{number:03d}", number % 7) for number in range(23)]


def plain(ask: Callable[[], Page | None]) -> Page | None:
    return ask()


def patient(ask: Callable[[], Page | None]) -> Page | None:
    """Asks again as often as a failure passes."""
    for _ in range(5):
        try:
            return ask()
        except OSError:
            continue
    return ask()


class Pages:
    """A store of made-up pages: ``list`` gives them from the first key behind the offset; failures are raised once."""

    def __init__(self, keys: list[tuple[str, int]], page: int = 5, fails_before: tuple[int, ...] = ()) -> None:
        self.keys, self.page, self.fails_before = keys, page, set(fails_before)
        self.asked: list[tuple[str | None, str | None]] = []
        self._count = 0

    def list(self, _store: Any, prefix: str | None, *, offset: str | None, chunk_size: int) -> Iterator[Any]:
        self.asked.append((prefix, offset))
        keys = self.keys if offset is None else [one for one in self.keys if one[0] > offset]
        for start in range(0, len(keys), self.page):
            number, self._count = self._count, self._count + 1
            if number in self.fails_before:
                raise OSError("the connection was reset")
            yield [{"path": path, "size": size} for path, size in keys[start : start + self.page]]


def listed(
    pages: Any, monkeypatch: pytest.MonkeyPatch, prefix: str = "z", ask: Callable[..., Any] = plain
) -> list[tuple[str, int]]:
    monkeypatch.setattr(listing, "obstore", pages)
    store: Any = None
    return list(walk(store, prefix, ask))


@pytest.mark.parametrize("page", [1, 4, 23, 24])
def test_all_keys_of_a_folder_and_their_sizes(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE", page)
    store = MemoryStore()
    for path, size in (*KEYS, ("zebra/1", 3), ("y", 1)):
        obstore.put(store, path, b"x" * size)
    assert sorted(walk(store, "z", plain)) == KEYS
    assert sorted(walk(store, "", plain)) == sorted([*KEYS, ("zebra/1", 3), ("y", 1)])
    assert list(walk(store, "absent", plain)) == []


def test_the_first_page_is_asked_for_without_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(KEYS)
    assert listed(pages, monkeypatch) == KEYS
    assert pages.asked == [("z", None)]
    pages = Pages(KEYS)
    assert listed(pages, monkeypatch, prefix="") == KEYS
    assert pages.asked == [(None, None)]


def test_a_listing_that_broke_off_goes_on_behind_its_last_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(KEYS, fails_before=(2,))
    assert listed(pages, monkeypatch, ask=patient) == KEYS
    assert pages.asked == [("z", None), ("z", "z/009")]


def test_one_without_order_begins_anew_and_tells_each_key_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder lists as the disk has it: behind a key there may be any other."""
    shuffled = KEYS[7:] + KEYS[:7]
    pages = Pages(shuffled, fails_before=(4,))
    assert listed(pages, monkeypatch, ask=patient) == shuffled
    assert pages.asked == [("z", None), ("z", None)]


def test_it_may_break_off_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(KEYS[::-1], fails_before=(3, 7, 12))
    assert listed(pages, monkeypatch, ask=patient) == KEYS[::-1]
    assert len(pages.asked) == 4


def test_what_is_not_asked_again_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="reset"):
        listed(Pages(KEYS, fails_before=(1,)), monkeypatch)


class Circle:
    """A store that has forgotten which page it gave last."""

    def list(self, *_: Any, **__: Any) -> Iterator[Any]:
        while True:
            yield [{"path": path, "size": size} for path, size in KEYS[:5]]


def test_a_store_that_lists_the_same_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="lists the same keys below 'z' again and again"):
        listed(Circle(), monkeypatch)


class Endless:
    def list(self, *_: Any, **__: Any) -> Iterator[Any]:
        number = 0
        while True:
            yield [{"path": f"z/{number:09d}", "size": 1}]
            number += 1


def test_a_store_that_lists_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MOST_PAGES", 7)
    with pytest.raises(OSError, match="more than 7000 keys below 'z'"):
        listed(Endless(), monkeypatch)


@pytest.mark.parametrize("strange", ["zebra/1", "z", "y/z/001"])
def test_keys_that_were_not_asked_for(strange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's page of another question: asked again, it is another; the keys of it are told to nobody."""
    pages = Pages([*KEYS[:3], (strange, 1)])
    with pytest.raises(DamagedOnTheWayError, match="not asked for"):
        listed(pages, monkeypatch)

    def once(ask: Callable[[], Page | None]) -> Page | None:
        try:
            return ask()
        except DamagedOnTheWayError:
            pages.keys = KEYS
            return ask()

    assert listed(pages, monkeypatch, ask=once) == KEYS
