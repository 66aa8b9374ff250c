"""The tags of a whole image: found once, kept, and found again where they were lost or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.artifacts.blobs import Blobs
from actors.artifacts.layout import GLOBAL_TAGS_BLOB
from actors.artifacts.tagging import GlobalTags
from pipeline.tasks.crop_tags import Tags
from storage.run import RunStore

TAGS: Tags = [("sea", 0.7), ("coast", 0.5)]


class Finder:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Tags:
        self.times += 1
        return TAGS


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(str(tmp_path / "run"))


def test_found_once_and_read_by_all(store: RunStore) -> None:
    find, blobs = Finder(), Blobs(store)
    tags = GlobalTags(blobs, find)
    assert tags.find() == TAGS
    assert tags.read() == TAGS
    other = Blobs(store)
    other.expect({GLOBAL_TAGS_BLOB: blobs.sum(GLOBAL_TAGS_BLOB)})
    nobody = Finder()
    assert [tuple(pair) for pair in GlobalTags(other, nobody).read()] == TAGS
    assert (find.times, nobody.times) == (1, 0)


@pytest.mark.parametrize("data", [b"", b"[", b'["sea"]', b"7", b'[["fog", 0.9]]'])
def test_lost_damaged_or_others_are_found_again(store: RunStore, data: bytes) -> None:
    """What the journal does not tell of is not believed, whatever its form."""
    if data:
        store.put_blob(GLOBAL_TAGS_BLOB, data)
    find = Finder()
    tags = GlobalTags(Blobs(store), find)
    assert tags.read() == TAGS
    assert tags.read() == TAGS
    assert find.times == 1
