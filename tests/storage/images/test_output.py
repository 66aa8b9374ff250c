from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from storage.errors import ImageError, StorageFullError
from storage.images import check_output, output
from tests.storage.images.files import info_of, picture


def test_a_good_place_stays_as_it_is(tmp_path: Path) -> None:
    check_output(tmp_path / "out.png", overwrite=False, height=1000, width=1000)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="expected a name in"):
        check_output(tmp_path / "out.gif", overwrite=False)


def test_an_output_that_exists(tmp_path: Path) -> None:
    (tmp_path / "out.png").touch()
    with pytest.raises(FileExistsError, match="choose another name, or allow overwriting"):
        check_output(tmp_path / "out.png", overwrite=False)
    check_output(tmp_path / "out.png", overwrite=True)


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_output(tmp_path / "out.png", overwrite=True)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        check_output(tmp_path / "absent" / "out.png", overwrite=False)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        check_output(tmp_path / "file" / "out.png", overwrite=False)


def test_a_folder_that_takes_no_files() -> None:
    with pytest.raises(OSError, match="takes no files"):
        check_output("/proc/self/out.png", overwrite=False)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(output.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=r"takes no files \(Permission denied\)"):
        check_output(tmp_path / "out.png", overwrite=False)


def test_too_large_for_jpeg(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="65500"):
        check_output(tmp_path / "out.jpg", overwrite=False, height=70_000, width=10)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_too_little_room(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: usage._replace(free=2_000_000_000))
    check_output(tmp_path / f"out{suffix}", overwrite=False, height=20_000, width=20_000)
    with pytest.raises(StorageFullError, match=r"GB are needed to write the result, 2\.0 GB are free"):
        check_output(tmp_path / f"out{suffix}", overwrite=False, height=40_000, width=40_000)


@pytest.mark.parametrize(
    ("num_bands", "known", "fits"), [(4, None, True), (5, None, False), (4, 3, True), (4, 4, False)]
)
def test_the_last_of_four_bands_may_be_alpha_unless_the_image_says(
    tmp_path: Path, num_bands: int, known: int | None, fits: bool
) -> None:
    info = None if known is None else info_of(picture(8, 8, known), has_alpha=known < num_bands)
    with nullcontext() if fits else pytest.raises(ImageError, match="bands"):
        check_output(tmp_path / "out.png", overwrite=False, height=9, width=9, num_bands=num_bands, info=info)
