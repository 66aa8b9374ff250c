"""The registry of readers from other packages: by suffix, and gigatile's own files never among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.images.readers.reader import READERS, suffix_of
from tests.support.outside import install

TEXT = """
from storage.images.readers.reader import Reader

class Raw(Reader):
    suffixes = ("raw", "bin")

    def open(self, path):
        raise ValueError("not today")

RAW = Raw()
"""


def test_gdals_files_have_no_reader() -> None:
    assert [READERS.find(suffix) for suffix in ("tif", "png", "jpg", "jp2", "")] == [None] * 5


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.RAW", "raw"), ("a.b.bin", "bin"), ("a", ""), (".raw", ""), ("a.raw/b", "")]
)
def test_a_suffix_is_the_last_in_lower_case(name: str, suffix: str) -> None:
    assert suffix_of(Path(name)) == suffix


def test_an_installed_reader_is_found_by_each_of_its_suffixes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = {"gigatile.readers": {"raw": "raw_reader:RAW", "bin": "raw_reader:RAW"}}
    install(monkeypatch, tmp_path, entries, name="raw-reader", version="0.2", files={"raw_reader.py": TEXT})
    found = READERS.find("raw")
    assert found is not None
    assert found.suffixes == ("raw", "bin")
    assert READERS.find("bin") is found
    assert READERS.find("dng") is None
