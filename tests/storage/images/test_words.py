"""A picture's words, as PNG and JPEG have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.images.embedded import Embedded
from storage.images.formats import format_of
from storage.images.metadata import Metadata
from storage.images.picture import Picture
from storage.images.words import comment_of, texts_of
from tests.storage.images.files import info_of, picture


def result(texts: tuple[tuple[str, str], ...] = (), **tags: str) -> Picture:
    named = {f"TIFFTAG_{name}": text for name, text in tags.items()}
    pixels = picture(4, 4)
    facts: dict[str, Any] = {"height": 4, "width": 4, "num_colours": 3, "dtype": "uint8", "alpha": None, "icc": None}
    metadata = Metadata(tags=named, embedded=Embedded(texts=texts))
    return Picture(info=info_of(pixels, metadata=metadata), scale=1, wanted=format_of(Path("a.png")), **facts)


def test_nothing_is_said_of_nothing() -> None:
    assert texts_of(result()) == ()
    assert comment_of(result()) is None


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        ("DOCUMENTNAME", "Title"),
        ("ARTIST", "Author"),
        ("IMAGEDESCRIPTION", "Description"),
        ("COPYRIGHT", "Copyright"),
        ("DATETIME", "Creation Time"),
        ("HOSTCOMPUTER", "Source"),
    ],
)
def test_tiff_s_words_have_the_keywords_that_png_registers(tag: str, keyword: str) -> None:
    assert texts_of(result(**{tag: "words"})) == ((keyword, "words"),)


def test_what_the_file_says_in_png_s_words_is_the_stronger() -> None:
    found = texts_of(result((("Author", "A"), ("Own", "B")), ARTIST="C", COPYRIGHT="D"))
    assert found == (("Author", "A"), ("Own", "B"), ("Copyright", "D"))


def test_software_is_said_once_and_last() -> None:
    assert texts_of(result((("Software", "X 1"), ("Own", "B")))) == (("Own", "B"), ("Software", "X 1"))


def test_a_comment_is_the_text_of_that_name() -> None:
    assert comment_of(result((("Own", "B"), ("Comment", "C")))) == "C"
    assert comment_of(result((("Own", "B"),))) is None
