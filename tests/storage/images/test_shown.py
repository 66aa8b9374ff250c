"""Which bands a model is shown."""

from __future__ import annotations

import pytest

from storage.errors import ImageError
from storage.images.shown import check_bands, find_shown

NOTHING = ("undefined",) * 5


@pytest.mark.parametrize(
    ("bands", "colours", "shown", "words"),
    [
        ((4,), NOTHING[:1], (0,), ""),
        ((2, 5), NOTHING[:2], (0,), "band 2 of two"),
        ((1, 2, 3), NOTHING[:3], (0, 1, 2), ""),
        ((2, 3, 4, 5), NOTHING[:4], (0, 1, 2), "2, 3, 4 are shown"),
        ((1, 2, 3, 4), (), (0, 1, 2), "1, 2, 3 are shown"),
        ((1, 2, 3, 4), ("nir", "blue", "green", "red"), (3, 2, 1), ""),
        ((1, 2, 3), ("blue", "green", "red"), (2, 1, 0), ""),
        ((1, 2, 3, 4), ("red", "red", "green", "blue"), (0, 1, 2), "1, 2, 3 are shown"),
    ],
)
def test_where_nobody_chose(
    bands: tuple[int, ...], colours: tuple[str, ...], shown: tuple[int, ...], words: str
) -> None:
    found, said = find_shown("a.tif", bands, colours, None)
    assert found == shown
    assert len(said) == (words != "")
    assert words in "".join(said)


@pytest.mark.parametrize(("asked", "shown"), [((7,), (2,)), ((7, 2, 5), (2, 0, 1))])
def test_as_the_user_has_it(asked: tuple[int, ...], shown: tuple[int, ...]) -> None:
    assert find_shown("a.tif", (2, 5, 7), ("red", "green", "blue"), asked) == (shown, ())


@pytest.mark.parametrize("asked", [(), (2, 5), (2, 2, 5), (1,), (2, 5, 8)])
def test_what_cannot_be_shown(asked: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"a\.tif has bands 2, 5, 7; expected one or three of them, got \("):
        find_shown("a.tif", (2, 5, 7), (), asked)


def test_bands_that_are_not_there() -> None:
    check_bands("a.tif", 3, None)
    check_bands("a.tif", 3, (1, 3))
    for asked in ((0,), (4,), (1, 2, 4)):
        with pytest.raises(ImageError, match=r"a\.tif has bands 1 to 3; expected one or three of them, got \("):
            check_bands("a.tif", 3, asked)
