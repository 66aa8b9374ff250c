"""Lines about pictures come once, others as often as they are said."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
import tifffile

import cluster.cli
from cluster.console.once import OncePerPicture
from cluster.pictures.consistency import are_of_one_size, check_consistency
from tests.storage.images.files import picture


def terminal(name: str) -> tuple[logging.Logger, io.StringIO]:
    text, log = io.StringIO(), logging.Logger(name)
    handler = logging.StreamHandler(text)
    handler.addFilter(OncePerPicture())
    log.addHandler(handler)
    return log, text


@pytest.mark.parametrize(
    ("name", "count"), [("storage.images.pages", 1), ("cluster.pictures.describing", 1), ("storage.imagesx", 2)]
)
def test_a_line_of_a_picture_comes_once(name: str, count: int) -> None:
    log, text = terminal(name)
    for path in ("a.tif", "b.tif", "a.tif"):
        log.warning("%s has %d pages", path, 3)
    assert text.getvalue().count("a.tif has 3 pages") == count
    assert text.getvalue().count("b.tif has 3 pages") == 1


def test_what_is_worse_is_said_too() -> None:
    log, text = terminal("storage.images.pages")
    log.warning("gone")
    log.error("gone")
    assert text.getvalue() == "gone\ngone\n"


def test_two_pictures_that_are_compared_are_opened_twice_and_spoken_of_once(tmp_path: Path) -> None:
    """As ``gigatile compare`` does it: the sizes first, then the pixels."""
    names = []
    for name, side in (("made.tif", 16), ("low.tif", 8)):
        names.append(str(tmp_path / name))
        with tifffile.TiffWriter(names[-1]) as tiff:
            for _ in range(2):
                tiff.write(picture(side, side, 1)[0])
    handler, text = cluster.cli._to_terminal(), io.StringIO()
    handler.setStream(text)
    log = logging.getLogger("storage.images")
    log.addHandler(handler)
    try:
        assert not are_of_one_size(*names)
        check_consistency(*names)
    finally:
        log.removeHandler(handler)
    assert [text.getvalue().count(f"{name} has 2 pages") for name in names] == [1, 1]
