from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storage.box import Box
from storage.errors import CorruptRegionError, ImageError, StorageFullError
from storage.images import open_image, sink, write_image
from storage.images.formats import losses
from storage.images.gdal import gdal
from tests.storage.full_disk import ROOT, run_on_a_full_disk
from tests.storage.images.files import blocks, decoded, info_of, picture, pillow, srgb_profile

SCALE = 2
HEIGHT, WIDTH = 75, 110


def enlarge(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(SCALE, 1).repeat(SCALE, 2)


def write(path: Path, large: np.ndarray, *, rows: int = 64, cols: int | None = None, **facts: object) -> None:
    """Write ``large`` as the enlargement of an image with ``facts``."""
    info = info_of(large[:, ::SCALE, ::SCALE], **facts)
    _, height, width = large.shape
    write_image(path, info, SCALE, blocks(large, rows, cols), height=height, width=width, overwrite=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".TIF"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_lossless_formats_give_every_pixel_back(tmp_path: Path, suffix: str, bands: int, dtype: str) -> None:
    large = enlarge(picture(HEIGHT, WIDTH, bands, dtype))
    write(tmp_path / f"out{suffix}", large)
    with open_image(tmp_path / f"out{suffix}") as source:
        assert source.info.dtype == dtype
        np.testing.assert_array_equal(source.read(source.info.canvas), large)
    assert names(tmp_path) == {f"out{suffix}"}


@pytest.mark.parametrize("bands", [1, 3])
def test_jpeg_is_close(tmp_path: Path, bands: int) -> None:
    large = enlarge(picture(HEIGHT * 3, WIDTH, bands))
    write(tmp_path / "out.jpg", large)
    assert np.abs(decoded(tmp_path / "out.jpg").astype(int) - large).mean() < 3
    assert names(tmp_path) == {"out.jpg"}


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 300), st.integers(1, 300))
def test_blocks_of_any_shape(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, rows: int, cols: int
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "out.tif"
    pixels = picture(height, width, 1)
    write_image(path, info_of(pixels), 1, blocks(pixels, rows, cols), height=height, width=width)
    np.testing.assert_array_equal(decoded(path), pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_profile_and_resolution_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, enlarge(picture(HEIGHT, WIDTH)), icc=srgb_profile(), dpi=(300.0, 150.0))
    with Image.open(path) as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == pytest.approx((600, 300), abs=0.1)


def test_a_profile_for_other_colours_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "out.png", enlarge(picture(HEIGHT, WIDTH, 1)), icc=srgb_profile())
    assert "left out" in caplog.text
    with open_image(tmp_path / "out.png") as source:
        assert source.info.icc is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_nodata_and_descriptions_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, enlarge(picture(HEIGHT, WIDTH, 1, "uint16")), nodata=5.0, descriptions=("near infrared",))
    with open_image(path) as source:
        assert source.info.nodata == 5.0
        assert source.info.descriptions == ("near infrared",)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_enlarged(tmp_path: Path, bands: int, suffix: str) -> None:
    pixels = picture(HEIGHT, WIDTH, bands + 1)
    pixels[-1] = np.where(np.arange(WIDTH) < 40, 0, 255)
    pillow(pixels).save(tmp_path / "in.png")
    large = enlarge(pixels[:-1])
    out = tmp_path / f"out{suffix}"
    with open_image(tmp_path / "in.png") as source:
        size = {"height": HEIGHT * SCALE, "width": WIDTH * SCALE}
        write_image(out, source.info, SCALE, blocks(large, 32, 64), alpha=source.alpha, **size)
    with open_image(out) as result:
        np.testing.assert_array_equal(result.read(result.info.canvas), large)
        alpha = result.alpha(result.info.canvas)
    assert alpha is not None
    assert (alpha[:, :79] == 0).all()
    assert (alpha[:, 81:] == 255).all()


def test_jpeg_leaves_alpha_out(tmp_path: Path) -> None:
    """As formats.losses says before a run."""
    large = enlarge(picture(HEIGHT, WIDTH))
    opaque = lambda box: np.full(box.shape, 255, np.uint8)  # noqa: E731
    info = info_of(picture(HEIGHT, WIDTH), has_alpha=True, nodata=0.0)
    size = {"height": HEIGHT * SCALE, "width": WIDTH * SCALE}
    write_image(tmp_path / "out.jpg", info, SCALE, blocks(large, 64), alpha=opaque, **size)
    with open_image(tmp_path / "out.jpg") as source:
        assert not source.info.has_alpha
    (line,) = losses("out.jpg", info)
    assert "JPEG has no transparency, nodata value, so the input's is left out" in line
    assert losses("out.png", info) == losses("out.tif", info) == []


