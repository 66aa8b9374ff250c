"""Rows that outlast an interruption: what counts, who may go on with them, and what goes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage.box import Box
from storage.errors import CorruptRegionError
from storage.images import Keep, write_image
from storage.images.blocks import restored
from storage.images.gdal import open_raster
from storage.images.kept import LIST, RASTER, KeptRows, key_of
from storage.images.picture import Picture
from storage.images.provenance import Provenance
from storage.images.writers.png import PngWriter
from tests.support.holey import Holey

HEIGHT, WIDTH, ROWS = 90, 70, 10
PIXELS = np.random.default_rng(0).integers(0, 255, (3, HEIGHT, WIDTH), dtype=np.uint8)
MADE = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=0, scale=1)


OTHER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("has it", flush=True)
input()
"""


class Writing:
    """Writes PIXELS, 10 rows a block and 30 a portion, and stops before row ``end``."""

    def __init__(self, target: Path, end: int | None = None, pixels: np.ndarray = PIXELS, plan: str = "p") -> None:
        self.target, self.end, self.pixels = target, end, pixels
        self.told: list[np.ndarray] = []
        self.asked: list[int] = []
        self.made = Provenance(software="gigatile 1", model="m", recipe="r", plan=plan, seed=0, scale=1)

    def tell(self, box: Box, pixels: np.ndarray) -> None:
        assert box.top == sum(rows.shape[1] for rows in self.told)
        self.told.append(pixels)

    def blocks(self) -> Iterator[tuple[Box, np.ndarray]]:
        for top in range(sum(rows.shape[1] for rows in self.told), HEIGHT, ROWS):
            if top == self.end:
                raise CorruptRegionError("here it ends")
            self.asked.append(top)
            yield Box(top=top, left=0, height=ROWS, width=WIDTH), self.pixels[:, top : top + ROWS]

    def write(self) -> None:
        keep = Keep(num_bands=len(self.pixels), dtype="uint8", tell=self.tell, portion=30)
        info = Holey(self.pixels).info
        write_image(
            self.target, info, 1, self.blocks(), height=HEIGHT, width=WIDTH, overwrite=True, provenance=self.made,
            keep=keep,
        )  # fmt: skip

    def fail(self) -> None:
        with pytest.raises(CorruptRegionError, match="here it ends"):
            self.write()


def kept_folder(parent: Path) -> Path:
    (found,) = parent.glob(".gigatile-*.rows")
    return found


def read(path: Path) -> np.ndarray:
    with open_raster(str(path)) as raster:
        pixels: np.ndarray = raster.read()
    return pixels


