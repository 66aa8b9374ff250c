"""A picture's words as PNG's texts: the input's own, and TIFF's tags under the keywords that PNG registers."""

from __future__ import annotations

from .picture import Picture

_KEYWORDS = {
    "TIFFTAG_DOCUMENTNAME": "Title",
    "TIFFTAG_ARTIST": "Author",
    "TIFFTAG_IMAGEDESCRIPTION": "Description",
    "TIFFTAG_COPYRIGHT": "Copyright",
    "TIFFTAG_DATETIME": "Creation Time",
    "TIFFTAG_HOSTCOMPUTER": "Source",
}
_SOFTWARE = "Software"


def texts_of(picture: Picture) -> tuple[tuple[str, str], ...]:
    """Keyword and text of each."""
    metadata = picture.info.metadata
    own = [(keyword, text) for keyword, text in metadata.embedded.texts if keyword != _SOFTWARE]
    there = {keyword for keyword, _ in own}
    more = [
        (keyword, metadata.tags[tag])
        for tag, keyword in _KEYWORDS.items()
        if tag in metadata.tags and keyword not in there
    ]
    software = [(_SOFTWARE, picture.software)] if picture.software else []
    return (*own, *more, *software)


def comment_of(picture: Picture) -> str | None:
    """JPEG's one text without a keyword."""
    texts = dict(picture.info.metadata.embedded.texts)
    return texts.get("Comment")