def test_an_older_file_is_replaced_with_its_sidecar(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("old")
    (tmp_path / "out.png.aux.xml").write_text("old")
    write(tmp_path / "out.png", enlarge(picture(HEIGHT, WIDTH)))
    assert names(tmp_path) == {"out.png"}
    assert decoded(tmp_path / "out.png").shape == (3, HEIGHT * SCALE, WIDTH * SCALE)


class TestFailures:
    """The old file stays, and nothing else."""

    @pytest.fixture(autouse=True)
    def old_file(self, tmp_path: Path) -> Iterator[None]:
        for suffix in (".png", ".jpg", ".tif"):
            (tmp_path / f"out{suffix}").write_text("old")
        before = names(tmp_path)
        yield
        assert names(tmp_path) == before
        assert all(path.read_text() == "old" for path in tmp_path.iterdir())

    def attempt(self, path: Path, parts: object, *, overwrite: bool = True) -> None:
        write_image(path, info_of(picture(HEIGHT, WIDTH)), 1, parts, height=HEIGHT, width=WIDTH, overwrite=overwrite)

    def test_overwriting_must_be_allowed(self, tmp_path: Path) -> None:
        with pytest.raises(FileExistsError, match="allow overwriting"):
            self.attempt(tmp_path / "out.png", blocks(picture(HEIGHT, WIDTH), 32), overwrite=False)

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
    @pytest.mark.parametrize("error", [CorruptRegionError, ImageError, StorageFullError, KeyboardInterrupt])
    def test_the_source_of_the_blocks_fails(self, tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
        def failing() -> Iterator[tuple[Box, np.ndarray]]:
            yield from blocks(picture(HEIGHT, WIDTH), 32)[:2]
            raise error("in the middle")

        with pytest.raises(error, match="in the middle"):
            self.attempt(tmp_path / f"out{suffix}", failing())

    def test_blocks_are_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="the blocks cover"):
            self.attempt(tmp_path / "out.tif", blocks(picture(HEIGHT, WIDTH), 32)[:-1])

    def test_no_blocks(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no blocks"):
            self.attempt(tmp_path / "out.tif", [])

    def test_blocks_out_of_order(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="top to bottom"):
            self.attempt(tmp_path / "out.tif", blocks(picture(HEIGHT, WIDTH), 32)[::-1])

    def test_a_block_that_changes_its_kind(self, tmp_path: Path) -> None:
        parts = blocks(picture(HEIGHT, WIDTH), 32)
        parts[1] = (parts[1][0], parts[1][1].astype(np.uint16))
        with pytest.raises(ValueError, match="does not fit"):
            self.attempt(tmp_path / "out.tif", parts)

    def test_16_bits_as_jpeg(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="8 bits"):
            self.attempt(tmp_path / "out.jpg", blocks(picture(HEIGHT, WIDTH, 3, "uint16"), 32))

    def test_a_result_that_reads_back_otherwise(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("storage.images.tiff.read_back", lambda path: 0)
        with pytest.raises(OSError, match="reads back"):
            self.attempt(tmp_path / "out.png", blocks(picture(HEIGHT, WIDTH), 32))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    code = """
import sys
import numpy as np
from storage.errors import StorageFullError
from storage.images import write_image
from tests.storage.images.files import blocks, info_of
pixels = np.random.default_rng(0).integers(0, 256, (3, 900, 900), dtype=np.uint8)
try:
    write_image(sys.argv[1], info_of(pixels), 1, blocks(pixels, 200), height=900, width=900)
except StorageFullError as error:
    print(error)
"""
    printed = run_on_a_full_disk(code, str(tmp_path / f"out{suffix}"))
    assert "no room" in printed
    assert names(tmp_path) == set()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_memory_is_bounded(tmp_path: Path, suffix: str) -> None:
    """200 MB of pixels are written and read within less than 200 MB of memory beyond the imports."""
    code = """
import sys
from pathlib import Path
import numpy as np
from storage.box import Box
from storage.images import open_image, write_image
from tests.storage.images.files import info_of
def peak():  # of this program; getrusage begins with that of the process that started it
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
side = 8192
strip = np.broadcast_to((np.arange(side) // 7 % 256).astype(np.uint8), (3, 300, side))
boxes = [Box(top=top, left=0, height=min(300, side - top), width=side) for top in range(0, side, 300)]
before = peak()
write_image(sys.argv[1], info_of(strip), 1, ((b, strip[:, :b.height]) for b in boxes), height=side, width=side)
with open_image(sys.argv[1]) as source:
    for _ in source.rows(512):
        pass
print((peak() - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"out{suffix}")], capture_output=True, check=True, cwd=ROOT
    )
    assert int(done.stdout) < 200


def test_the_cache_holds_a_row_of_tiles_and_a_quarter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """5000 pixels of 3 bands of 2 bytes, 512 rows of tiles: 14.6 MiB, times 1.25."""
    seen: list[int] = []

    @contextmanager
    def recording(*, cache_mb: int) -> Iterator[None]:
        seen.append(cache_mb)
        with gdal(cache_mb=cache_mb):
            yield

    monkeypatch.setattr(sink, "gdal", recording)
    wide, narrow = np.zeros((3, 2, 5000), np.uint16), np.zeros((1, 2, 50), np.uint8)
    write(tmp_path / "out.tif", wide)
    monkeypatch.setattr(sink, "CACHE_MB", 1)
    write(tmp_path / "out.tif", wide)
    write(tmp_path / "out.tif", narrow)
    assert seen == [64, 19, 1]
