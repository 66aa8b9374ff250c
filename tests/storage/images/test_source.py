from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tifffile

from storage.errors import ImageError
from storage.images import open_image
from storage.images.layout import Choice
from storage.images.place import find_place
from storage.images.source import packages_of, reader_of
from tests.storage.images.files import picture, pillow, srgb_profile, write_raster
from tests.support.outside import install

HEIGHT, WIDTH = 60, 47


def whole(path: Path, **options: object) -> np.ndarray:
    with open_image(path, **options) as source:
        return source.read(source.info.canvas)


class TestFacts:
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
    def test_profile_and_resolution(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"image{suffix}"
        pillow(picture(HEIGHT, WIDTH)).save(path, dpi=(300, 150), icc_profile=srgb_profile())
        with open_image(path) as source:
            assert source.info.icc == srgb_profile()
            assert source.info.dpi == pytest.approx((300, 150), abs=0.1)

    def test_nodata_and_descriptions(self, tmp_path: Path) -> None:
        names = ("red", None, "blue")
        path = write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH, 3, "uint16"), nodata=0, names=names)
        with open_image(path, choice=Choice(only=(3, 2, 1))) as source:
            assert source.info.nodata == 0
            assert source.info.descriptions == ("blue", None, "red")

    def test_fingerprint(self, tmp_path: Path) -> None:
        pillow(picture(HEIGHT, WIDTH)).save(tmp_path / "image.png")
        expected = hashlib.sha256((tmp_path / "image.png").read_bytes()).hexdigest()
        with open_image(tmp_path / "image.png") as source:
            assert source.fingerprint() == source.info.fingerprint() == expected


class TestRefusals:
    """Each one line that names the file."""

    def refused(self, path: Path, match: str, error: type[Exception] = ImageError, **options: object) -> None:
        with pytest.raises(error, match=match) as caught, open_image(path, **options) as source:
            for _ in source.rows(16):
                pass
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "absent.png", "no file", FileNotFoundError)

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "image.png").touch()
        self.refused(tmp_path / "image.png", "is empty")

    def test_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "is a folder")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "image.png").write_text("This is no image.\n" * 100)
        self.refused(tmp_path / "image.png", "no image that can be read")

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
    @pytest.mark.parametrize("part", [0.0005, 0.02, 0.5, 0.95])
    def test_truncated(self, tmp_path: Path, suffix: str, part: float) -> None:
        path = tmp_path / f"image{suffix}"
        pillow(picture(400, 300)).save(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])
        self.refused(path, "no image that can be read|damaged")

    def test_a_truncated_tiff_with_its_directory_in_front(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "image.tif", picture(400, 300), blockysize=16, compress="lzw")
        tifffile.imwrite(path, picture(400, 300), photometric="rgb", planarconfig="separate", rowsperstrip=16)
        path.write_bytes(path.read_bytes()[:200_000])
        self.refused(path, r"rows \d+ to \d+")

    def test_damaged_rows_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "image.png"
        pillow(picture(400, 300)).save(path)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
        self.refused(path, r"near rows \d+ to \d+")

    @pytest.mark.parametrize("suffix", [".jpg", ".tif"])
    def test_cmyk(self, tmp_path: Path, suffix: str) -> None:
        pillow(picture(HEIGHT, WIDTH)).convert("CMYK").save(tmp_path / f"image{suffix}")
        self.refused(tmp_path / f"image{suffix}", "CMYK")

    @pytest.mark.parametrize("bands", [(1, 2), (0,), (4,), ()])
    def test_bands_that_are_not_there(self, tmp_path: Path, bands: tuple[int, ...]) -> None:
        path = write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH))
        self.refused(path, "has bands 1.* 3; expected", choice=Choice(shown=bands))

    @pytest.mark.parametrize("dtype", ["complex64", "complex128", "int64"])
    def test_other_values(self, tmp_path: Path, dtype: str) -> None:
        path = write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH, 1).astype(dtype))
        self.refused(path, f"{dtype}.* values; expected bands of one number format of uint8")

    def test_georeference_and_orientation(self, tmp_path: Path) -> None:
        path = tmp_path / "image.tif"
        scale = (33550, "d", 3, (10.0, 10.0, 0.0), True)
        tie = (33922, "d", 6, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0), True)
        orientation = (274, "H", 1, 6, True)
        pixels = picture(HEIGHT, WIDTH).transpose(1, 2, 0)
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[scale, tie, orientation])
        self.refused(path, "georeference and an orientation")


@pytest.mark.parametrize("bits", range(1, 8))
def test_gray_of_few_bits_is_stretched_evenly(tmp_path: Path, bits: int) -> None:
    """By the largest whole number that keeps it within 8 bits: white of 7 bits is 254."""
    stored = picture(HEIGHT, WIDTH, 1) >> (8 - bits)
    path = write_raster(tmp_path / "image.tif", stored, driver="GTiff", nbits=bits)
    np.testing.assert_array_equal(whole(path), stored * (255 // (2**bits - 1)))


def test_a_reader_from_outside_is_asked_only_for_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = """
    from storage.images.readers.reader import Reader

    class XyzReader(Reader):
        suffixes = ("xyz",)

        def open(self, path):
            raise ValueError("no pixels")

    XYZ = XyzReader()
    """
    files = {"xyz_reader.py": textwrap.dedent(reader)}
    entries = {"gigatile.readers": {"xyz": "xyz_reader:XYZ"}}
    install(monkeypatch, tmp_path / "site", entries, name="xyz-reader", version="2.5", files=files)
    known, strange, other = tmp_path / "png.xyz", tmp_path / "strange.xyz", tmp_path / "strange.abc"
    pillow(picture(HEIGHT, WIDTH)).save(known, "PNG")
    for path in (strange, other):
        path.write_bytes(b"of no kind that is known by its first bytes")
    assert packages_of(strange) == {"xyz-reader": "2.5"}
    assert packages_of(known) == packages_of(other) == {}
    assert reader_of(find_place(str(known))) is None
    with pytest.raises(ImageError, match="no pixels"):
        open_image(strange)
