"""Memories of reference textures: made of a folder of sharp pictures, read by runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pipeline.imaging.finite import check_weights, finite
from pipeline.imaging.pixels import ValueRange, to_rgb
from pipeline.models.card import ModelCard
from pipeline.models.protocol import Backbone, LookingBackbone, RestoringBackbone, SteeringBackbone, TaggingBackbone
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.value_range import container
from pipeline.prompts.textures import PAIRS, TextureMemory, choose_pairs
from storage.box import Box
from storage.errors import NoBucketError
from storage.home import expand_home
from storage.images import ImageSource, open_image
from storage.links import followed
from storage.objects.address import Address
from storage.tables import VectorTable, check_absent, read_table, write_table

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2", ".webp")
SIDE = 256
"""pixels a side of a patch by default"""
PATCHES = 20_000
"""patches that are looked at, at most, by default"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make a memory of, and how."""

    folder: str
    output: str
    model: str = "embedded"
    allow_pickle: bool = False
    strict: bool = True
    """whether weights of the model that nobody reads are refused"""
    scale: int = 4
    side: int = SIDE
    pairs: int = PAIRS
    patches: int = PATCHES
    seed: int = 0
    """which patches are looked at where there are more than ``patches``"""
    device: str = "cpu"
    trust_input: bool = False
    """see storage.images.open_image"""

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.patches < 1 or self.scale < 1:
            raise ValueError("pairs, patches and scale must be at least 1")
        if self.side % self.scale or self.side // self.scale < 32:
            raise ValueError(
                f"--side must be a multiple of the scale and at least {32 * self.scale} pixels, got {self.side}"
            )


def build_memory(order: Order, on_patch: Callable[[int, int], None] = lambda _done, _all: None) -> TextureMemory:
    """Look at the folder's pictures, choose pairs and write them to ``order.output``.

    ``on_patch`` is told how many patches of how many are done. Raises FileNotFoundError, FileExistsError or ValueError,
    one line, before a weight is loaded.
    """
    card = describe_model(order.model, allow_pickle=order.allow_pickle, strict=order.strict)
    if card.sight is None:
        raise ValueError(f"model {card.name}: reads no textures; use embedded, or one with a plain IP-Adapter")
    if card.geometry.native_scale not in (None, order.scale):  # the denoiser reads textures
        raise ValueError(f"--scale {order.scale}: the model {card.name} enlarges by {card.geometry.native_scale}")
    places = find_patches(Path(order.folder), order)
    _check_apart(order)
    check_absent(order.output)
    backbone = load_backbone(card, device=order.device, dtype="float32")
    check_weights(backbone, f"model {card.name}")
    assert isinstance(backbone, LookingBackbone)
    keys, values = [], []
    for done, pixels in enumerate(_read(places, order.trust_input), 1):
        values.append(_look(backbone, pixels))
        keys.append(_look(backbone, coarse_of(pixels, backbone, order.scale)))
        on_patch(done, len(places))
    memory = choose_pairs(np.stack(keys), np.stack(values), order.pairs)
    facts = {"sight": card.sight, "model": card.name, "scale": order.scale, "side": order.side}
    facts |= {"pictures": len({path for path, _ in places}), "patches": len(places)}
    write_table(order.output, VectorTable(columns={"keys": memory.keys, "values": memory.values}, facts=facts))
    return memory


def _look(backbone: LookingBackbone, pixels: torch.Tensor) -> np.ndarray:
    """The description ``[D]`` of a patch ``[3, y, x]``."""
    return finite(backbone.look(pixels[None])[0].numpy(), "the image encoder")


def _check_apart(order: Order) -> None:
    """Raise ValueError where the memory would be written over the pictures, or among them."""
    output, folder = Address.parse(order.output).folder, followed(expand_home(order.folder))
    if output is None:
        return
    output = followed(output)
    if output == folder or output in folder.parents:
        raise ValueError(f"OUTPUT {order.output} holds the pictures that are read: give a folder of its own")
    if output.is_dir() and {path.name for path in output.iterdir()} - {"keys", "values", "zarr.json"}:
        raise ValueError(f"OUTPUT {order.output} holds other files: give an empty folder, or one that is not there")


