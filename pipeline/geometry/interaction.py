"""Window interaction (AccDiffusion v2): dilated samples exchange pixels, place by place, while the model sees them.

At each place of the samples' own grid a keyed bijection says which sample's pixel each sample shows there. It is undone
in the predictions, so every pixel gets its own. The paper's bijection is one for all channels; its published code draws
one a channel.
"""

from __future__ import annotations

import numpy as np

from storage.box import Box

from .noise import keyed_noise

TAG = 0x1A7E
"""sets these draws apart from noise with the same seed and stage"""


def draw_bijection(
    num_samples: int, height: int, width: int, *, seed: int, stage: int, step: int, window: int, group: int = 0
) -> np.ndarray:
    """``[num_samples, height, width] int64``: sample ``k`` shows at (y, x) the pixel of sample ``[k, y, x]``.

    Uniform over all permutations at every place, and a function of the place alone, of the seed, the stage, the step
    and the number of the dilation window. ``group`` above 0 keeps pixels within consecutive groups of so many samples,
    as the published implementation's batches do.
    """
    whole = Box(top=0, left=0, height=height, width=width)
    order = keyed_noise(whole, channels=num_samples, seed=seed, stage=stage, draw=(TAG << 32) + (step << 20) + window)
    size = group or num_samples
    groups = (slice(first, first + size) for first in range(0, num_samples, size))
    # stable: what a tie does is no matter of the sort's implementation
    return np.concatenate([group.start + order[group].argsort(axis=0, kind="stable") for group in groups])
