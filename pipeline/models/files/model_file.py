"""A model file: TOML that names a base model and what is attached to it.

base = "stable-diffusion-v1-5"           # a folder, a checkpoint file, or a hub id; paths are relative to this file
[[controls]]
model = "control-canny"                  # a ControlNet: folder in diffusers' format, one file, or a hub id
sees = "edges"                           # edges: canny edges of the enlarged input; image: the enlarged input itself
scale = 0.8
start = 0.0                              # shares of the steps between which it acts
end = 1.0
[[loras]]
model = "detail.safetensors"
scale = 0.7
[image_adapter]                          # an IP-Adapter
model = "ip-adapter_sd15.safetensors"
encoder = "image_encoder"                # folder of the CLIP vision model that it was trained with
scale = 0.6
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.documents import read_toml
from storage.home import expand_home
from storage.links import followed

SIGHTS = ("image", "edges")
CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".pkl")
"""suffixes of files that hold weights"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A ControlNet."""

    model: str
    """folder, file or hub id"""
    sees: str = "image"
    """``image``: the enlarged input (tile and low-resolution ControlNets); ``edges``: its canny edges"""
    scale: float = 1.0
    """factor of its residuals"""
    start: float = 0.0
    """share of the steps before which it does not act"""
    end: float = 1.0
    """share of the steps after which it does not act"""

    def acts_at(self, step: tuple[int, int] | None) -> bool:
        """Whether it acts at a step, given with how many there are: one that lies wholly between its shares."""
        return step is None or (step[0] / step[1] >= self.start and (step[0] + 1) / step[1] <= self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank changes to the weights."""

    model: str
    """file, or folder with one file"""
    scale: float = 1.0
    """factor of the change"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAdapter:
    """An IP-Adapter: cross-attention to images."""

    model: str
    """file with ``image_proj`` and ``ip_adapter`` weights"""
    encoder: str
    """folder of the CLIP vision model"""
    scale: float = 1.0
    """weight of the attention to images"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A base model and its attachments; paths are absolute, hub ids as they are."""

    base: str
    """folder in diffusers' format, checkpoint in the original layout, or hub id"""
    config: str | None = None
    """for a checkpoint: folder or hub id with model_index.json, the parts' configs, scheduler and tokenizers"""
    allow_pickle: bool = False
    """whether weights may be pickles, which can run code of whoever made them; the command line says so, no file"""
    controls: tuple[Control, ...] = ()
    loras: tuple[Lora, ...] = ()
    image_adapter: ImageAdapter | None = None


def read_model_file(name: str, *, allow_pickle: bool = False) -> ModelFile:
    """The model file ``name``; for any other name one that has it as its base.

    Raises FileNotFoundError or ValueError, one line, for a file that is not there or not TOML, for unknown keys, wrong
    types, and paths that lead nowhere.
    """
    path = Path(name)
    if path.suffix != ".toml":
        return ModelFile(base=name, allow_pickle=allow_pickle)
    if not path.is_file():
        raise FileNotFoundError(f"model {name}: no such file; give a folder, a hub id or a TOML file that names a base")
    table = read_toml(path, where=f"model {name}")
    file: ModelFile = _parse(ModelFile, table, name, "", followed(path).parent)
    if file.allow_pickle and not allow_pickle:
        raise ValueError(
            f"model {name}: allow_pickle = true: a model file cannot allow pickles, which can run code of whoever made "
            "them: take the line out, and trust its files with --allow-pickle on the command line"
        )
    for control in file.controls:
        if not 0 <= control.start < control.end <= 1:
            raise ValueError(
                f"model {name}: controls.start and controls.end must rise between 0 and 1, got {control.start:g} and "
                f"{control.end:g}"
            )
    return dataclasses.replace(file, allow_pickle=allow_pickle)


MOST_SCALE = 100.0
"""of an attachment: beyond it nothing is left of the model"""
_TABLES: dict[str, type] = {"controls": Control, "loras": Lora, "image_adapter": ImageAdapter}
_KINDS: dict[str, tuple[Any, str]] = {
    "image_adapter": ((dict,), "a table, begun by [image_adapter]"),
    **dict.fromkeys(("scale", "start", "end"), ((int, float), "a number")),
    "allow_pickle": ((bool,), "true or false"),
}
_PATHS = ("base", "config", "model", "encoder")


def _parse(kind: Any, table: dict[str, Any], name: str, at: str, home: Path) -> Any:
    """A dataclass of ``kind`` from a table; ``at`` is where in the file, for errors, ``home`` the file's folder."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(fields))}"
            raise ValueError(f"model {name}: unknown key {at + key!r}; {hint}")
    values = {key: _value(key, value, name, at, home) for key, value in table.items()}
    for key, field in fields.items():
        if key not in values and field.default is dataclasses.MISSING:
            raise ValueError(f"model {name}: lacks the key {at + key!r}")
    return kind(**values)


def _value(key: str, value: Any, name: str, at: str, home: Path) -> Any:
    if key in ("controls", "loras"):
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"model {name}: {key} must be tables, each begun by [[{key}]], got {value!r}")
        return tuple(_parse(_TABLES[key], one, name, f"{key}.", home) for one in value)
    kinds, wanted = _KINDS.get(key, ((str,), "a string"))
    is_number = float in kinds
    if not isinstance(value, kinds) or (is_number and isinstance(value, bool)):
        raise ValueError(f"model {name}: {at}{key} must be {wanted}, got {value!r}")
    if is_number and not math.isfinite(value):
        raise ValueError(f"model {name}: {at}{key} must be finite, got {value!r}")
    if is_number and abs(value) > MOST_SCALE:
        raise ValueError(f"model {name}: {at}{key} must be within {MOST_SCALE:g} of 0, got {value!r}")
    if key in _TABLES:
        return _parse(_TABLES[key], value, name, f"{key}.", home)
    if key == "sees" and value not in SIGHTS:
        raise ValueError(f"model {name}: {at}sees must be one of {', '.join(SIGHTS)}, got {value!r}")
    if key in _PATHS:
        return _place(value, name, at + key, home)
    return float(value) if is_number else value


def _place(value: str, name: str, key: str, home: Path) -> str:
    """An absolute path, relative to the file's folder, or a hub id."""
    path = home / expand_home(value)
    if path.exists():
        return str(followed(path))
    if is_hub_id(value):
        return value
    raise FileNotFoundError(
        f"model {name}: {key} = {value!r}: no such file or folder beside {Path(name).name}, and no hub id"
    )


def is_hub_id(name: str) -> bool:
    """Whether a name that is not there can be one of the hub: owner/name."""
    return not name.startswith((".", "/", "~")) and name.count("/") == 1 and not name.endswith((*CHECKPOINTS, ".toml"))