def find_patches(folder: Path, order: Order) -> list[tuple[Path, Box]]:
    """Whole patches of every picture below ``folder``, at most ``order.patches``, in the pictures' order.

    Raises FileNotFoundError where there is no picture, ValueError where none holds a patch.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise FileNotFoundError(f"no pictures below {folder}: give a folder of {', '.join(SUFFIXES)}")
    places = []
    for path in paths:
        with _open(path, order.trust_input) as source:
            rows, cols = source.info.height // order.side, source.info.width // order.side
        places += [
            (path, Box(top=row * order.side, left=col * order.side, height=order.side, width=order.side))
            for row in range(rows)
            for col in range(cols)
        ]
    if not places:
        raise ValueError(f"no picture below {folder} is {order.side} pixels a side: give larger ones, or less --side")
    if len(places) > order.patches:
        chosen = sorted(random.Random(order.seed).sample(range(len(places)), order.patches))
        places = [places[n] for n in chosen]
    return places


def _open(path: Path, trust: bool) -> ImageSource:
    return open_image(str(path), trust=trust)


def _read(places: list[tuple[Path, Box]], trust: bool) -> Iterator[torch.Tensor]:
    """Patches ``[3, side, side]`` in [0, 1]; ``places`` of one picture come together, and it is opened once."""
    for path, here in itertools.groupby(places, key=lambda place: place[0]):
        with _open(path, trust) as source:
            low, high = container(source.info.dtype)
            values, shown = ValueRange(low=low, high=high, dtype=source.info.dtype), list(source.info.shown_bands)
            for _, box in here:
                yield to_rgb(values.to_unit(source.read(box)[shown])).clamp(0, 1)


def _steering(low: torch.Tensor, backbone: Backbone) -> torch.Tensor | None:
    """[1, phrases, y, x]: what the model's own tagger says all over ``low [1, 3, y, x]``; None where nothing steers."""
    if not (isinstance(backbone, SteeringBackbone) and isinstance(backbone, TaggingBackbone)):
        return None
    words = backbone.steering([dict(backbone.tag(low)[0])])[0]
    return words[None, :, None, None].expand(1, -1, *low.shape[2:])


def coarse_of(pixels: torch.Tensor, backbone: Backbone, scale: int) -> torch.Tensor:
    """The patch ``[3, y, x]`` as a run's coarse picture would show it: shrunk by ``scale`` and enlarged again."""
    low = functional.avg_pool2d(pixels[None], scale)
    if isinstance(backbone, RestoringBackbone):
        restored = backbone.restore(low, _steering(low, backbone))[0][0]
        return finite(restored, "the restoration module").clamp(0, 1)
    large = functional.interpolate(low, scale_factor=float(scale), mode="bicubic", align_corners=False)
    return large[0].clamp(0, 1)


def read_memory(url: str) -> VectorTable:
    """The table that ``build_memory`` wrote. Raises FileNotFoundError or ValueError where there is none."""
    try:
        table = read_table(url)
    except NoBucketError:
        raise
    except FileNotFoundError as e:
        raise FileNotFoundError(f"--textures {url}: no memory of textures there; make one: gigatile textures") from e
    if "sight" not in table.facts:
        raise ValueError(f"--textures {url}: a table of something else; make a memory with `gigatile textures`")
    return table


def memory_for(url: str, model: ModelCard) -> TextureMemory:
    """The memory at ``url``. Raises FileNotFoundError or ValueError where it is none, or was made by another model."""
    table = read_memory(url)
    if model.sight is not None and table.facts["sight"] != model.sight:
        raise ValueError(
            f"--textures {url}: made with the model {table.facts['model']}, whose descriptions the model {model.name} "
            "does not read: make one for it with `gigatile textures`"
        )
    return to_memory(table)


def to_memory(table: VectorTable) -> TextureMemory:
    return TextureMemory(keys=table.columns["keys"], values=table.columns["values"])
