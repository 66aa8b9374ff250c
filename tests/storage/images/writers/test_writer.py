"""Writers of other packages: given all of a picture, blamed by name, and held to what they must do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage.box import Box
from storage.errors import ImageError, StorageFullError
from storage.images import check_output, write_image
from storage.images.formats import losses
from tests.storage.images.files import blocks, info_of, picture
from tests.support.outside import install

HEADER = """
from pathlib import Path
from storage.images.limits import Format
from storage.images.writers.writer import Writer

class Raw(Writer):
    suffixes = ("raw", "bin")
    format = Format(driver="Raw", max_side=100, has_alpha={alpha}, disk_per_raw_byte=1.0)

    def write(self, staging, picture, blocks):
        {body}

RAW = Raw()
"""
GOOD = "staging.write_bytes(b''.join(pixels.tobytes() for _, pixels in blocks))"


def add(patch: pytest.MonkeyPatch, folder: Path, module: str, body: str = GOOD, *, alpha: bool = True) -> None:
    text = HEADER.format(body=body, alpha=alpha)
    entries = {"gigatile.writers": {"raw": f"{module}:RAW", "bin": f"{module}:RAW"}}
    install(patch, folder / "site", entries, name="raw-writer", version="0.2", files={f"{module}.py": text})


def write(path: Path, pixels: np.ndarray, **given: object) -> None:
    _, height, width = pixels.shape
    write_image(path, info_of(pixels), 1, blocks(pixels, 8), height=height, width=width, **given)  # type: ignore[arg-type]


def test_it_is_given_all_rows_in_order_with_opacity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add(monkeypatch, tmp_path, "raw_good")
    pixels = picture(20, 16)
    write(tmp_path / "a.raw", pixels, alpha=lambda box: np.full(box.shape, 7, np.uint8))
    found = (tmp_path / "a.raw").read_bytes()
    rows = [pixels[:, top : top + 8] for top in (0, 8, 16)]
    expected = [np.concatenate([row, np.full((1, *row.shape[1:]), 7, np.uint8)]).tobytes() for row in rows]
    assert found == b"".join(expected)
    write(tmp_path / "b.BIN", pixels)
    assert (tmp_path / "b.BIN").read_bytes() == b"".join(row.tobytes() for row in rows)


def test_its_limits_are_asked_before_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add(monkeypatch, tmp_path, "raw_flat", alpha=False)
    with pytest.raises(ImageError, match="Raw holds at most 100 pixels a side"):
        check_output(tmp_path / "a.raw", overwrite=False, height=101, width=10)
    assert "Raw has no transparency" in losses("a.raw", info_of(picture(4, 4), has_alpha=True))[0]
    with pytest.raises(ImageError, match=r"in \.tif .* \.jpeg \.webp .* \.bin \.raw, got '\.gif'"):
        check_output(tmp_path / "a.gif", overwrite=False)


@pytest.mark.parametrize(
    ("module", "body", "match"),
    [
        (
            "raw_raises",
            "raise KeyError('depth')",
            r"the package raw-writer 0\.2 failed \(KeyError: 'depth'\)",
        ),
        (
            "raw_stops",
            "next(iter(blocks)); staging.touch()",
            r"raw-writer 0\.2 failed \(OSError: Raw has not",
        ),
        ("raw_idle", "list(blocks)", r"raw-writer 0\.2 failed \(OSError: Raw has not"),
    ],
)
def test_what_it_does_wrong_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, body: str, match: str
) -> None:
    add(monkeypatch, tmp_path, module, body)
    with pytest.raises(ImageError, match=match):
        write(tmp_path / "a.raw", picture(20, 16))
    assert [path.name for path in tmp_path.iterdir()] == ["site"], "nothing is left"


def test_a_full_disk_is_not_its_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add(monkeypatch, tmp_path, "raw_full", f"raise OSError({errno.ENOSPC}, 'No space left on device')")
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("storage.images.sink.no_room", lambda staging: full)
    with pytest.raises(StorageFullError, match="no room to write the result"):
        write(tmp_path / "a.raw", picture(20, 16))


def test_what_ends_the_blocks_is_not_its_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add(monkeypatch, tmp_path, "raw_ended")

    def failing() -> Iterator[tuple[Box, np.ndarray]]:
        yield from blocks(picture(20, 16), 8)[:1]
        raise LookupError("stopped")

    with pytest.raises(LookupError, match="stopped"):
        write_image(tmp_path / "a.raw", info_of(picture(20, 16)), 1, failing(), height=20, width=16)


def test_a_broken_one_hurts_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = {"gigatile.writers": {"raw": "nowhere_at_all:RAW", "png": "nowhere_at_all:PNG"}}
    install(monkeypatch, tmp_path / "site", entries, name="broken")
    write(tmp_path / "a.tif", picture(20, 16))
    write(tmp_path / "a.png", picture(20, 16))
    with pytest.raises(ImageError, match=r"cannot write .*a\.raw: writer 'raw' of the package broken 1\.0 cannot be"):
        check_output(tmp_path / "a.raw", overwrite=False)


FOLDER = """
from storage.images.limits import Format
from storage.images.writers.writer import Writer

class Rows(Writer):
    suffixes = ("rows",)
    format = Format(driver="Rows", max_side=100, is_folder=True, marker="{marker}", disk_per_raw_byte=1.0)

    def write(self, staging, picture, blocks):
        staging.mkdir()
        for number, (_, pixels) in enumerate(blocks):
            (staging / str(number)).write_bytes(pixels.tobytes())

ROWS = Rows()
"""


def add_folder(patch: pytest.MonkeyPatch, folder: Path, module: str, marker: str) -> None:
    entries = {"gigatile.writers": {"rows": f"{module}:ROWS"}}
    files = {f"{module}.py": FOLDER.format(marker=marker)}
    install(patch, folder / "site", entries, name="rows-writer", version="0.2", files=files)


def test_it_may_write_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_folder(monkeypatch, tmp_path, "rows_good", "0")
    pixels = picture(20, 16)
    write(tmp_path / "a.rows", pixels)
    with pytest.raises(FileExistsError, match="allow overwriting"):
        write(tmp_path / "a.rows", pixels)
    write(tmp_path / "a.rows", pixels[:, :8], overwrite=True)
    assert {path.name for path in (tmp_path / "a.rows").iterdir()} == {"0"}


@pytest.mark.parametrize(("marker", "match"), [("never", "Rows has not written all"), ("", "needs a marker")])
def test_a_folder_without_its_marker_gets_no_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, marker: str, match: str
) -> None:
    add_folder(monkeypatch, tmp_path, f"rows_{marker}", marker)
    with pytest.raises((ImageError, ValueError), match=match):
        write(tmp_path / "a.rows", picture(20, 16))
    assert not list(tmp_path.glob("*.rows"))
