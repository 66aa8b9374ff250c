"""DeepZoom: the levels and tiles that viewers ask for, by their formulas, and pixels as Pillow sees them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images import check_output, write_image
from storage.images.formats import check_fits, losses
from storage.images.georeference import GeoReference
from storage.images.pyramid import Holes, halve
from storage.images.writers.deep_zoom import DeepZoomWriter
from tests.storage.images.files import blocks, decoded, info_of, picture, srgb_profile
from tests.storage.images.writers.pictures import write as write_plain

NAMESPACE = "{http://schemas.microsoft.com/deepzoom/2008}"


def write(
    path: Path, pixels: np.ndarray, *, overwrite: bool = False, alpha: np.ndarray | None = None, **facts: object
) -> Path:
    _, height, width = pixels.shape
    size = {"height": height, "width": width}
    read = None if alpha is None else lambda box: alpha[box.slices]
    write_image(path, info_of(pixels, **facts), 1, blocks(pixels, 100), alpha=read, overwrite=overwrite, **size)
    return path.with_name(f"{path.stem}_files")


def asked_for(height: int, width: int, suffix: str) -> dict[str, tuple[int, int]]:
    """Every tile that OpenSeadragon's DziTileSource asks for, with its height and width: TileSource.getTileBounds."""
    size, overlap, found = 254, 1, {}
    most = math.ceil(math.log2(max(height, width)))
    for level in range(most + 1):
        scale = 0.5 ** (most - level)
        tall, wide = math.ceil(height * scale), math.ceil(width * scale)
        for row in range(math.ceil(tall / size)):
            for col in range(math.ceil(wide / size)):
                x, y = col * size - (overlap if col else 0), row * size - (overlap if row else 0)
                across = min(size + overlap * (2 if col else 1), wide - x)
                down = min(size + overlap * (2 if row else 1), tall - y)
                found[f"{level}/{col}_{row}.{suffix}"] = (down, across)
    return found


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (254, 255), (509, 300), (513, 64)])
@pytest.mark.parametrize(("name", "suffix"), [("a.dzi", "png"), ("a.jpg.dzi", "jpg"), ("a.webp.dzi", "webp")])
def test_there_is_what_viewers_ask_for(tmp_path: Path, height: int, width: int, name: str, suffix: str) -> None:
    files = write(tmp_path / name, picture(height, width))
    wanted = asked_for(height, width, suffix)
    found = {path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()}
    assert found == {*wanted, "metadata.json"}
    for tile, shape in wanted.items():
        with Image.open(files / tile) as image:
            assert (image.height, image.width) == shape


def test_the_descriptor_says_what_there_is(tmp_path: Path) -> None:
    write(tmp_path / "a.webp.dzi", picture(20, 30))
    root = ElementTree.parse(tmp_path / "a.webp.dzi").getroot()
    assert root.tag == f"{NAMESPACE}Image"
    assert dict(root.attrib) == {"Format": "webp", "Overlap": "1", "TileSize": "254"}
    size = root.find(f"{NAMESPACE}Size")
    assert size is not None
    assert dict(size.attrib) == {"Height": "20", "Width": "30"}


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("name", ["a.dzi", "a.webp.dzi"])
def test_no_pixel_is_lost(tmp_path: Path, name: str, bands: int) -> None:
    if bands == 1 and "webp" in name:
        pytest.skip("WebP has no gray: it is said before")
    pixels = picture(400, 300, bands)
    alpha = picture(400, 300, 1, seed=1)[0]
    files = write(tmp_path / name, pixels, alpha=alpha)
    level = np.concatenate([pixels, alpha[None]])
    for number in range(9, 7, -1):
        shown = np.zeros_like(level)
        for path in (files / str(number)).iterdir():
            col, row = (int(place) * 254 - (place != "0") for place in path.stem.split("_"))
            tile = decoded(path)
            shown[:, row : row + tile.shape[1], col : col + tile.shape[2]] = tile
        np.testing.assert_array_equal(shown, level)
        level = halve(level, Holes(has_alpha=True))


def test_jpeg_is_close(tmp_path: Path) -> None:
    pixels = picture(200, 200)
    files = write(tmp_path / "a.jpg.dzi", pixels, icc=srgb_profile())
    assert np.abs(decoded(files / "8/0_0.jpg").astype(int) - pixels).mean() < 4
    with Image.open(files / "8/0_0.jpg") as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_nodata_has_no_part_in_smaller_levels(tmp_path: Path) -> None:
    pixels = np.full((3, 64, 64), 200, np.uint8)
    pixels[:, :, 21:40] = 0
    files = write(tmp_path / "a.dzi", pixels, nodata=0.0)
    for level in range(7):
        assert set(np.unique(decoded(files / f"{level}/0_0.png"))) <= {0, 200}


def test_what_tiles_cannot_say_lies_beside_them(tmp_path: Path) -> None:
    geo = GeoReference(transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))
    files = write(tmp_path / "a.dzi", picture(20, 30), geo=geo, nodata=0.0, dpi=(300.0, 300.0))
    found = json.loads((files / "metadata.json").read_text())
    assert found["transform"] == [10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0]
    assert (found["nodata"], found["dpi"], found["height"]) == (0.0, [300.0, 300.0], 20)


def test_numbers_that_it_does_not_hold_are_refused_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"DeepZoom holds 8 bits, the image has uint16; choose \.ome\.zarr or \.tif"):
        check_output(tmp_path / "a.dzi", overwrite=False, height=9, width=9, dtype="uint16")
    with pytest.raises(ImageError, match="gray or RGB, the image has 4 bands"):
        check_fits(Path("a.jpg.dzi"), height=9, width=9, dtype="uint8", num_colours=4)
    (line,) = losses("a.jpg.dzi", info_of(picture(4, 4), has_alpha=True))
    assert "DeepZoom of JPEG has no transparency" in line


def test_an_older_one_is_replaced_with_its_tiles(tmp_path: Path) -> None:
    files = write(tmp_path / "a.dzi", picture(600, 300))
    with pytest.raises(FileExistsError, match="allow overwriting"):
        write(tmp_path / "a.dzi", picture(20, 30))
    write(tmp_path / "a.dzi", picture(20, 30), overwrite=True)
    assert {path.name for path in files.iterdir()} == {*map(str, range(6)), "metadata.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.dzi", "a_files"}


def test_a_folder_that_it_needs_is_not_taken_from_others(tmp_path: Path) -> None:
    (tmp_path / "a_files").mkdir()
    (tmp_path / "a_files/thesis.txt").touch()
    with pytest.raises(FileExistsError, match="a_files is there, which it needs for itself"):
        check_output(tmp_path / "a.dzi", overwrite=True)


def test_it_can_be_written_by_itself(tmp_path: Path) -> None:
    """Without the way that results take."""
    write_plain(DeepZoomWriter(), tmp_path / "new/a.dzi", picture(20, 30), alpha=91)
    assert decoded(tmp_path / "new/a_files/5/0_0.png")[3, 0, 0] == 91
