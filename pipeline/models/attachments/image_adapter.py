"""IP-Adapter (arXiv 2308.06721): cross-attention to images beside that to words, and the CLIP encoder that sees them.

An embedding of zeros says "no image": the plain adapter's own zero, and for the kind that reads an image's tokens
(IP-Adapter Plus) what the encoder makes of nothing is subtracted when an image is looked at and added when it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPVisionModelWithProjection
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from pipeline.models.files.configs import read_config
from pipeline.models.files.model_file import ImageAdapter
from pipeline.models.files.strictness import Unread, unread_of_part, unread_tensors
from pipeline.models.files.weights import check_pickle, read_shapes, read_tensors, read_whole, variant, weight_files

PLAIN, PLUS = "image_proj.proj.weight", "image_proj.proj_in.weight"
"""tensors by which the two kinds are known; their second axis is the width of what they read"""
PLAIN_TENSORS = r"image_proj\.(proj|norm)\.(weight|bias)"
PLUS_TENSORS = (
    r"image_proj\.(latents|(proj_in|proj_out|norm_out)\.(weight|bias)"
    r"|layers\.\d+\.(0\.(norm1|norm2)\.(weight|bias)|0\.(to_q|to_kv|to_out)\.weight|1\.(0\.(weight|bias)|[13]\.weight)))"
)
"""names of all tensors of the two kinds that are read of a picture's embedding"""


def adapter_files(weights: Path, encoder: Path, name: str, *, allow_pickle: bool) -> list[Path]:
    """The adapter's weights, its encoder's config and weights. Raises FileNotFoundError or ValueError, one line."""
    if not weights.is_file():
        raise FileNotFoundError(f"model {name}: the IP-Adapter {weights.name} must be a file of weights, not a folder")
    config = encoder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"model {name}: the image encoder {encoder.name} lacks config.json")
    return [
        check_pickle(weights, name, allow_pickle=allow_pickle),
        config,
        *weight_files(encoder, name, allow_pickle=allow_pickle),
    ]


def image_width(weights: Path) -> int | None:
    """The width of an image's embedding, or of one of its tokens; None for a kind that is not read."""
    shapes = read_shapes(weights)
    return next((shapes[kind][1] for kind in (PLAIN, PLUS) if kind in shapes), None)


def is_plain(weights: Path) -> bool:
    """Whether the adapter reads one embedding of an image, not many tokens."""
    return PLAIN in read_shapes(weights)


def unread_of_adapter(weights: Path, what: str, num_attentions: int | None = None) -> list[Unread]:
    """What nobody reads of an adapter's file; ``num_attentions``: cross-attentions of the U-Net that it is for."""
    names = read_shapes(weights)
    pattern = PLAIN_TENSORS if PLAIN in names else PLUS_TENSORS
    left = []
    for name in names:
        place = re.fullmatch(r"ip_adapter\.(\d+)\.to_[kv]_ip\.weight", name)
        numbered = place is not None and int(place[1]) % 2 == 1
        if place is not None and num_attentions is not None:
            numbered = numbered and int(place[1]) < 2 * num_attentions
        if not numbered and not re.fullmatch(pattern, name):
            left.append(name)
    return unread_tensors(what, left)


def unread_of_sight(weights: Path, encoder: Path, unet: Any, files: list[Path], name: str) -> list[Unread]:
    """What nobody reads of an adapter and of its encoder, of whose weights ``files`` has the paths among others."""
    encoder_files = [path for path in files if path.parent == encoder and path.suffix != ".json"]
    left = unread_of_adapter(weights, f"the IP-Adapter {weights.name}", len(_cross_attentions(unet)))
    what = f"the image encoder {encoder.name}"
    return left + unread_of_part(CLIPVisionModelWithProjection, encoder, encoder_files, f"model {name}", what=what)


