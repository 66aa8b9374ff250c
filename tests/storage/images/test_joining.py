"""What several files say, as what one picture says: nothing is lost without a word."""

from __future__ import annotations

from typing import Any

from storage.images.embedded import Embedded
from storage.images.info import ImageInfo
from storage.images.joining import join_metadata
from storage.images.metadata import BandMetadata, Metadata
from tests.storage.images.files import info_of, picture


def part(band: dict[str, Any] | None = None, *, has_alpha: bool = False, **facts: Any) -> ImageInfo:
    bands = () if band is None else (BandMetadata(**band),)
    return info_of(picture(4, 4, 1), has_alpha=has_alpha, metadata=Metadata(bands=bands, **facts))


def test_what_all_say_is_the_picture_s_and_the_rest_their_bands() -> None:
    spaces = {"X": {"a": "1", "b": "2"}}, {"X": {"a": "1", "b": "3"}, "Y": {"c": "4"}}
    red = part({"tags": {"own": "1"}, "scale": 0.5}, tags={"who": "A", "band": "B04"}, namespaces=spaces[0])
    green = part({"unit": "K"}, tags={"who": "A", "band": "B03"}, namespaces=spaces[1])
    joined, said = join_metadata([red, green], ["a.tif", "b.tif"])
    assert said == ()
    assert (joined.tags, joined.namespaces) == ({"who": "A"}, {"X": {"a": "1"}})
    first, second = joined.bands
    assert (first.tags, first.namespaces, first.scale) == ({"own": "1", "band": "B04"}, {"X": {"b": "2"}}, 0.5)
    assert (second.tags, second.namespaces, second.unit) == ({"band": "B03"}, {"X": {"b": "3"}, "Y": {"c": "4"}}, "K")


def test_a_band_s_own_words_are_the_stronger() -> None:
    joined, _ = join_metadata([part({"tags": {"a": "band"}}, tags={"a": "file"}), part({})], ["a.tif", "b.tif"])
    assert joined.bands[0].tags == {"a": "band"}


def test_gray_of_one_file_is_no_colour_of_a_scene() -> None:
    joined, _ = join_metadata([part({"colour": "gray"}), part({"colour": "nir"}), part()], ["a", "b", "c"])
    assert [band.colour for band in joined.bands] == ["undefined", "nir", "undefined"]


def test_what_is_embedded_stays_where_it_is_one_and_is_told_where_not() -> None:
    found = Embedded(xmp=b"<x/>")
    assert join_metadata([part(embedded=found)] * 2, ["a", "b"])[0].embedded == found
    joined, said = join_metadata([part(embedded=found), part(), part(embedded=found)], ["a", "b", "c"])
    assert joined.embedded == Embedded()
    assert said == ("EXIF, XMP and the like of INPUT are left out: they differ in b",)


def test_opacity_is_a_mask_where_all_that_there_is_is_one() -> None:
    mask, soft, none = part(has_alpha=True, has_mask=True), part(has_alpha=True), part()
    found = [join_metadata(parts, ["a", "b"])[0].has_mask for parts in ([mask, none], [mask, soft], [none, none])]
    assert found == [True, False, False]
