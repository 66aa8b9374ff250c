"""IPTC's Information Interchange Model, version 4.2: records ``1C, record, set, length, data`` of a picture's words.

JPEG keeps them among Photoshop's resources. For other formats they become properties of XMP by the mapping of the IPTC
Photo Metadata Standard.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MARK = 0x1C
_RESOURCE = 0x0404
_UTF8 = b"\x1b%G"
_CHARACTER_SET = (1, 90)
_DC, _PHOTOSHOP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/photoshop/1.0/"
_AS_XMP = {
    (2, 5): (_DC, "title"),
    (2, 120): (_DC, "description"),
    (2, 25): (_DC, "subject"),
    (2, 80): (_DC, "creator"),
    (2, 116): (_DC, "rights"),
    (2, 40): (_PHOTOSHOP, "Instructions"),
    (2, 55): (_PHOTOSHOP, "DateCreated"),
    (2, 85): (_PHOTOSHOP, "AuthorsPosition"),
    (2, 90): (_PHOTOSHOP, "City"),
    (2, 95): (_PHOTOSHOP, "State"),
    (2, 101): (_PHOTOSHOP, "Country"),
    (2, 103): (_PHOTOSHOP, "TransmissionReference"),
    (2, 105): (_PHOTOSHOP, "Headline"),
    (2, 110): (_PHOTOSHOP, "Credit"),
    (2, 115): (_PHOTOSHOP, "Source"),
    (2, 122): (_PHOTOSHOP, "CaptionWriter"),
}
_DATE = (2, 55)
_LISTS = ("subject", "creator")


def resources(records: bytes) -> bytes:
    """Photoshop's block of resources with ``records`` in it: the body of a JPEG's APP13 segment."""
    padded = records + bytes(len(records) & 1)
    return b"Photoshop 3.0\0" + struct.pack(">4sHHI", b"8BIM", _RESOURCE, 0, len(records)) + padded


def xmp_of_iptc(records: bytes) -> dict[tuple[str, str], str | list[str]]:
    """Properties of XMP by namespace and name; lists for those that may have many values.

    >>> xmp_of_iptc(bytes([0x1C, 2, 90, 0, 4]) + b"Oslo")
    {('http://ns.adobe.com/photoshop/1.0/', 'City'): 'Oslo'}
    """
    found: dict[tuple[str, str], str | list[str]] = {}
    letters = "latin-1"
    for key, data in _records(records):
        if key == _CHARACTER_SET:
            letters = "utf-8" if data == _UTF8 else "latin-1"
        if key not in _AS_XMP or not data:
            continue
        name, text = _AS_XMP[key], "".join(c for c in data.decode(letters, "replace") if c >= " " or c in "\t\n")
        if key == _DATE and len(text) == len("YYYYMMDD"):
            text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
        if name[1] in _LISTS:
            known = found.setdefault(name, [])
            assert isinstance(known, list)
            known.append(text)
        else:
            found.setdefault(name, text)
    return found


def _records(records: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at = 0
    while at + 5 <= len(records) and records[at] == _MARK:
        size = int.from_bytes(records[at + 3 : at + 5], "big")
        if size & 0x8000:  # so long that its length has a length: pictures within the picture
            return
        yield (records[at + 1], records[at + 2]), records[at + 5 : at + 5 + size]
        at += 5 + size