def check_adapter(weights: Path, encoder: Path, unet: Any, name: str) -> None:
    """Refuse an adapter that does not fit its encoder or the U-Net, which may be on the meta device.

    Raises ValueError, one line.
    """

    def refuse(why: str) -> ValueError:
        return ValueError(f"model {name}: the IP-Adapter {weights.name} {why}")

    shapes, width = read_shapes(weights), image_width(weights)
    if width is None:
        raise refuse("is of a kind that is not read: expected a plain or a Plus one")
    config = read_config(encoder / "config.json", name)
    made = config["projection_dim" if PLAIN in shapes else "hidden_size"]
    if width != made:
        raise refuse(f"reads embeddings of width {width}, the image encoder {encoder.name} makes {made}")
    for place, layer in enumerate(_cross_attentions(unet)):
        wanted = tuple(layer.to_k.weight.shape)
        shape = shapes.get(f"ip_adapter.{2 * place + 1}.to_k_ip.weight")
        if shape != wanted:
            raise refuse(f"does not fit the base: its cross-attention {place} is {shape}, the U-Net's {wanted}")


def _cross_attentions(unet: Any) -> list[Any]:
    """In the order in which an adapter's file numbers them."""
    names = [key.removesuffix(".processor") for key in unet.attn_processors if not key.endswith("attn1.processor")]
    return [unet.get_submodule(key) for key in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A loaded adapter: its encoder, and its attention inside the U-Net."""

    encoder: Any
    processors: list[Any]
    """those of the U-Net's cross-attentions, whose scale is set before each pass"""
    scale: float
    nothing: torch.Tensor | None
    """[T, D]: tokens of no image; None for the plain kind, which reads one embedding"""
    width: int

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        """[B, 3, H, W] in [0, 1] -> embeddings [B, D] or [B, T, D], float32 on the CPU; zeros are no image.

        The whole picture is scaled to the encoder's square, by bicubic with antialiasing, and normalised as CLIP's
        were.
        """
        side = self.encoder.config.image_size
        scaled = functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
        embedding = _encode(self.encoder, (scaled - mean) / std, tokens=self.nothing is not None)
        return embedding if self.nothing is None else embedding - self.nothing

    def show(self, image: torch.Tensor | None, batch: int, like: torch.Tensor) -> list[torch.Tensor]:
        """What the U-Net is given as ``image_embeds``: ``image`` as in Conditioning; None turns the adapter off."""
        for processor in self.processors:
            processor.scale = [0.0 if image is None else self.scale]
        if image is None:
            shape = (self.width,) if self.nothing is None else self.nothing.shape
            image = torch.zeros((batch, 1, *shape))
        read = image if self.nothing is None else image + self.nothing
        return [read.to(like.device, like.dtype)]


def _encode(encoder: Any, pixels: torch.Tensor, *, tokens: bool) -> torch.Tensor:
    inputs = pixels.to(encoder.device, encoder.dtype)
    if tokens:
        return encoder(inputs, output_hidden_states=True).hidden_states[-2].float().cpu()
    return encoder(inputs).image_embeds.float().cpu()


def _split(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in read_tensors(path).items():
        prefix, _, rest = key.partition(".")
        if prefix in parts:
            parts[prefix][rest] = tensor
    return parts


def read_adapter(unet: Any, path: Path) -> list[Any]:
    """Load an adapter's weights into a U-Net: the processors of its cross-attentions, which now read images too."""
    unet._load_ip_adapter_weights([_split(path)])
    return [layer.processor for layer in _cross_attentions(unet)]


def load_sight(
    adapter: ImageAdapter, unet: nn.Module, device: str, dtype: torch.dtype, *, strict: bool = True
) -> Sight:
    """Load the adapter into the U-Net, and its encoder beside it."""
    parts = _split(Path(adapter.model))
    processors = read_adapter(unet, Path(adapter.model))
    encoder = Path(adapter.encoder)
    what, kind = f"the image encoder {encoder}", CLIPVisionModelWithProjection
    eyes = read_whole(kind, encoder, what, strict=strict, variant=variant(encoder), dtype=dtype)
    eyes.to(device).eval().requires_grad_(False)
    nothing = None
    if "latents" in parts["image_proj"]:
        side = eyes.config.image_size
        with torch.inference_mode():
            nothing = _encode(eyes, torch.zeros(1, 3, side, side), tokens=True)[0]
    return Sight(
        encoder=eyes,
        processors=processors,
        scale=adapter.scale,
        nothing=nothing,
        width=eyes.config.projection_dim if nothing is None else eyes.config.hidden_size,
    )
