"""Pictures of 8 bits for viewers: tiles of PNG, JPEG or WebP, cut out of a raster and written one by one."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from storage.box import Box

from .picture import Picture
from .pyramid import window_of
from .telling import describe

_QUALITY = 90
"""of JPEG, with colours as fine as light and shade"""
_PNG_LEVEL = 4
_EFFORT = 4
METADATA = "metadata.json"
"""a file beside the tiles with all that they cannot say"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How tiles are written."""

    suffix: str
    """of their names: png, jpg or webp"""

    def encode(self, pixels: np.ndarray, icc: bytes | None) -> bytes:
        """The bytes of a tile of uint8 ``[bands, y, x]``: gray or RGB, with opacity as one band more or without."""
        flat = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
        image = Image.fromarray(np.ascontiguousarray(flat))
        if self.suffix == "webp" and len(pixels) < 3:  # WebP has no gray
            image = image.convert("RGBA" if len(pixels) == 2 else "RGB")
        buffer = io.BytesIO()
        image.save(buffer, **self._options(), icc_profile=icc if len(pixels) >= 3 or self.suffix != "webp" else None)
        return buffer.getvalue()

    def _options(self) -> dict[str, Any]:
        if self.suffix == "jpg":
            return {"format": "JPEG", "quality": _QUALITY, "subsampling": 0, "optimize": True}
        if self.suffix == "png":
            return {"format": "PNG", "compress_level": _PNG_LEVEL}
        return {"format": "WEBP", "lossless": True, "exact": True, "method": _EFFORT}


PNG, JPEG, WEBP = (Encoding(suffix=suffix) for suffix in ("png", "jpg", "webp"))


def write_tile(path: Path, raster: Any, box: Box, picture: Picture, encoding: Encoding) -> None:
    """Cut ``box`` out of an open raster into the file ``path``, whose folder is there."""
    pixels = raster.read(window=window_of(box))
    path.write_bytes(encoding.encode(pixels, picture.icc))


def write_metadata(folder: Path, picture: Picture) -> None:
    """What tiles cannot say, beside them."""
    text = json.dumps(describe(picture), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / METADATA).write_text(f"{text}\n", encoding="utf-8")
