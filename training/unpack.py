"""Checkpoints of a shipped model's parts.

``python training/unpack.py --model pipeline/models/embedded/weights --out runs/training``

With them any script goes on from what is shipped (as its ``--start``, or in its ``--out``) where the checkpoints of the
training itself are gone. They begin at step 0: the optimizer's state is not shipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, ControlNetModel, UNet2DConditionModel
from ip_adapter import adapter_modules
from safetensors.torch import load_file

from pipeline.models.attachments.image_adapter import read_adapter
from pipeline.models.embedded.detail import DETAIL, DetailNetwork
from pipeline.models.embedded.generator import GENERATOR, Generator
from pipeline.models.embedded.loading import TEXTURES
from pipeline.models.embedded.restoration import RestorationModule
from pipeline.models.embedded.tagger import Tagger
from pipeline.models.embedded.texture_encoder import TextureEncoder

PARTS: dict[str, tuple[str, Any]] = {
    "autoencoder": ("vae", AutoencoderDC),
    "restoration": ("restorer", RestorationModule),
    "tagger": ("tagger", Tagger),
    "denoiser": ("unet", UNet2DConditionModel),
    "controlnet": ("controlnet", ControlNetModel),
    GENERATOR: (GENERATOR, Generator),
    DETAIL: (DETAIL, DetailNetwork),
}
"""checkpoint -> its folder in the model, and its class"""


def unpack(model: Path, out: Path) -> None:
    """Write ``out``/autoencoder.pt and the others, each with float32 weights of a step 0."""
    index = json.loads((model / "model_index.json").read_text(encoding="utf-8"))
    own = index["gigatile"]
    out.mkdir(parents=True, exist_ok=True)
    for name in (name for name in PARTS if name not in (GENERATOR, DETAIL) or name in index):
        record = _record(model, name, own)
        torch.save(record, out / f"{name}.pt")
        print(f"{out / name}.pt: {sum(v.numel() for v in record['model'].values()) / 1e6:.2f} M parameters")
    if TEXTURES[0] in index:
        torch.save(_textures(model), out / "textures.pt")
        print(f"{out / 'textures'}.pt")


def _record(model: Path, name: str, own: dict[str, Any]) -> dict[str, Any]:
    folder, kind = PARTS[name]
    network = kind.from_pretrained(model / folder, variant="fp16")
    weights = {key: value.float() for key, value in network.state_dict().items()}
    record: dict[str, Any] = {"model": weights, "average": weights, "extra": {}}
    if name == "tagger":
        record["extra"]["thresholds"] = list(network.config["thresholds"])
    if name == "denoiser":
        text = load_file(model / "text_encoder" / "model.fp16.safetensors")
        record["text"] = record["average_text"] = {key: value.float() for key, value in text.items()}
        mean, std = (torch.tensor(own[key]).view(1, -1, 1, 1) for key in ("latents_mean", "latents_std"))
        record["extra"] = {"mean": mean, "std": std, "spread": torch.tensor(own["spread"])}
    return record


def _textures(model: Path) -> dict[str, Any]:
    """The checkpoint of train_textures.py: what the adapter added to the U-Net, and the texture encoder."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet", variant="fp16")
    read_adapter(unet, model / "image_adapter" / "model.fp16.safetensors")
    weights = {key: value.float() for key, value in adapter_modules(unet).state_dict().items()}
    encoder = TextureEncoder.from_pretrained(model / "texture_encoder", variant="fp16")
    described = {key: value.float() for key, value in encoder.state_dict().items()}
    return {"model": weights, "average": weights, "encoder": described, "extra": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("pipeline/models/embedded/weights"))
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    options = parser.parse_args()
    unpack(options.model, options.out)


if __name__ == "__main__":
    main()
