"""Contributions: weighted predictions for part of a region. Whatever makes them, there is one merge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from storage.box import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """A sum of weighted predictions over part of one region."""

    box: Box
    """the part, in latent pixels of the canvas"""
    total: np.ndarray
    """[c, y, x] float32: sum over tiles, or over dilated samples, of weight times prediction"""
    dilated: bool = False
    """whether it is of dilated samples, whose average counts apart"""
    words: np.ndarray | None = None
    """[T + 1, rows, columns] float32: the same sum of maps of attention to T tokens, over the cells that ``box``
    touches (word_sums.py), and the weights' own sum; None where a recipe collects none"""
