"""Pages and frames: never the first of many without a word, and each by its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

from storage.errors import ImageError
from storage.images import open_image
from storage.images.gdal import open_raster
from storage.images.source import num_pages
from tests.storage.images.files import picture, pillow, write_raster

PAGES = [picture(20, 30, seed=seed) for seed in range(3)]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    with tifffile.TiffWriter(tmp_path / "scan.tif", bigtiff=True, byteorder=">") as tiff:
        for number, page in enumerate(PAGES):
            tags = [(274, "H", 1, 3 if number == 1 else 1, True)]
            tiff.write(page.transpose(1, 2, 0), photometric="rgb", extratags=tags)
            tiff.write(page[:, ::2, ::2].transpose(1, 2, 0), photometric="rgb", subfiletype=1)
    return tmp_path / "scan.tif"


def read(path: Path | str, page: int | None = None) -> np.ndarray:
    with open_image(path, page=page) as source:
        return source.read(source.info.canvas)


def test_each_page_by_its_number_overviews_not_counted(scan: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its own orientation, too: the second one stands on its head."""
    assert num_pages(scan) == 3
    for number, page in enumerate(PAGES, 1):
        expected = page[:, ::-1, ::-1] if number == 2 else page
        np.testing.assert_array_equal(read(scan, number), expected)
    assert caplog.text == ""
    np.testing.assert_array_equal(read(f"GTIFF_DIR:5:{scan}"), PAGES[2])


def test_the_first_one_is_never_taken_silently(scan: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.testing.assert_array_equal(read(scan), PAGES[0])
    (line,) = [record.getMessage() for record in caplog.records]
    assert "has 3 pages: the first is taken and 2 are left out; --pages 2 takes the second" in line


@pytest.mark.parametrize("bigtiff", [False, True])
def test_what_is_embedded_is_the_page_s_own(tmp_path: Path, bigtiff: bool) -> None:
    """IPTC, and EXIF of what Pillow can read."""
    path = tmp_path / "scan.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tiff:
        for number, page in enumerate(PAGES[:2]):
            tags = [(33723, "B", 4, bytes([28, 2, 120, number]), True), (315, "s", 0, f"person {number}", True)]
            tiff.write(page.transpose(1, 2, 0), photometric="rgb", extratags=tags)
    for number in range(2):
        with open_image(path, page=number + 1) as source:
            metadata = source.info.metadata
            assert metadata.embedded.iptc == bytes([28, 2, 120, number])
            assert metadata.tags["TIFFTAG_ARTIST"] == f"person {number}"


@pytest.mark.parametrize("page", [0, 4])
def test_a_page_that_is_not_there(scan: Path, page: int) -> None:
    with pytest.raises(ImageError, match=f"has 3 pages; expected --pages 1 to 3, got {page}"):
        read(scan, page)


def test_of_what_has_no_pages_there_is_the_first(tmp_path: Path) -> None:
    pillow(PAGES[0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png", 1), PAGES[0])
    with pytest.raises(ImageError, match="has no pages"):
        read(tmp_path / "a.png", 2)
    assert num_pages(tmp_path / "a.png") == 1


def test_a_name_that_picks_one_leaves_nothing_to_choose(scan: Path) -> None:
    with pytest.raises(ImageError, match=r"names an image of .* already: leave out --pages"):
        read(f"GTIFF_DIR:3:{scan}", 2)


def test_which_page_it_is_is_a_part_of_what_it_is(scan: Path) -> None:
    found = set()
    for number in (1, 2, 3):
        with open_image(scan, page=number) as source:
            assert source.fingerprint() == source.info.fingerprint()
            found.add(source.fingerprint())
    assert len(found) == 3


def test_levels_masks_and_whole_slides_are_no_pages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    big = picture(64, 64).transpose(1, 2, 0)
    with tifffile.TiffWriter(tmp_path / "slide.svs") as tiff:
        tiff.write(big, photometric="rgb", description="Aperio Image Library", tile=(16, 16))
        tiff.write(big[::2, ::2], photometric="rgb", description="Aperio label")
    write_raster(tmp_path / "masked.tif", big.transpose(2, 0, 1))
    with open_raster(str(tmp_path / "masked.tif"), "r+") as raster, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        raster.write_mask(big[..., 0])
        raster.build_overviews([2, 4])
    for name in ("slide.svs", "masked.tif"):
        assert num_pages(tmp_path / name) == 1
        np.testing.assert_array_equal(read(tmp_path / name), big.transpose(2, 0, 1))
    assert "pages" not in caplog.text


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_frames(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / f"moving.{suffix}"
    frames = [pillow(page) for page in PAGES]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert num_pages(path) == 3
    with Image.open(path) as image:
        for number in (1, 3):
            image.seek(number - 1)
            np.testing.assert_array_equal(read(path, number), np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    assert caplog.text == ""
    read(path)
    assert "has 3 frames: the first is taken" in caplog.text
    with open_image(path, page=1) as one, open_image(path, page=2) as two:
        assert one.fingerprint() != two.fingerprint()


def test_directories_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0].transpose(1, 2, 0), photometric="rgb")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    start = int.from_bytes(data[4:8], "little")
    link = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[link : link + 4] = data[4:8]
    (tmp_path / "a.tif").write_bytes(data)
    assert num_pages(tmp_path / "a.tif") == 1
