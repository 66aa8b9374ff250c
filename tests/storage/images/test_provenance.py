from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import tifffile
from PIL import Image

from storage.images import write_image
from storage.images.provenance import Provenance, joined_software
from storage.images.xmp import OURS
from tests.storage.images.files import blocks, info_of, picture
from tests.storage.images.writers.pictures import opened

MADE = Provenance(
    software="gigatile 1", model="m", recipe="r", plan="p", seed=7, scale=1, source="a.tif", source_sha256="5"
)
FACTS = {"Software", "Model", "Recipe", "Plan", "Seed", "Scale", "Source", "SourceSha256"}


def write(path: Path, provenance: Provenance | None) -> Path:
    pixels = picture(16, 16)
    write_image(path, info_of(pixels), 1, blocks(pixels, 16), height=16, width=16, provenance=provenance)
    return path


def xmp_of(path: Path) -> bytes | None:
    """The packet, as a reader that is not GDAL finds it."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            tag = file.pages[0].tags.get(700)
            return None if tag is None else bytes(tag.value)
    with Image.open(path) as image:
        image.load()
        return image.info.get("xmp")


@pytest.mark.parametrize("suffix", [".tif", ".cog.tif", ".png", ".jpg", ".webp"])
def test_every_result_says_how_it_was_made(tmp_path: Path, suffix: str) -> None:
    found = xmp_of(write(tmp_path / f"out{suffix}", MADE))
    assert found is not None
    root = ElementTree.fromstring(found)
    told = {
        node.tag.removeprefix(f"{{{OURS}}}"): node.text for node in root.iter() if node.tag.startswith(f"{{{OURS}}}")
    }
    assert told.keys() == FACTS
    assert told["Source"] == "a.tif"
    assert b"compositeWithTrainedAlgorithmicMedia" in found
    assert [one.name for one in tmp_path.iterdir()] == [f"out{suffix}"], "no file beside it for this alone"


def test_plain_tags_say_it_too(tmp_path: Path) -> None:
    with opened(write(tmp_path / "out.tif", MADE)) as raster:
        assert raster.tags()["GIGATILE_PLAN"] == "p"
        assert raster.tags()["DIGITAL_SOURCE_TYPE"] == MADE.digital_source_type
        assert raster.tags()["TIFFTAG_SOFTWARE"] == "gigatile 1"
    with Image.open(write(tmp_path / "out.png", MADE)) as image:
        assert image.info["Software"] == "gigatile 1"
        assert image.getexif()[305] == "gigatile 1"
    with Image.open(write(tmp_path / "out.jpg", MADE)) as image:
        assert image.getexif()[305] == "gigatile 1"


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp"])
def test_nothing_is_made_up(tmp_path: Path, suffix: str) -> None:
    assert xmp_of(write(tmp_path / f"out{suffix}", None)) is None


@pytest.mark.parametrize("suffix", [".tif", ".cog.tif", ".png", ".jpg", ".webp"])
def test_the_same_facts_make_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = (write(tmp_path / f"{name}{suffix}", MADE).read_bytes() for name in "ab")
    assert first == second


def test_a_picture_of_words_alone_is_no_composite() -> None:
    made = Provenance(software="g", model="m", recipe="r", plan="p", seed=0, scale=1, is_from_words=True)
    assert made.digital_source_type.endswith("/trainedAlgorithmicMedia")
    assert "GIGATILE_SOURCE" not in made.tags


def test_packages_are_named_once_each() -> None:
    assert joined_software(None, None) is None
    assert joined_software("Scanner", None) == "Scanner"
    assert joined_software(None, "gigatile 1") == "gigatile 1"
    assert joined_software("gigatile 1; Editor", "gigatile 1") == "gigatile 1; Editor"
