"""What the runs of ``benchmarks.bytes`` are given: pictures, tags, tiny models of random weights, made when asked for.

Weights come from the seeds in tests/tiny*.py, so they are the same in every process of one machine, as long as nobody
changes those files: ``weights`` says whether that holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from cluster.cli import app
from tests.support.composite import low_rank, write_composite, write_image_adapter
from tests.support.runs import picture
from tests.support.tiny import tiny_vae, write_stable_diffusion, write_vit
from tests.support.tiny_taggers import write_tagger
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

SIZES = {"small": (44, 60), "tiny": (20, 24), "odd": (50, 77), "long": (34, 18)}
"""height and width of the pictures that are enlarged"""
VOCABULARY = "water\nroof\nsand\nroad\n"
LORA_LAYERS = ("mid_block.attentions.0.proj_in", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q")


class Inputs:
    """Files by name, each made in ``folder`` the first time it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Path] = {}

    def path(self, name: str) -> str:
        """Where ``name`` lies; models that come with the program are called by their names alone."""
        if name in ("embedded", "analytic"):
            return name
        if name not in self.made:
            self.made[name] = MAKERS[name](self)
        return str(self.made[name])

    def weights(self) -> dict[str, str]:
        """sha256 of all weights below each thing made so far that has any."""
        files = {name: sorted(path.parent.rglob("*.safetensors")) for name, path in self.made.items()}
        return {name: _sha256_of(found) for name, found in sorted(files.items()) if found}

    def place(self, name: str, file: str) -> Path:
        """A file's or folder's path in a new folder of its own."""
        (self.folder / name).mkdir(parents=True)
        return self.folder / name / file


def _sha256_of(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _picture(size: str) -> Callable[[Inputs], Path]:
    def make(inputs: Inputs) -> Path:
        path = inputs.place(size, "in.png")
        Image.fromarray(picture(*SIZES[size]).transpose(1, 2, 0)).save(path)
        return path

    return make


def _tags(size: str, name: str, *more: str) -> Callable[[Inputs], Path]:
    """Tags of the left half and of the upper one, which has ``more``, that speak of damage."""

    def make(inputs: Inputs) -> Path:
        height, width = SIZES[size]
        boxes = [
            {"box": [0, 0, height, width // 2], "tags": ["water"]},
            {"box": [0, 0, height // 2, width], "tags": ["grey", *more]},
        ]
        path = inputs.place(name, "tags.json")
        table = {"height": height, "width": width, "tags": boxes, "degradations": list(more)}
        path.write_text(json.dumps(table))
        return path

    return make


def _difficulty(inputs: Inputs) -> Path:
    """A map for the small picture: easy on the left, hard on the right."""
    height, width = SIZES["small"]
    path = inputs.place("difficulty", "map.png")
    Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))).save(path)
    return path


def _vocabulary(inputs: Inputs) -> Path:
    path = inputs.place("vocabulary", "words.txt")
    path.write_text(VOCABULARY)
    return path


def _folder(name: str, write: Callable[[Path], object]) -> Callable[[Inputs], Path]:
    """A model in a folder called ``name``."""

    def make(inputs: Inputs) -> Path:
        path = inputs.place(name, "model")
        write(path)
        return path

    return make


def _composite(name: str, *, xl: bool = False) -> Callable[[Inputs], Path]:
    """Two ControlNets and an IP-Adapter on a base."""

    def make(inputs: Inputs) -> Path:
        path = write_composite(inputs.place(name, "model"), xl=xl)
        path.write_text(path.read_text() + write_image_adapter(path.parent / "adapter", path.parent / "base"))
        return path

    return make


def _model_file(name: str, lines: Callable[[Path], str]) -> Callable[[Inputs], Path]:
    """A tiny Stable Diffusion and a model file with ``lines`` more, which are given its folder."""

    def make(inputs: Inputs) -> Path:
        path = inputs.place(name, "model.toml")
        write_stable_diffusion(path.parent / "base")
        path.write_text(f'base = "base"\n{lines(path.parent)}')
        return path

    return make


def _lora(folder: Path) -> str:
    torch.manual_seed(5)
    tensors = {}
    for layer in LORA_LAYERS:
        down, up = low_rank(torch.zeros(16, 16), rank=2)
        tensors |= {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up.contiguous()}
    save_file(tensors, folder / "lora.safetensors")
    return '[[loras]]\nmodel = "lora.safetensors"\nscale = 0.7\n'


def _textures(model: str) -> Callable[[Inputs], Path]:
    """A memory of textures for a model, of a few patches."""

    def make(inputs: Inputs) -> Path:
        path = inputs.place(f"textures-{model}", "memory")
        pictures = path.parent / "pictures"
        pictures.mkdir()
        Image.fromarray(picture(128, 300).transpose(1, 2, 0)).save(pictures / "waves.png")
        noise = np.random.default_rng(0).integers(0, 255, (130, 140, 3), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / "noise.png")
        words = ["textures", str(pictures), str(path), "--model", inputs.path(model), "--side", "128"]
        result = CliRunner().invoke(app, words)
        if result.exit_code:
            raise RuntimeError(f"gigatile {' '.join(words)}: {result.output}") from result.exception
        return path

    return make


MAKERS: dict[str, Callable[[Inputs], Path]] = {
    **{size: _picture(size) for size in SIZES},
    **{f"tags-{size}": _tags(size, f"tags-{size}") for size in SIZES},
    "tags-damaged": _tags("small", "tags-damaged", "blur"),
    "difficulty": _difficulty,
    "vocabulary": _vocabulary,
    "sd": _folder("sd", write_stable_diffusion),
    "sd2": _folder("sd2", lambda path: write_stable_diffusion(path, v2=True)),
    "lcm": _folder("lcm", lambda path: write_stable_diffusion(path, lcm=True)),
    "sdxl": _folder("sdxl", lambda path: write_stable_diffusion(path, xl=True)),
    "norms": _folder("norms", lambda path: write_stable_diffusion(path, vae=tiny_vae(levels=2, attention=False))),
    "sd3": _folder("sd3", write_stable_diffusion_3),
    "sd3-without-t5": _folder("sd3-without-t5", lambda path: write_stable_diffusion_3(path, sequence=False)),
    "flux": _folder("flux", write_flux),
    "schnell": _folder("schnell", lambda path: write_flux(path, schnell=True)),
    "attached": _composite("attached"),
    "attached-xl": _composite("attached-xl", xl=True),
    "lora": _model_file("lora", _lora),
    "adapter": _model_file("adapter", lambda folder: write_image_adapter(folder / "adapter", folder / "base")),
    "adapter-plus": _model_file(
        "adapter-plus", lambda folder: write_image_adapter(folder / "adapter", folder / "base", plus=True)
    ),
    **{
        kind: _folder(kind, lambda path, kind=kind: write_tagger(path, kind))  # type: ignore[misc]
        for kind in ("siglip", "clip", "blip", "florence2")
    },
    "vit": _folder("vit", lambda path: write_vit(path, side=16, patch=4)),
    "dinov2": _folder("dinov2", lambda path: write_vit(path, kind="dinov2", side=16, patch=4)),
    "textures-adapter": _textures("adapter"),
    "textures-embedded": _textures("embedded"),
}
"""name -> what makes it"""
