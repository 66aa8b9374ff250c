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
    where: np.ndarray | None = None
    """of dilated samples, whose average counts apart: the bits of [y, x] that say which pixels they are, row by row;
    ``total`` is [c, pixels] then; None for tiles, which cover the box"""
    words: np.ndarray | None = None
    """[T + 1, rows, columns] float32: the same sum of maps of attention to T tokens, over the cells that ``box``
    touches (word_sums.py), and the weights' own sum; None where a recipe collects none"""

    moments: np.ndarray | None = None
    """[2 + c, y, x] float32: of tiles, weights, squares and means of their predictions (disagreement.py); None where
    nobody asks how far they disagree"""

    @property
    def is_dilated(self) -> bool:
        return self.where is not None

    def dense(self) -> np.ndarray:
        """``total`` as [c, y, x], zeros where nothing is said."""
        if self.where is None:
            return self.total
        mask = np.unpackbits(self.where, count=self.box.area).astype(bool).reshape(self.box.shape)
        values = np.zeros((len(self.total), *self.box.shape), dtype=np.float32)
        values[:, mask] = self.total
        return values


def at_pixels(box: Box, total: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> Contribution:
    """The contribution of ``total [c, n]`` at ``n`` pixels of ``box``, each at its row and column in it, ``[n]``."""
    flat = rows * box.width + cols
    mask = np.zeros(box.area, dtype=bool)
    mask[flat] = True
    return Contribution(box=box, total=np.ascontiguousarray(total[:, flat.argsort()]), where=np.packbits(mask))
