"""Which tensors of a file a conversion of names reads: each tensor remembers the names that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves


class Traced(torch.Tensor):
    """A tensor without data whose views, copies and parts know of which ``origins`` they are."""

    origins: frozenset[str] = frozenset()

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = super().__torch_function__(func, types, args, kwargs or {})
        names = frozenset().union(*(tensor.origins for tensor in _traced((args, kwargs or {}))))
        for tensor in _traced(made):
            tensor.origins = names
        return made


def _traced(values: Any) -> list[Traced]:
    """All traced tensors among values, in lists and tables as torch.cat takes them and torch.chunk gives them too."""
    return [one for one in tree_leaves(values) if isinstance(one, Traced)]


def trace(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes on the meta device, each traced by its name."""
    tensors: dict[str, torch.Tensor] = {}
    for name, shape in shapes.items():
        tensor = torch.empty(shape, device="meta").as_subclass(Traced)
        tensor.origins = frozenset({name})
        tensors[name] = tensor
    return tensors


def origins(tensors: Iterable[torch.Tensor]) -> set[str]:
    """The names of all that these tensors were made of."""
    return {name for one in tensors if isinstance(one, Traced) for name in one.origins}
