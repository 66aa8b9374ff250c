"""What an array's dimensions are, by their names, kinds and sizes."""

from __future__ import annotations

import itertools

import pytest

from storage.errors import ImageError
from storage.images.readers.axes import Axes, named_axes, unnamed_axes


@pytest.mark.parametrize("names", list(itertools.permutations("tczyx")))
def test_any_order(names: tuple[str, ...]) -> None:
    sizes = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 6}
    axes = named_axes("a", names, [sizes[name] for name in names])
    assert (axes.num_bands, axes.num_planes) == (3, 8)
    assert (names[axes.y], names[axes.x]) == ("y", "x")
    assert [names[place] for place in axes.others] == ["t", "z"]
    assert axes.plane(5) == {names.index("t"): 1, names.index("z"): 1}


@pytest.mark.parametrize(
    ("names", "shape", "kinds", "bands", "planes"),
    [
        (["band", "latitude", "longitude"], (4, 5, 6), [], 4, 1),
        (["polarisation", "y", "x"], (2, 5, 6), [], 2, 1),
        (["q", "y", "x"], (2, 5, 6), ["channel", "space", "space"], 2, 1),
        (["phase", "c", "y", "x"], (1, 2, 5, 6), [], 2, 1),
        (["time", "y", "x"], (7, 5, 6), [], 1, 7),
    ],
)
def test_other_names(names: list[str], shape: tuple[int, ...], kinds: list[str], bands: int, planes: int) -> None:
    axes = named_axes("a", names, shape, kinds)
    assert (axes.num_bands, axes.num_planes) == (bands, planes)


@pytest.mark.parametrize(
    ("names", "shape", "said"),
    [
        (["a", "b"], (5, 6), "expected one y and one x"),
        (["y", "x"], (2, 5, 6), "names 2 axes"),
        (["phase", "c", "y", "x"], (3, 2, 5, 6), r"phase \(3\), c \(2\)"),
    ],
)
def test_what_is_no_picture(names: list[str], shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        named_axes("a", names, shape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((9, 9), (0, 1, None)), ((3, 9, 9), (1, 2, 0)), ((9, 9, 4), (0, 1, 2)), ((9, 9, 5), (1, 2, 0))],
)
def test_no_names(shape: tuple[int, ...], expected: tuple[int, int, int | None]) -> None:
    y, x, c = expected
    assert unnamed_axes("a", shape) == Axes(shape=shape, y=y, x=x, c=c)


def test_more_than_three_without_names() -> None:
    with pytest.raises(ImageError, match=r"4 axes of 1 x 2 x 3 x 4 and no names"):
        unnamed_axes("a", (1, 2, 3, 4))
