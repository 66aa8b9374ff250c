"""Which bands are carried, shown and opacity, of four that say what they are."""

from __future__ import annotations

import pytest

from storage.errors import ImageError
from storage.images.layout import Choice
from storage.images.metadata import BandMetadata
from storage.images.readers.carried import carried_metadata, choose, find_alpha
from storage.images.told import Told

COLOURS = ("red", "green", "blue", "alpha")
TOLD = Told(alpha=4, bands=tuple(BandMetadata(colour=colour) for colour in COLOURS))
PLAIN = Told(alpha=0, bands=tuple(BandMetadata(colour="undefined") for _ in range(4)))


@pytest.mark.parametrize(
    ("told", "choice", "band", "said"),
    [
        (TOLD, Choice(), 4, ""),
        (PLAIN, Choice(), 0, ""),
        (TOLD, Choice(alpha="none"), 0, "band 4 is carried as data, as --alpha none asks"),
        (TOLD, Choice(shown=(4, 2, 1)), 0, "band 4 says that it is alpha, but --bands asks for it"),
        (TOLD, Choice(only=(1, 4)), 0, "band 4 says that it is alpha, but --bands asks for it"),
        (TOLD, Choice(shown=(4, 2, 1), alpha="band"), 4, ""),
    ],
)
def test_the_band_that_is_opacity(told: Told, choice: Choice, band: int, said: str) -> None:
    found, lines = find_alpha("a", told, 4, choice)
    assert found == band
    assert [line[: len(said)] for line in lines] == ([said] if said else [])


def test_alpha_that_is_asked_for_and_not_there_is_refused() -> None:
    with pytest.raises(ImageError, match="a has 4 bands, none of which says that it is alpha"):
        find_alpha("a", PLAIN, 4, Choice(alpha="band"))


@pytest.mark.parametrize(
    ("choice", "alpha", "carried", "shown"),
    [
        (Choice(), 4, (0, 1, 2), (0, 1, 2)),
        (Choice(alpha="none"), 0, (0, 1, 2, 3), (0, 1, 2)),
        (Choice(shown=(3, 2, 1)), 4, (0, 1, 2), (2, 1, 0)),
        (Choice(only=(2,)), 4, (1,), (0,)),
    ],
)
def test_the_bands_that_are_carried(
    choice: Choice, alpha: int, carried: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    bands, found = choose("a", 4, TOLD, alpha, choice)
    assert bands == carried
    assert found == (shown, ())


def test_a_band_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError, match="5"):
        choose("a", 4, TOLD, 4, Choice(only=(5,)))


def test_opacity_that_is_carried_is_data() -> None:
    assert [band.colour for band in carried_metadata(TOLD, (3, 0)).bands] == ["undefined", "red"]
