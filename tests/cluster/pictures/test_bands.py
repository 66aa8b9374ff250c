"""Gray and three bands that are gray are one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.pictures.comparison import compare_images
from cluster.pictures.consistency import check_consistency
from cluster.pictures.satellite import compare_satellite
from storage.errors import ImageError
from storage.images import write_image
from tests.storage.images.files import blocks, info_of, picture, pillow

NAMES = ("a.webp", "a.dzi", "a.webp.dzi", "a.png.iiif", "a.webp.iiif", "a.png", "a.tif")


def write(path: Path, pixels: np.ndarray) -> str:
    _, height, width = pixels.shape
    write_image(path, info_of(pixels), 1, blocks(pixels, 100), height=height, width=width)
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_equals_what_it_was_made_of(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    gray = write(tmp_path / "gray.tif", picture(90, 80, 1))
    made = write(tmp_path / name, picture(90, 80, 1))
    for pair in ((made, gray), (gray, made)):
        assert compare_images(*pair)["psnr"] in (None, np.inf)
    warned = [record.getMessage() for record in caplog.records if "three bands" in record.getMessage()]
    assert len(warned) == (2 if name == "a.webp" else 0)


def test_an_enlargement_in_webp(tmp_path: Path) -> None:
    low = picture(40, 50, 1)
    made = write(tmp_path / "made.webp", low.repeat(2, axis=1).repeat(2, axis=2))
    found = check_consistency(made, write(tmp_path / "low.png", low))
    assert (found.ratio, len(found.names)) == (2, 1)
    assert found.figures.bands[0].bias == 0


def test_measures_of_satellites_take_gray_in_any_of_the_three(tmp_path: Path) -> None:
    low = picture(64, 64, 1)
    high = low.repeat(4, axis=1).repeat(4, axis=2)
    made, truth = write(tmp_path / "made.webp", high), write(tmp_path / "truth.webp", high)
    assert compare_satellite(made, truth, write(tmp_path / "low.png", low)).scale == 4


@pytest.mark.parametrize("is_first", [True, False])
def test_colours_are_no_gray(tmp_path: Path, is_first: bool) -> None:
    gray = write(tmp_path / "gray.png", picture(30, 40, 1))
    colours = tmp_path / "colours.png"
    pillow(picture(30, 40, 3)).save(colours)
    pair = (str(colours), gray) if is_first else (gray, str(colours))
    with pytest.raises(ImageError, match=r"colours.png has three bands, which differ near rows 0 to 29"):
        compare_images(*pair)
