"""How far apart the directions of two spectra are (spectral angle mapper, Kruse et al. 1993)."""

from __future__ import annotations

import numpy as np


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees between the spectra of ``[b, ...]`` at each place, ``[...]`` float64; NaN where a spectrum is all zero.

    >>> angles(np.array([[1.0], [0.0]]), np.array([[3.0], [3.0]])).round(6)
    array([45.])
    """
    ours, theirs = first.astype(np.float64), second.astype(np.float64)
    norms = np.sqrt((ours * ours).sum(axis=0) * (theirs * theirs).sum(axis=0))
    cosine = np.divide((ours * theirs).sum(axis=0), norms, out=np.full(norms.shape, np.nan), where=norms > 0)
    found: np.ndarray = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return found
