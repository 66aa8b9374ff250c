"""Texture prompts: descriptions of sharp reference textures, found by what the coarse picture shows under a tile.

PatchScaler (arXiv 2405.17158, section 3.4 and Algorithm 1) keeps a memory of pairs: the key describes a reference patch
as the coarse picture would show it, the value describes the patch itself. A tile is prompted by the values of the keys
nearest to it. Descriptions are vectors of the model's own image encoder (Backbone.look), and reach the denoiser as
image prompts do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from storage.archive import archive_from_bytes, archive_to_bytes

PAIRS = 2000
"""pairs of a memory by default, as the paper's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureMemory:
    """Keys and values ``[n, D] float32``, row by row of the same patch."""

    keys: np.ndarray
    values: np.ndarray
    _directions: np.ndarray = field(init=False, repr=False, compare=False)
    """the keys at unit length, float64"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_directions", _unit(self.keys.astype(np.float64)))

    def nearest(self, query: np.ndarray, count: int) -> np.ndarray:
        """``[count, D]``: values of the keys most like ``query [D]``, the likest first; see ``likest``."""
        return self.likest(query, count)[0]

    def likest(self, query: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """``[count, D]`` values of the keys most like ``query [D]``, the likest first, and the likenesses ``[count]``
        float32 in [-1, 1]; a small memory repeats itself.

        Likeness is the normalised inner product (Algorithm 1). In float64 and one query at a time, so that what else
        is asked changes nothing; of equally like keys the earlier row comes first.
        """
        likeness = self._directions @ _unit(query.astype(np.float64)[None])[0]
        order = np.argsort(-likeness, kind="stable")
        chosen = np.resize(order, count)
        return self.values[chosen], likeness[chosen].astype(np.float32)

    @property
    def sha256(self) -> str:
        """Of both columns, in hex."""
        digest = hashlib.sha256()
        for column in (self.keys, self.values):
            digest.update(str(column.shape).encode())
            digest.update(np.ascontiguousarray(column, dtype="<f4").tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        return archive_to_bytes({"keys": self.keys, "values": self.values})


def memory_from_bytes(data: bytes) -> TextureMemory:
    """What ``to_bytes`` wrote. Raises ValueError or KeyError where the bytes are damaged."""
    table = archive_from_bytes(data)
    return TextureMemory(keys=table["keys"], values=table["values"])


def choose_pairs(keys: np.ndarray, values: np.ndarray, count: int) -> TextureMemory:
    """A memory of at most ``count`` of the pairs, spread over all that keys and values show.

    Farthest-point sampling by key and value (PatchScaler, section 3.4): of both directions side by side, so each
    counts half.
    """
    chosen = farthest_points(
        np.concatenate([_unit(keys.astype(np.float64)), _unit(values.astype(np.float64))], 1), count
    )
    return TextureMemory(keys=keys[chosen], values=values[chosen])


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """Rows of ``points [n, D]``, at most ``count``: each the farthest from those before it, by the angle between them.

    The first is the one farthest from the mean direction. O(n * count).

    >>> farthest_points(np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0.0]]), 3).tolist()
    [3, 0, 2]
    """
    unit = _unit(points.astype(np.float64))
    chosen = [int((unit @ unit.mean(0)).argmin())]
    nearest = unit @ unit[chosen[0]]
    for _ in range(min(count, len(unit)) - 1):
        # those that were chosen are as near as can be to themselves
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, unit @ unit[chosen[-1]])
    return np.array(chosen)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return unit
