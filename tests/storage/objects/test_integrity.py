"""Whether an object arrived as it is kept: tags that are an MD5, and tags that are none."""

from __future__ import annotations

import hashlib

import pytest

from storage.objects.integrity import DamagedOnTheWayError, Integrity

DATA = b"some bytes"
TAG = hashlib.md5(DATA).hexdigest()


@pytest.mark.parametrize("tag", [TAG, f'"{TAG}"', "abc-2", None, f"{TAG}-3"])
def test_what_nothing_speaks_against(tag: str | None) -> None:
    """An MD5, in quotes or not; tags of uploads in parts say nothing."""
    assert Integrity().matches(DATA, tag)
    Integrity().check("key", DATA, tag, len(DATA))


def test_other_bytes_are_damaged() -> None:
    integrity = Integrity()
    assert not integrity.matches(b"some Bytes", TAG)
    with pytest.raises(DamagedOnTheWayError, match="other bytes arrived"):
        integrity.check("key", b"some Bytes", TAG, len(DATA))


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b""])
def test_another_length_is_damaged_whatever_the_tag(data: bytes) -> None:
    with pytest.raises(DamagedOnTheWayError, match=f"{len(data)} of 10 bytes arrived"):
        Integrity().check("key", data, "no-md5", len(DATA))


def test_the_same_bytes_under_the_same_tag_twice_show_that_tags_are_no_md5() -> None:
    """A bucket with keys of its own for encryption: from then on its tags say nothing."""
    integrity, tag = Integrity(), "0" * 32
    with pytest.raises(DamagedOnTheWayError):
        integrity.check("key", DATA, tag, 10)
    integrity.check("key", DATA, tag, 10)
    integrity.check("other", b"0123456789", tag, 10)
    assert integrity.matches(b"anything", tag)


def test_two_damaged_answers_that_differ_show_nothing() -> None:
    integrity = Integrity()
    for data in (b"some bytez", b"some bytex", b"some bytez"):
        with pytest.raises(DamagedOnTheWayError):
            integrity.check("key", data, TAG, 10)
    integrity.check("key", DATA, TAG, 10)
    with pytest.raises(DamagedOnTheWayError):
        integrity.check("key", b"some bytez", TAG, 10)


def test_keys_are_doubted_apart() -> None:
    integrity = Integrity()
    for key in ("a", "b"):
        with pytest.raises(DamagedOnTheWayError):
            integrity.check(key, b"some bytez", TAG, 10)
