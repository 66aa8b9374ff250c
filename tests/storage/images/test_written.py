"""A result is known again by its bytes, whatever number of files it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.images import write_image
from storage.images.folders import files_in
from storage.images.identity import file_sha256
from storage.images.written import look
from tests.storage.images.files import blocks, info_of, picture


def write(path: Path) -> None:
    pixels = picture(20, 30)
    write_image(path, info_of(pixels), 1, blocks(pixels, 20), height=20, width=30, overwrite=True)


@pytest.mark.parametrize("name", ["a.png", "a.ome.zarr", "a.dzi", "a.iiif"])
def test_a_change_of_any_file_shows(tmp_path: Path, name: str) -> None:
    assert look(str(tmp_path / name)) is None
    write(tmp_path / name)
    before = look(str(tmp_path / name))
    assert before is not None
    assert before.size == sum(file.stat().st_size for file in files_in(tmp_path))
    for file in list(files_in(tmp_path)):
        data = file.read_bytes()
        file.write_bytes(bytes(len(data)))
        assert look(str(tmp_path / name)) not in (before, None)
        file.write_bytes(data)
        assert look(str(tmp_path / name)) == before
    write(tmp_path / name)
    assert look(str(tmp_path / name)) == before, "the same pixels are the same bytes"


def test_a_plain_file_is_known_as_it_ever_was(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    found = look(str(tmp_path / "a.png"))
    assert found is not None
    assert found.sha256 == file_sha256(tmp_path / "a.png")


@pytest.mark.parametrize("part", ["a.dzi", "a_files"])
def test_half_of_it_is_nothing(tmp_path: Path, part: str) -> None:
    write(tmp_path / "a.dzi")
    (tmp_path / part).rename(tmp_path / "elsewhere")
    assert look(str(tmp_path / "a.dzi")) is None


def test_a_folder_of_a_files_name_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a.zarr").touch()
    assert look(str(tmp_path / "a.png")) is None
    assert look(str(tmp_path / "a.zarr")) is None
