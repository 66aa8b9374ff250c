from __future__ import annotations

from storage.images.embedded import Embedded
from storage.images.metadata import Metadata
from storage.images.words import comment_of, texts_of
from storage.images.writers.png import PngWriter
from tests.storage.images.files import picture
from tests.storage.images.writers.pictures import picture_of


def test_tags_become_keywords_where_the_input_has_none_of_its_own() -> None:
    tags = {"TIFFTAG_ARTIST": "A", "TIFFTAG_DOCUMENTNAME": "D", "TIFFTAG_SOFTWARE": "S", "SENSOR": "none of PNG's"}
    own = Embedded(texts=(("Title", "T"), ("Comment", "C"), ("Software", "older")))
    given = picture_of(PngWriter(), picture(4, 4), metadata=Metadata(tags=tags, embedded=own))
    assert texts_of(given) == (("Title", "T"), ("Comment", "C"), ("Author", "A"), ("Software", "S"))
    assert comment_of(given) == "C"
    plain = picture_of(PngWriter(), picture(4, 4))
    assert texts_of(plain) == ()
    assert comment_of(plain) is None
