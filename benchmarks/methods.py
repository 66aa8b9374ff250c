"""What the quality benchmark compares: plain resampling, and recipes run by the whole engine as a user runs it."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cluster.job import Job
from cluster.runs.sitting import Prepared
from cluster.runs.upscale import upscale
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.flat import dotted
from pipeline.plan.plan import Plan
from training.degradations import SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A result and what it took."""

    pixels: torch.Tensor
    """[3, y, x] in [0, 1], whole multiples of 1 / 255"""
    seconds: float = 0.0
    forwards: int = 0
    plan: Plan | None = None


Method = Callable[[torch.Tensor], Restored]


def resampling(name: str) -> Method:
    """``bicubic`` or ``lanczos``, by Pillow."""
    how = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}[name]

    def run(low: torch.Tensor) -> Restored:
        picture, started = to_picture(low), time.monotonic()
        large = picture.resize((picture.width * SCALE, picture.height * SCALE), how)
        return Restored(pixels=from_picture(large), seconds=time.monotonic() - started)

    return run


def recipe_method(words: str, *, model: str, threads: int) -> Method:
    """A recipe such as ``steps=1 prompts=global`` (TOML values; a bare word is a string), by ``gigatile upscale``.

    ``tags=whole`` tags the whole picture once and gives every tile those tags; ``textures=FOLDER`` is a memory of
    textures, as ``gigatile textures`` makes it.
    """
    given = dict(word.split("=", 1) for word in words.split())
    once, memory = given.pop("tags", None) == "whole", given.pop("textures", None)
    # the results that are kept here name recipes in the short form of old
    text = "".join(f"{dotted(key)} = {_toml(value)}\n" for key, value in given.items())
    tomllib.loads(text)

    def run(low: torch.Tensor) -> Restored:
        with tempfile.TemporaryDirectory() as name:
            folder, seen = Path(name), list[Prepared]()
            (folder / "recipe.toml").write_text(text, encoding="utf-8")
            to_picture(low).save(folder / "low.png")
            if once:
                (folder / "tags.json").write_text(json.dumps(_tag_whole(low, model)), encoding="utf-8")
            job = Job(
                input=str(folder / "low.png"),
                output=str(folder / "high.png"),
                recipe=str(folder / "recipe.toml"),
                tags=str(folder / "tags.json") if once else None,
                textures=memory,
                model=model,
                workers=0,
                threads=threads,
                device="cpu",
            )
            started = time.monotonic()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result = upscale(job, should_stop=lambda: False, on_plan=seen.append)
            seconds = time.monotonic() - started
            with Image.open(folder / "high.png") as picture:
                pixels = from_picture(picture)
        return Restored(pixels=pixels, seconds=seconds, forwards=result.tally.forwards, plan=seen[0].plan)

    return run


def _tag_whole(low: torch.Tensor, model: str) -> dict[str, Any]:
    """A tag file of one box."""
    backbone: Any = load_backbone(describe_model(model), device="cpu", dtype="float32")
    height, width = low.shape[1:]
    entry = {"box": [0, 0, height, width], "tags": dict(backbone.tag(low[None])[0])}
    return {"height": height, "width": width, "tags": [entry]}


def _toml(value: str) -> str:
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return f'"{value.replace("_", " ")}"'
    return value


def to_picture(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray((pixels.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def from_picture(picture: Image.Image) -> torch.Tensor:
    values = np.asarray(picture.convert("RGB")).astype(np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()
