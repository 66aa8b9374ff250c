"""Numbers that are none: NaN and infinity are found where they are made, named, and never compared, stored or written.

A network that overflows its number format, or whose weights are damaged, answers with NaN. Cast to whole numbers NaN is
black, compared it is always less, and averaged it spreads; so every array that a model makes passes through ``finite``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from storage.box import Box
from storage.errors import NotFiniteError

Values = TypeVar("Values", np.ndarray, torch.Tensor)

MEND = 'try model.dtype = "float32" in a recipe; if that is no help, the weights are damaged: copy the model again'
DEPTH = 4
"""objects in objects that are looked through for networks"""
TOO_STRONG = "try less guidance, weaker attachments, or more steps"


def finite(
    values: Values, maker: str, where: str = "", *, mend: str = MEND, inputs: Mapping[str, Any] | None = None
) -> Values:
    """The same values. Raises NotFiniteError, one line, where one is NaN or infinite.

    ``maker``: what made them. ``where``: in which window, of which step. ``inputs``: what it made them from, by name,
    tensors or lists of them: looked through where ``values`` are bad, so that the first culprit is named.
    """
    if not is_finite(values):
        for name, value in (inputs or {}).items():
            for inner in _tensors(value):
                finite(inner, name, where, mend=mend)
        raise NotFiniteError(f"{maker} gave {_count(values)}{where and f' {where}'}: {mend}")
    return values


def is_finite(values: np.ndarray | torch.Tensor) -> bool:
    if isinstance(values, np.ndarray):
        return bool(np.isfinite(values).all())
    if not values.numel():
        return True
    # NaN comes through both, and one pass without a mask is a tenth of the cost
    least, most = torch.aminmax(values)
    return bool(torch.isfinite(least) & torch.isfinite(most))


def finite_table(table: dict[str, torch.Tensor], maker: str, where: str = "") -> dict[str, torch.Tensor]:
    """``finite`` for each of a table."""
    return {name: finite(values, maker, where) for name, values in table.items()}


def at(box: Box, of: str = "latent pixels") -> str:
    """A box in words.

    >>> at(Box(top=0, left=8, height=16, width=4))
    'at rows 0 to 15, columns 8 to 11 (latent pixels)'
    """
    return f"at rows {box.top} to {box.bottom - 1}, columns {box.left} to {box.right - 1} ({of})"


def check_weights(owner: Any, what: str) -> None:
    """Refuse loaded weights that hold NaN or infinity: ``owner`` is a network, or an object that holds some.

    Raises NotFiniteError naming ``what``, the network and the tensor.
    """
    for name, network in networks(owner):
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not is_finite(tensor):
                place = ".".join(word for word in (name, key) if word)
                raise NotFiniteError(
                    f"{what}: its weights hold {_count(tensor)} in {place}: the file is damaged, or an attachment "
                    "is too strong; copy the model again"
                )


def networks(owner: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    """The networks that an object holds in its fields, or in lists and tables in them, by the names of the fields.

    Each comes once, and not again as a part of another.
    """
    passed: set[int] = set()
    for name, network in _networks(owner, "", DEPTH):
        if id(network) not in passed:
            yield name, network
        passed.update(map(id, network.modules()))


def _networks(owner: Any, name: str, depth: int) -> Iterator[tuple[str, torch.nn.Module]]:
    if isinstance(owner, torch.nn.Module):
        yield name, owner
        return
    if depth == 0 or not _is_ours(owner):
        return
    for key, value in _fields(owner):
        inner = key.lstrip("_")
        path = name if inner in ("", "parts", "network") else f"{name}.{inner}".lstrip(".")
        yield from _networks(value, path, depth - 1)


def _is_ours(owner: Any) -> bool:
    return isinstance(owner, list | tuple | dict) or type(owner).__module__.partition(".")[0] == "pipeline"


def _fields(owner: Any) -> list[tuple[str, Any]]:
    if isinstance(owner, dict):
        return [(str(key), value) for key, value in owner.items()]
    if isinstance(owner, list | tuple):
        return [("", value) for value in owner]
    if dataclasses.is_dataclass(owner):
        return [(field.name, getattr(owner, field.name)) for field in dataclasses.fields(owner)]
    return list(vars(owner).items()) if hasattr(owner, "__dict__") else []


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    return [tensor for value in values or () for tensor in _tensors(value)]


def _count(values: np.ndarray | torch.Tensor) -> str:
    """``NaN in 3 of 64 numbers``; infinity where there is no NaN."""
    array = values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values
    num_nan = int(np.isnan(array).sum())
    bad = num_nan or int(np.isinf(array).sum())
    return f"{'NaN' if num_nan else 'infinity'} in {bad} of {array.size} numbers"
