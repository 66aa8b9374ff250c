"""Group norms that take given statistics instead of those of the window at hand.

A group norm makes every pixel depend on the whole picture, so windows run apart differ in tone. With the whole canvas's
mean and variance given to every norm, what is left of an autoencoder is local, and windows with enough halo give what
the whole canvas would. Self-attention, where the middle block has it, stays within a window all the same: then windows
only come near to the whole.

Statistics are ``[layers, 2, groups] float64``: mean and biased variance of the first ``layers`` norms, in the order in
which they run.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from pipeline.imaging.moments import Moments, moments


class GroupNorms:
    """The group norms of one loaded network. Between calls the network is as it was; one thread at a time."""

    def __init__(self, network: torch.nn.Module, names: Sequence[str]) -> None:
        """``names`` of the modules in the order in which they run; see norm_order.py."""
        self._layers: list[torch.nn.GroupNorm] = []
        for name in names:
            layer = network.get_submodule(name)
            assert isinstance(layer, torch.nn.GroupNorm)
            self._layers.append(layer)

    @contextmanager
    def given(self, statistics: np.ndarray) -> Iterator[None]:
        """Inside, the first ``len(statistics)`` norms take these statistics."""
        pairs = zip(self._layers, statistics, strict=False)
        with _replaced([(layer, functools.partial(_normalise, layer, one)) for layer, one in pairs]):
            yield

    def measure(
        self, run: Callable[[], object], statistics: np.ndarray, shape: tuple[int, int], inside: tuple[slice, slice]
    ) -> Moments:
        """Moments of what norm number ``len(statistics)`` reads while ``run`` runs, over a part of the window.

        ``shape``: latent pixels of the window that ``run`` is given; ``inside``: the part, in the same. The run ends
        at that norm.
        """
        layer = self._layers[len(statistics)]

        def stop(features: torch.Tensor) -> torch.Tensor:
            raise _Reached(features)

        try:
            with self.given(statistics), _replaced([(layer, stop)]):
                run()
        except _Reached as reached:
            return _moments(layer.num_groups, reached.features, shape, inside)
        raise AssertionError("the network did not come to its norm")

    def collect(self, run: Callable[[], object]) -> np.ndarray:
        """The statistics of every norm over all that ``run`` gives the network."""
        statistics: dict[int, np.ndarray] = {}

        def look(index: int, features: torch.Tensor) -> torch.Tensor:
            layer = self._layers[index]
            measured = moments(features[0].unflatten(0, (layer.num_groups, -1)))
            statistics[index] = np.stack([measured.mean, measured.variance()])
            return _normalise(layer, statistics[index], features)

        with _replaced([(layer, functools.partial(look, index)) for index, layer in enumerate(self._layers)]):
            run()
        return np.stack([statistics[index] for index in range(len(self._layers))])


class _Reached(Exception):  # noqa: N818 - no error: the end of a run that is no longer needed
    def __init__(self, features: torch.Tensor) -> None:
        self.features = features


@contextmanager
def _replaced(forwards: list[tuple[torch.nn.Module, Callable[[torch.Tensor], torch.Tensor]]]) -> Iterator[None]:
    """Inside, these modules run these functions."""
    try:
        for layer, forward in forwards:
            layer.forward = forward
        yield
    finally:
        for layer, _ in forwards:
            layer.__dict__.pop("forward", None)


def _normalise(layer: torch.nn.GroupNorm, statistics: np.ndarray, features: torch.Tensor) -> torch.Tensor:
    """[B, C, ...] normalised by mean and variance ``[2, groups]``, with the layer's own weights."""
    mean, variance = (torch.from_numpy(row).to(features.device) for row in statistics)
    each = layer.num_channels // layer.num_groups
    scale = (variance + layer.eps).rsqrt().repeat_interleave(each)
    shift = -mean.repeat_interleave(each) * scale
    if layer.affine:
        weight, bias = layer.weight.double(), layer.bias.double()
        scale, shift = scale * weight, shift * weight + bias
    sides = (1, -1, *[1] * (features.ndim - 2))
    return torch.addcmul(shift.to(features).view(sides), features, scale.to(features).view(sides))


def _moments(groups: int, features: torch.Tensor, shape: tuple[int, int], inside: tuple[slice, slice]) -> Moments:
    """Of one window's features [1, C, h f, w f], or [1, C, h f * w f] before attention, over a part of it."""
    finer = math.isqrt(features[0, 0].numel() // (shape[0] * shape[1]))
    window = features[0].reshape(groups, -1, shape[0] * finer, shape[1] * finer)
    ys, xs = (slice(side.start * finer, side.stop * finer) for side in inside)
    return moments(window[:, :, ys, xs])
