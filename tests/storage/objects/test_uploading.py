"""Files into stores: all of their bytes, in parts, and damage on the way seen."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import obstore
import pytest

from storage.objects import uploading
from storage.objects.root import ObjectRoot
from storage.objects.uploading import look_below, look_up, tag_of, upload, upload_all


def fill(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hashlib.shake_128(path.name.encode()).digest(size))
    return path


@pytest.mark.parametrize("size", [0, 5, 6 << 20])
def test_a_file_arrives(s3_url: str, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts where it is large; the store's own tag is the one that is expected of it."""
    monkeypatch.setattr(uploading, "PART", 5 << 20)
    root, path = ObjectRoot.open(s3_url), fill(tmp_path / "a.png", size)
    upload(root, "deep/a.png", path)
    assert root.get("deep/a.png") == path.read_bytes()
    tag = tag_of(path, 5 << 20)
    assert look_up(root, "deep/a.png") == (size, f'"{tag}"')
    assert ("-2" in tag) == (size > 5 << 20)
    assert obstore.get(root.store, "deep/a.png").attributes["Content-Type"] == "image/png"


def test_many_files(s3_url: str, tmp_path: Path) -> None:
    root = ObjectRoot.open(s3_url)
    files = [(f"a.zarr/{number}", fill(tmp_path / str(number), number)) for number in range(20)]
    upload_all(root, files)
    upload(root, "a.zarr.json", files[3][1])
    assert [(key, size) for key, size, _ in look_below(root, "a.zarr")] == sorted(
        (key, int(p.name)) for key, p in files
    )
    assert look_up(root, "a.zarr") is None
    upload_all(root, [])


def test_the_tag_of_parts_is_that_of_their_sums(tmp_path: Path) -> None:
    path = fill(tmp_path / "a", 25)
    data = path.read_bytes()
    sums = b"".join(hashlib.md5(data[start : start + 10]).digest() for start in (0, 10, 20))
    assert tag_of(path, 10) == f"{hashlib.md5(sums).hexdigest()}-3"
    assert tag_of(path, 25) == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("kept", [5, 4])
def test_what_arrives_short_is_sent_again(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a store whose tags say nothing."""
    sent: list[str] = []

    def put(store: Any, key: str, path: Path, **options: Any) -> dict[str, str]:
        sent.append(key)
        return {"e_tag": "0x8D"}

    sizes = iter([kept, 5])
    head = lambda store, key: {"size": next(sizes)}  # noqa: E731
    monkeypatch.setattr(uploading, "obstore", SimpleNamespace(put=put, head=head))
    root = ObjectRoot.open("s3://bucket/x")
    root.retries.sleep = lambda seconds: None
    upload(root, "a", fill(tmp_path / "a", 5))
    assert sent == ["a"] * (2 if kept == 4 else 1)
