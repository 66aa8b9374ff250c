"""What the tasks of a plan read of its run: one object, which whoever keeps the run gives them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from storage.box import Box


class Reads(Protocol):
    """Reads boxes of latent pixels; every array is float32, [channels, y, x] unless said."""

    def at(self, step: int, box: Box) -> np.ndarray:
        """Latents that a step starts from, or, after the last step, its result."""
        ...

    def history(self, step: int, box: Box) -> np.ndarray:
        """The ``k`` tensors that the solver remembers as a step begins, one after another: ``[k * c, y, x]``."""
        ...

    def noise(self, box: Box, draw: int) -> np.ndarray:
        """Keyed noise: draw 0 is the stage's first, draw s + 1 what step s adds."""
        ...

    def coarse(self, box: Box) -> np.ndarray:
        """The coarse latent."""
        ...

    def difficulty(self, box: Box) -> np.ndarray:
        """How difficult each place is, ``[y, x]`` in [0, 1], in a plan that has difficulty."""
        ...
