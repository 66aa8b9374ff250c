"""What of a model's files nobody would read: tensors that no network has, settings that none knows.

The libraries leave such things out with a warning or without one, so another architecture's weights run as plain Stable
Diffusion. Here they are found by names and shapes alone, before a weight is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights

from .architectures import looks_like
from .configs import read_config
from .hearing import muted
from .leftovers import is_harmless, known_settings, known_text_settings, unknown_settings
from .weights import PICKLES, num_formats, read_shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Things in one part that nobody reads."""

    where: str
    """the part or the file"""
    what: str
    """tensors or settings"""
    names: tuple[str, ...]
    looks: str | None = None
    """the architecture that they tell of"""

    def __str__(self) -> str:
        count = len(self.names)
        what = self.what.removesuffix("s") if count == 1 else self.what
        more = f", first {self.names[0]}" if count > 1 else f" {self.names[0]}"
        looks = "" if self.looks is None else f": it looks like {self.looks}"
        return f"{self.where} has {count} {what} that nothing here reads{more}{looks}"


def settle(unread: Sequence[Unread], of: str, *, strict: bool) -> tuple[str, ...]:
    """A line for each of what is dropped. Raises ValueError, one line, where anything is and ``strict`` holds."""
    lines = tuple(f"{of}: {one}" for one in unread)
    if lines and strict:
        # tensors tell more than settings
        first = next((line for line, one in zip(lines, unread, strict=True) if one.looks), lines[0])
        raise ValueError(
            f"{first}; give a model of a family that is read, or drop what is not read: --set model.strict=false"
        )
    return lines


def unread_tensors(where: str, names: Iterable[str], kind: str = "") -> list[Unread]:
    """Names of tensors that were left over, but for harmless ones."""
    odd = tuple(sorted(name for name in names if not is_harmless(name, kind)))
    return [Unread(where=where, what="tensors", names=odd, looks=looks_like(odd))] if odd else []


def unread_settings(where: str, config: dict[str, Any], kind: Any) -> list[Unread]:
    """Attributes of a config that a network of diffusers' or transformers' class ``kind`` does not know."""
    if hasattr(kind, "load_config"):
        odd = unknown_settings(config, known_settings(kind))
    else:
        odd = _unknown_text_settings(config, kind.config_class)
    return [Unread(where=where, what="settings", names=tuple(odd), looks=looks_like((), odd))] if odd else []


def _unknown_text_settings(config: dict[str, Any], config_class: Any, at: str = "") -> list[str]:
    odd = [at + key for key in unknown_settings(config, known_text_settings(config_class))]
    for key, inner in getattr(config_class, "sub_configs", {}).items():
        # an AutoConfig stands for any class
        if isinstance(config.get(key), dict) and hasattr(inner, "attribute_map"):
            odd += _unknown_text_settings(config[key], inner, f"{at}{key}.")
    return odd


def unread_of_part(
    kind: Any, folder: Path, files: Sequence[Path], name: str, *, what: str = "", **options: Any
) -> list[Unread]:
    """What nobody would read of a part's config and weight files, by the class of its network.

    ``files``: weights, an index of shards among them or not; ``what``: what it is called, its folder's name if nothing.
    Raises ValueError, one line, for tensors of another shape or in a quantised format.
    """
    where = what or folder.name
    config = read_config(folder / "config.json", name)
    if config.get("quantization_config"):
        raise ValueError(quantised(f"{name}: {where}", config["quantization_config"]))
    shapes: dict[str, tuple[int, ...]] = {}
    formats: dict[str, str] = {}
    for path in files:
        if path.suffix != ".json":
            shapes |= read_shapes(path)
            formats |= {} if path.suffix in PICKLES else num_formats(path)
    names = [key for key, one in formats.items() if one[0] in "IU" and len(shapes[key]) > 1 and not is_harmless(key)]
    if names and looks_like(shapes) is None:
        raise ValueError(
            f"{name}: {where} holds {min(names)} in whole numbers ({formats[min(names)]}): quantised weights are not "
            "read; give the model in float16, bfloat16 or float32"
        )
    try:
        left, wrong = _compare(kind, folder, shapes, options)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError, NotImplementedError) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ValueError(
            f"{name}: {where}/config.json makes no {kind.__name__} ({reason}); copy the model again"
        ) from e
    unread = unread_tensors(where, left, kind.__name__)
    if wrong and not unread:
        raise ValueError(
            f"{name}: {where} does not fit its config: {min(wrong)} is {_by(shapes.get(min(wrong)))}, expected "
            f"{_by(wrong[min(wrong)])}: its files are of different models"
        )
    return unread + unread_settings(f"{where}/config.json", config, kind)


def quantised(where: str, settings: Any) -> str:
    """The line that refuses a quantised part by its ``quantization_config``."""
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    return (
        f"{where} is quantised ({method or 'see quantization_config in its config.json'}), which is not read: give the "
        "model in float16, bfloat16 or float32"
    )


def _by(shape: Sequence[int] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape)) or "a number"


def _compare(
    kind: Any, folder: Path, shapes: dict[str, tuple[int, ...]], options: dict[str, Any]
) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Names that the network does not have, and those of another shape with the shape that it wants."""
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with muted():
        if hasattr(kind, "load_config"):
            with init_empty_weights():
                network = kind.from_config(kind.load_config(folder))
            network._fix_state_dict_keys_on_load(tensors)
            wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
            wrong = {k: wanted[k] for k, tensor in tensors.items() if k in wanted and tuple(tensor.shape) != wanted[k]}
            return [key for key in tensors if key not in wanted], wrong
        _, info = kind.from_pretrained(
            None,
            config=kind.config_class.from_pretrained(folder, trust_remote_code=False),
            state_dict=tensors,
            device_map="meta",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
            **options,
        )
    names = [
        next((key for key in shapes if key == one or key.endswith(f".{one}")), one) for one in info["unexpected_keys"]
    ]
    return names, {one[0]: tuple(one[2]) for one in info["mismatched_keys"]}