@pytest.mark.parametrize("name", ["a.png", "a.cog.tif", "a.jpg", "a.ome.zarr", "a.dzi", "a.iiif"])
def test_what_was_written_is_gone_on_with(name: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    Writing(tmp_path / "whole" / name).write()
    first, second = Writing(tmp_path / name, end=70), Writing(tmp_path / name)
    first.fail()
    assert kept_folder(tmp_path).stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / name).exists()
    second.write()
    assert second.asked == [60, 70, 80]
    np.testing.assert_array_equal(np.concatenate(second.told, axis=1), PIXELS[:, :60])
    files = [path.relative_to(tmp_path / "whole") for path in sorted((tmp_path / "whole").rglob("*"))]
    assert files
    for file in files:
        if (tmp_path / file).is_file() and file.suffix != ".json":
            assert (tmp_path / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    assert not [*tmp_path.glob(".gigatile-*")]


def test_rows_that_read_otherwise_count_no_more_nor_what_follows(tmp_path: Path) -> None:
    Writing(tmp_path / "a.png", end=70).fail()
    raster = kept_folder(tmp_path) / RASTER
    with open_raster(str(raster), "r+") as file:
        file.write(np.zeros((1, 1, WIDTH), np.uint8), indexes=[1], window=((40, 41), (0, WIDTH)))
    again = Writing(tmp_path / "a.png")
    again.write()
    assert again.asked == [30, 40, 50, 60, 70, 80]
    np.testing.assert_array_equal(read(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("damage", [b"", b"no raster"])
def test_an_unreadable_file_is_begun_anew(damage: bytes, tmp_path: Path) -> None:
    Writing(tmp_path / "a.png", end=70).fail()
    (kept_folder(tmp_path) / RASTER).write_bytes(damage)
    again = Writing(tmp_path / "a.png")
    again.write()
    assert again.asked == [*range(0, 90, 10)]
    np.testing.assert_array_equal(read(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("line", [b"[90", b"[20, 5]\n", b"[80, null]\n", b'{"a": 1}\n', b"7\n"])
def test_a_damaged_line_of_the_list_counts_for_nothing(line: bytes, tmp_path: Path) -> None:
    Writing(tmp_path / "a.png", end=70).fail()
    with (kept_folder(tmp_path) / LIST).open("ab") as file:
        file.write(line)
    again = Writing(tmp_path / "a.png")
    again.write()
    assert again.asked == [60, 70, 80]
    np.testing.assert_array_equal(read(tmp_path / "a.png"), PIXELS)


def test_rows_of_another_result_are_not_taken_and_go(tmp_path: Path) -> None:
    Writing(tmp_path / "a.png", end=70, plan="other").fail()
    again = Writing(tmp_path / "a.png")
    again.write()
    assert again.asked == [*range(0, 90, 10)]
    assert not [*tmp_path.glob(".gigatile-*")]


def test_what_others_are_at_work_on_stays(tmp_path: Path) -> None:
    Writing(tmp_path / "a.png", end=70).fail()
    folder = kept_folder(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder / LIST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        same, another = Writing(tmp_path / "a.png"), Writing(tmp_path / "a.png", plan="other")
        for writing in (same, another):
            writing.write()
            assert writing.asked == [*range(0, 90, 10)]
            np.testing.assert_array_equal(read(tmp_path / "a.png"), PIXELS)
        process.communicate("\n")
    assert (folder / RASTER).exists()


def test_of_a_writing_that_ended_early_nothing_stays(tmp_path: Path) -> None:
    """Before its first portion."""
    Writing(tmp_path / "a.png", end=20).fail()
    assert not [*tmp_path.iterdir()]


def test_bands_in_another_order_are_told_of_as_they_came() -> None:
    """A picture whose bands are blue, green and red is written red first."""
    info = Holey(PIXELS).info
    picture = Picture(
        info=info, scale=1, height=HEIGHT, width=WIDTH, num_colours=3, dtype="uint8", alpha=None, icc=None,
        wanted=PngWriter.format, order=(2, 0, 1),
    )  # fmt: skip
    np.testing.assert_array_equal(restored(PIXELS[[2, 0, 1]], picture), PIXELS)
    np.testing.assert_array_equal(restored(np.concatenate([PIXELS[[2, 0, 1]], PIXELS[:1]]), picture), PIXELS)


def test_rows_come_whole(tmp_path: Path) -> None:
    left = Box(top=0, left=0, height=HEIGHT, width=35), PIXELS[:, :, :35]
    right = Box(top=0, left=35, height=HEIGHT, width=35), PIXELS[:, :, 35:]
    keep = Keep(num_bands=3, dtype="uint8", tell=lambda _box, _rows: None, portion=30)
    with pytest.raises(ValueError, match="rows that are kept come whole"):
        write_image(
            tmp_path / "a.png", Holey(PIXELS).info, 1, [left, right], height=HEIGHT, width=WIDTH, provenance=MADE,
            keep=keep,
        )  # fmt: skip


def test_portions_are_counted_from_the_top() -> None:
    kept = KeptRows(folder=Path(), portion=30, tell=lambda _box, _rows: None, portions=[(30, 5), (70, 6)])
    assert [*kept.spans()] == [(0, 30, 5), (30, 70, 6)]
    assert kept.bottom == 70
    assert key_of("a", 1) == key_of("a", 1) != key_of("a", 2)
