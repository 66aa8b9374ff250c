"""Rows of an image with some more above and below them, each row read once and in increasing order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from storage.box import Box

from .opened import ImageSource


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """Rows of one image."""

    box: Box
    """its own rows"""
    around: Box
    """them and the margin, cut at the image's edge"""
    pixels: np.ndarray
    """``[bands, y, x]`` of ``around``"""
    valid: np.ndarray | None
    """which of them are data; see ImageSource.look"""


def strips(
    source: ImageSource, edges: Sequence[int], margin: int = 0, columns: tuple[int, int] | None = None
) -> Iterator[Strip]:
    """Rows between each of ``edges`` and the next, which increase; ``margin``: rows more on either side.

    ``columns``: the first of them, and the one behind the last; all by default. In memory are one strip, its margins
    and what the next one begins with, as long as the caller lets go of strips.
    """
    left, right = columns or (0, source.info.width)
    held: tuple[int, np.ndarray, np.ndarray | None] | None = None
    for top, bottom in itertools.pairwise(edges):
        first, last = max(0, top - margin), min(source.info.height, bottom + margin)
        begin = first if held is None else held[0] + held[1].shape[1]
        parts = [] if held is None or not held[1].size else [held[1:]]
        if begin < last:
            parts.append(source.look(Box(top=begin, left=left, height=last - begin, width=right - left)))
        kept = max(0, bottom - margin - first)
        pixels, valid = _joined([part[0] for part in parts]), _joined([part[1] for part in parts])
        assert pixels is not None
        held = (first + kept, pixels[:, kept:].copy(), None if valid is None else valid[:, kept:].copy())
        yield Strip(
            box=Box(top=top, left=left, height=bottom - top, width=right - left),
            around=Box(top=first, left=left, height=last - first, width=right - left),
            pixels=pixels,
            valid=valid,
        )
        del pixels, valid, parts


def _joined(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known, axis=1) if len(known) > 1 else known[0] if known else None
