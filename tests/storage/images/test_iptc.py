from __future__ import annotations

import io

import pytest
from PIL import Image

from storage.images.iptc import resources, xmp_of_iptc
from storage.images.jpeg import segment

DC, PHOTOSHOP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/photoshop/1.0/"


def record(number: int, data: bytes, *, of: int = 2) -> bytes:
    return bytes((0x1C, of, number)) + len(data).to_bytes(2, "big") + data


def test_words_become_the_properties_that_the_standard_names() -> None:
    words = [(5, b"Harbour"), (25, b"boats"), (25, b"fog"), (80, b"A. Author"), (55, b"20010203"), (90, b"Oslo")]
    assert xmp_of_iptc(b"".join(record(*word) for word in words)) == {
        (DC, "title"): "Harbour",
        (DC, "subject"): ["boats", "fog"],
        (DC, "creator"): ["A. Author"],
        (PHOTOSHOP, "DateCreated"): "2001-02-03",
        (PHOTOSHOP, "City"): "Oslo",
    }


def test_letters_are_what_the_records_say() -> None:
    assert xmp_of_iptc(record(90, b"Troms\xf8")) == {(PHOTOSHOP, "City"): "Troms\u00f8"}
    utf8 = record(90, b"\x1b%G", of=1) + record(90, "Troms\u00f8".encode())
    assert xmp_of_iptc(utf8) == {(PHOTOSHOP, "City"): "Troms\u00f8"}
    assert xmp_of_iptc(record(90, b"a\x01b")) == {(PHOTOSHOP, "City"): "ab"}, "XML has no such letter"


def test_what_is_cut_short_or_longer_than_words() -> None:
    assert xmp_of_iptc(b"") == {}
    assert xmp_of_iptc(record(90, b"Oslo") + b"\x1c\x02") == {(PHOTOSHOP, "City"): "Oslo"}
    assert xmp_of_iptc(bytes((0x1C, 2, 90, 0x80, 4)) + b"Oslo") == {}


def test_pillow_finds_the_records_in_a_jpeg() -> None:
    encoded = io.BytesIO()
    Image.new("L", (8, 8)).save(encoded, "JPEG")
    for records in (record(90, b"Oslo"), record(90, b"Bergen!")):
        made = segment(0xED, resources(records))
        assert made is not None
        with Image.open(io.BytesIO(encoded.getvalue()[:2] + made + encoded.getvalue()[2:])) as image:
            assert image.info["photoshop"][0x0404] == records


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (40, "Instructions"),
        (85, "AuthorsPosition"),
        (90, "City"),
        (95, "State"),
        (101, "Country"),
        (103, "TransmissionReference"),
        (105, "Headline"),
        (110, "Credit"),
        (115, "Source"),
        (122, "CaptionWriter"),
    ],
)
def test_photoshop_s_names(number: int, name: str) -> None:
    """By the table of the IPTC Photo Metadata Standard."""
    assert xmp_of_iptc(record(number, b"words")) == {(PHOTOSHOP, name): "words"}


def test_dublin_core_s_names() -> None:
    found = xmp_of_iptc(record(120, b"words") + record(116, b"rights"))
    assert found == {(DC, "description"): "words", (DC, "rights"): "rights"}
