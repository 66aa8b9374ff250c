"""How bands differ, taken for the most part from the input: the picture's brightness alone is made sharp.

A model that knows photographs guesses how an edge looks in red, green and blue; what it guesses of their mean holds up,
what it guesses of their differences less. So of these most are the input's, enlarged (component substitution, as the
intensity-hue-saturation methods of pansharpening do the other way round; "A Critical Comparison Among Pansharpening
Algorithms", Vivone et al. 2015, section III):

    x_k + s ((b_k - mean b) - (x_k - mean x)),    b the input, bicubic.
"""

from __future__ import annotations

import numpy as np

from .pixels import CUBIC_REACH

SHARE = 0.75
"""s: at 1 the spectral angle is no better, and no edge has a colour of its own"""
REACH = CUBIC_REACH
"""input pixels round a pixel that its spectrum depends on"""


def keep_chroma(values: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """``values [b, y, x]`` with their mean over bands, and for the most part the differences of ``plain``'s bands.

    Both of the same units and shape, float64. One band stays as it is.
    """
    return values + SHARE * (_differences(plain) - _differences(values))


def _differences(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values - values.mean(axis=0, keepdims=True)
    return found
